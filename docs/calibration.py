"""Fills in docs/evaluate.md how often calibration is right: `python docs/calibration.py`.

Needs the data that the bundled models were trained on: the folder that the tests call `shared` (CONVOY_SHARED).
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.cli.options import progress, read_settings, store_and_limits
from service.image.decode import ImageLimits
from service.offline.answering import output_with_classes
from service.offline.batches import answer_arrays
from service.offline.calibration import floor_of
from service.offline.candidates import FINISHING, Candidate, finishing_candidates, fitting_candidates
from service.offline.evidence import Result, weigh
from service.offline.trials import Trial, Trials
from service.repository.labelled import read_labelled
from service.serving.local import open_model, source_of

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CONVOY_SHARED", ROOT.parent / "shared"))
PAGE = ROOT / "docs/evaluate.md"
TRUTH = Candidate(scale="0..1")
DIGITS = 2000
SETS = 200
RESAMPLES = 1000
SIZES = (50, 200)
DATA = {
    "mnist": "mnist",
    "mnist-dense": "mnist",
    "mnist-gap": "mnist",
    "fashion-mnist": "fashion_mnist",
    "cats-dogs": "cats_dogs",
    "cats-dogs-gray": "cats_dogs",
    "cats-dogs-shared-input": "cats_dogs",
    "cats-dogs-two-inputs": "cats_dogs",
}


@dataclass(frozen=True)
class Rates:
    """Shares of the sets, 0..1: what the first row of the ranking says, and what the verdict says."""

    first_wrong: float
    right: float
    unsure: float
    wrong: float
    fitting_first: float
    fitting_wrong: float


def write_digits(name: str, folder: Path) -> None:
    with np.load(SHARED / f"data/{name}.npz") as data:
        images, classes = data["x_test"][:DIGITS], data["y_test"][:DIGITS]
    for number, (pixels, index) in enumerate(zip(images, classes, strict=True)):
        (folder / str(index)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / str(index) / f"{number:05}.png")


def write_photos(folder: Path) -> None:
    from zoo.photographs import photographs

    for one in photographs(SHARED / "data/cats_dogs", classes=2):
        if one.is_test:
            target = folder / one.file.parent.name / one.file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(one.file)


def trials_of(name: str, pictures: Path, folder: Path, *, size: int) -> tuple[list[Trial], list[Trial]]:
    """Return the trials of both stages of a bundled model that lies in a folder without its sidecar."""
    file = folder / name / "model.keras"
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "models" / name / "1/model.keras", file)
    store, limits = store_and_limits(read_settings())
    model = open_model(source_of(str(file), folder), store=store, limits=limits, progress=progress)
    output = output_with_classes(model)
    labelled = read_labelled(pictures, output)

    def tried(candidates: Sequence[Candidate]) -> list[Trial]:
        trials = Trials(
            model.card,
            partial(answer_arrays, model, output),
            labelled.pictures,
            limits=ImageLimits(),
            floor=floor_of(size),
        )
        trials.add(candidates, lambda _: None)
        return trials.found()

    # A model of free size has no recipe that fixes one: its own pictures are of the size it learned.
    return tried(finishing_candidates(model.card)), tried(fitting_candidates(TRUTH))


def rates_of(finishing: Sequence[Trial], fitting: Sequence[Trial], *, size: int) -> Rates:
    first, right, unsure, own_first, own_rival = [], [], [], [], []
    for places in drawn(len(finishing[0].result.right), size):
        ranking, rivals = verdict(finishing, places)
        first.append(is_true(ranking[0]))
        right.append(all(map(is_true, rivals)))
        unsure.append(any(map(is_true, rivals)) and not right[-1])
        ranking, rivals = verdict(fitting, places)
        own_first.append(TRUTH in ranking[0].candidates)
        own_rival.append(any(TRUTH in one.candidates for one in rivals))
    known = float(np.mean(right)), float(np.mean(unsure))
    return Rates(
        1 - float(np.mean(first)), *known, 1 - sum(known), float(np.mean(own_first)), 1 - float(np.mean(own_rival))
    )


def drawn(pictures: int, size: int) -> Iterator[NDArray[np.int64]]:
    draw = np.random.default_rng(1)
    for _ in range(SETS):
        yield draw.permutation(pictures)[:size]


def verdict(trials: Sequence[Trial], places: NDArray[np.int64]) -> tuple[list[Trial], list[Trial]]:
    evidence = weigh([_part(one.result, places) for one in trials], resamples=RESAMPLES)
    return [trials[one] for one in evidence.ranking], [trials[one] for one in evidence.rivals]


def _part(result: Result, places: NDArray[np.int64]) -> Result:
    return Result(result.right[places], result.losses[places], result.tempered[:, places], result.sureness)


def is_true(trial: Trial) -> bool:
    """Return whether a recipe of the group has the scale, colour order and polarity that the model was trained with."""
    plain = [replace(TRUTH, **{name: getattr(one, name) for name in FINISHING}) for one in trial.candidates]
    return TRUTH in plain


def row(name: str, size: int, found: Rates) -> str:
    shares = (
        found.first_wrong,
        found.right,
        found.unsure,
        found.wrong,
        1 - found.fitting_first,
        found.fitting_wrong,
    )
    return f"| {name} | {size} | {' | '.join(f'{100 * one:.1f} %' for one in shares)} |"


def table() -> str:
    head = (
        "| model | pictures | first row wrong | settled, right | left open | settled, wrong "
        "| resize: first row wrong | resize: ruled out wrongly |\n|---|---|---|---|---|---|---|---|"
    )
    rows = [head]
    with tempfile.TemporaryDirectory() as temporary:
        pictures = Path(temporary) / "pictures"
        for name in dict.fromkeys(DATA.values()):
            write_photos(pictures / name) if name == "cats_dogs" else write_digits(name, pictures / name)
        for name, data in DATA.items():
            for size in SIZES:
                found = trials_of(name, pictures / data, Path(temporary) / "models", size=size)
                rows.append(row(name, size, rates_of(*found, size=size)))
                sys.stderr.write(f"{rows[-1]}\n")
    return "\n".join(rows)


def main() -> None:
    rates = table()  # takes minutes, in which the page may be edited
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- rates:begin -->", "<!-- rates:end -->"
    before, _, rest = text.partition(begin)
    PAGE.write_text(f"{before}{begin}\n{rates}\n{end}{rest.partition(end)[2]}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
