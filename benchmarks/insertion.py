"""Measures heat maps by deletion and insertion (RISE, Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421).

`python -m benchmarks.insertion DATA_FOLDER` asks a server of the bundled models, by default http://127.0.0.1:8000, for
heat maps of held-out pictures. Deletion takes the hottest pixels away first, each replaced by the mean of its input: it
is good where the predicted class falls early. Insertion puts the hottest back first into a blurred picture: it is good
where the class rises early. The figures are the areas under the two curves of the class's probability; the baselines
take pixels in a random order, and from the centre outwards.
"""

import argparse
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image

ARRAYS = {"mnist": "mnist", "mnist-gap": "mnist", "mnist-dense": "mnist", "fashion-mnist": "fashion_mnist"}
PHOTOGRAPHS = ("cats-dogs", "cats-dogs-gray", "cats-dogs-shared-input", "cats-dogs-two-inputs")
METHODS = ("occlusion", "grad-cam")
BASELINES = ("random", "centre")
STEPS = 20
_JSON, _NPY = {"Accept": "application/json"}, {"Accept": "application/x-npy"}
_BLUR = 8
"""The longer side in units of the blur's standard deviation."""

Planes = Mapping[str, NDArray[Any]]
"""One array for each input, by name."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Areas under the curves of one picture or the means of several: small deletion and large insertion are good."""

    deletion: float
    insertion: float


class Model:
    """A model on a running server."""

    def __init__(self, url: str, name: str) -> None:
        self._ask = partial(requests.post, timeout=120)
        self._address = f"{url}/api/models/{name}"
        card = requests.get(self._address, timeout=60).json()
        self.inputs = [one["name"] for one in card["inputs"]]

    def seen(self, picture: bytes) -> Planes:
        """Return what the model is given for a picture: (1, *item) for each input."""
        return {name: self._npy("preview", picture, input=name) for name in self.inputs}

    def predicted(self, batch: Planes, index: int | None = None) -> tuple[int, NDArray[np.float64]]:
        """Return a class, the first example's own by default, and its probability for each example of a batch."""
        files = {name: (f"{name}.npy", _packed(array)) for name, array in batch.items()}
        answer = self._ask(f"{self._address}/predict", files=files, params={"layers": "none"})
        found = _checked(answer).json()["predictions"]
        chosen = found[0]["index"] if index is None else index
        return chosen, np.array([one["probabilities"][chosen] for one in found])

    def heat(self, picture: bytes, method: str, index: int) -> Planes | None:
        """Return the heat (height, width) of each input; None where the model does not allow the method."""
        query = {"method": method, "class": str(index)}
        answer = self._ask(f"{self._address}/explain", data=picture, headers=_JSON, params=query)
        if answer.status_code == requests.codes.unprocessable_entity:
            return None
        return {one["name"]: np.array(one["heatmap"]) for one in _checked(answer).json()["tensors"]}

    def _npy(self, what: str, picture: bytes, **query: Any) -> NDArray[Any]:
        answer = self._ask(f"{self._address}/{what}", data=picture, headers=_NPY, params=query)
        return np.asarray(np.load(io.BytesIO(_checked(answer).content)))


def measured(model: Model, pictures: Sequence[bytes], *, methods: Sequence[str] = METHODS) -> dict[str, Curves]:
    """Return the mean areas for each method that the model allows and for the baselines, on the predicted classes."""
    found: dict[str, list[Curves]] = {}
    random = np.random.default_rng(1)
    for picture in pictures:
        seen = model.seen(picture)
        index, _ = model.predicted(seen)
        sizes = {name: array.shape[1:3] for name, array in seen.items()}
        orders: dict[str, Planes | None] = {name: model.heat(picture, name, index) for name in methods}
        orders["random"] = {name: random.random(size) for name, size in sizes.items()}
        orders["centre"] = {name: _nearness(size) for name, size in sizes.items()}
        for name, heat in orders.items():
            if heat is not None and heat.keys() == seen.keys():
                found.setdefault(name, []).append(curves(model, seen, heat, index))
    return {name: _mean(several) for name, several in found.items()}


def curves(model: Model, seen: Planes, heat: Planes, index: int) -> Curves:
    """Return the areas for one picture under one order of its pixels, the hottest first, ties in a random order."""
    ranks = {name: _ranks(plane) for name, plane in heat.items()}
    means = {name: np.broadcast_to(_planes(array).mean((0, 1)), _planes(array).shape) for name, array in seen.items()}
    blurs = {name: _blurred(_planes(array)) for name, array in seen.items()}
    whole = {name: _planes(array) for name, array in seen.items()}
    batch = {
        name: _shaped([*_mixed(means[name], whole[name], rank), *_mixed(whole[name], blurs[name], rank)], seen[name])
        for name, rank in ranks.items()
    }
    _, values = model.predicted(batch, index)
    return Curves(_area(values[: STEPS + 1]), _area(values[STEPS + 1 :]))


def _mixed(first: NDArray[Any], second: NDArray[Any], ranks: NDArray[np.float64]) -> Iterator[NDArray[Any]]:
    """Yield planes with `first` at the hottest pixels and `second` at the others: none of them, then ever more."""
    for step in range(STEPS + 1):
        yield np.where((ranks < step / STEPS)[..., np.newaxis], first, second)


def _ranks(plane: NDArray[Any]) -> NDArray[np.float64]:
    flat = plane.reshape(-1)
    order = np.lexsort((np.random.default_rng(2).random(flat.size), -flat))
    ranks = np.empty(flat.size)
    ranks[order] = np.arange(flat.size) / flat.size
    return ranks.reshape(plane.shape)


def _area(values: NDArray[np.float64]) -> float:
    return float((values[1:] + values[:-1]).mean() / 2)


def _mean(several: Sequence[Curves]) -> Curves:
    return Curves(*(float(np.mean([getattr(one, name) for one in several])) for name in ("deletion", "insertion")))


def _nearness(size: tuple[int, ...]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.asarray(-np.hypot(rows - (size[0] - 1) / 2, columns - (size[1] - 1) / 2))


def _planes(array: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(array[0] if array.ndim == 4 else array[0][..., np.newaxis])


def _shaped(planes: Sequence[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    return np.stack(planes).reshape(-1, *like.shape[1:]).astype(like.dtype)


def _blurred(planes: NDArray[Any]) -> NDArray[np.float64]:
    deviation = max(planes.shape[:2]) / _BLUR
    reach = np.arange(-int(3 * deviation), int(3 * deviation) + 1)
    kernel = np.exp(-0.5 * (reach / deviation) ** 2)
    kernel /= kernel.sum()
    found = np.pad(planes.astype(np.float64), ((len(reach) // 2,) * 2, (len(reach) // 2,) * 2, (0, 0)), mode="edge")
    for axis in (0, 1):
        found = np.apply_along_axis(lambda line: np.convolve(line, kernel, "valid"), axis, found)
    return found


def _packed(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise SystemExit(f"{answer.url} answered {answer.status_code}: {answer.text[:300]}")
    return answer


def held_out(name: str, data: Path, *, count: int) -> list[bytes]:
    """Return encoded pictures that the bundled model of that name was not trained on, of all classes alike.

    Raises OSError or ValueError where `data` does not hold them.
    """
    if name in ARRAYS:
        with np.load(data / f"{ARRAYS[name]}.npz") as file:
            return [_png(one) for one in file["x_test"][:count]]
    from zoo.photographs import photographs  # imports Keras

    found = [one for one in photographs(data / "cats_dogs", classes=2) if one.is_test]
    each = [[one.file for one in found if one.class_index == index][: -(-count // 2)] for index in (0, 1)]
    return [file.read_bytes() for pair in zip(*each, strict=True) for file in pair][:count]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder that holds mnist.npz, fashion_mnist.npz and cats_dogs/")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--pictures", type=int, default=50, help="how many of each model's held-out pictures")
    parser.add_argument("--models", nargs="*", default=[*ARRAYS, *PHOTOGRAPHS])
    given = parser.parse_args(arguments)
    print("| model | order of pixels | deletion, less is better | insertion, more is better |")
    print("|---|---|---|---|")
    for name in given.models:
        try:
            pictures = held_out(name, given.data, count=given.pictures)
        except (OSError, ValueError) as error:
            print(f"| {name} | left out: {error} | | |")
            continue
        for order, found in measured(Model(given.url, name), pictures).items():
            print(f"| {name} | {order} | {found.deletion:.3f} | {found.insertion:.3f} |", flush=True)


if __name__ == "__main__":
    main()
