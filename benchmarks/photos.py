"""Owns the measurements of large photos behind docs/tuning.md; each prints its best times, all taken in turns.

`python -m benchmarks.photos decode PHOTO`: eight of a photo (enlarged to 12 megapixels), one by one and side by side.
`python -m benchmarks.photos scaled PHOTO…`: what JPEG's scaled decoding saves, and what it changes.
"""

import io
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.tuning import SECONDS, SIDE, best_times, show, timed
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.model.recipe import Recipe
from service.model.tensors import ImageLayout
from service.serving.ahead import Ahead, Prepare
from service.serving.examples import Example, Origin, Picture
from service.serving.preparation import Prepared

LARGE = (4000, 3000)
RECIPES = ("keras.load_img", "keras.image_dataset", "opencv")
FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}


def decode(photo: str) -> None:
    data = enlarged(Path(photo))
    examples = [Example.of(Picture(data))] * 8
    ahead = Ahead()
    for recipe in RECIPES:
        prepare = partial(prepared, recipe=recipe)
        ways = {
            "one by one": partial(in_turn, examples, prepare),
            "side by side": partial(side_by_side, ahead, examples, prepare),
        }
        show(f"8 photos of {len(data) / 1e6:.1f} MB, {recipe}", best_times(ways))
        share = statistics.median(left_to_others(partial(prepare, examples[0])) for _ in range(9))
        print(f"  meanwhile another Python thread got {share:.2f} of the processor time that decoding took")


def left_to_others(call: Callable[[], object]) -> float:
    """Return what a thread that always wants the GIL gets while `call` runs in another, as a share of its work."""
    worked = timed(call, time.thread_time)
    other = threading.Thread(target=call)
    other.start()
    began = time.thread_time()
    while other.is_alive():
        pass
    return (time.thread_time() - began) / worked


def in_turn(examples: Sequence[Example], prepare: Prepare) -> None:
    for one in examples:
        prepare(one)


def side_by_side(ahead: Ahead, examples: Sequence[Example], prepare: Prepare) -> None:
    for one in ahead.coming(examples, prepare):
        one.prepared(time.monotonic() + SECONDS)


def prepared(example: Example, recipe: str) -> Prepared:
    (part,) = example.parts.values()
    assert isinstance(part, Picture)
    found = picture_to_input(
        part.data,
        recipe=Recipe("bgr" if recipe == "opencv" else "rgb", (SIDE, SIDE), recipe=recipe),
        layout=ImageLayout(SIDE, SIDE, 3),
        dtype="float32",
        limits=ImageLimits(),
    )
    return Prepared(Origin(), {"image": found.array[np.newaxis]}, ())


def enlarged(photo: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(photo) as image:
        image.convert("RGB").resize(LARGE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def scaled(*photos: str) -> None:
    for photo in photos:
        data = enlarged(Path(photo))
        for name, method in FILTERS.items():
            whole, part = (resized(data, method, draft=draft) for draft in (False, True))
            off = np.abs(whole.astype(int) - part)
            ways = {
                "decoded in full": partial(resized, data, method, draft=False),
                "decoded at a fraction": partial(resized, data, method, draft=True),
            }
            show(f"{Path(photo).name} at 12 megapixels, {name}", best_times(ways, seconds=SECONDS / 3))
            print(f"  pixels differ by {off.mean():.2f} of 255 in the mean, by {off.max()} at most")


def resized(data: bytes, method: Image.Resampling, *, draft: bool) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        if draft:
            image.draft("RGB", (SIDE, SIDE))
        return np.asarray(image.resize((SIDE, SIDE), method))


COMMANDS: Mapping[str, Callable[..., None]] = {"decode": decode, "scaled": scaled}


def main(words: Sequence[str]) -> None:
    if len(words) < 2 or words[0] not in COMMANDS:
        raise SystemExit(__doc__)
    COMMANDS[words[0]](*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
