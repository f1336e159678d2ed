"""Fills in docs/layers.md what the running service says, and fetches its pictures: `python docs/layers.py`.

`make run` has to serve meanwhile. What needs nets of its own is measured by docs/experiments.py.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from asking import PICTURE, ROOT, URL, Layer, Service
from numpy.typing import NDArray
from PIL import Image
from readme import filled

PAGE = ROOT / "docs/layers.md"
IMAGES = ROOT / "docs/images"
NUMBER = 1234
WIDE = 64
STEPS = range(9)

DRAWN = {
    "layers-conv2d.png": "activations?layer=conv2d&channels=1,3,18,25",
    "layers-conv2d_1.png": "activations?layer=conv2d_1&channels=10,15,17,61",
    "layers-flatten.png": "activations?layer=flatten",
    "layers-occlusion-7.png": "explain?class=7&method=occlusion",
    "layers-occlusion-1.png": "explain?class=1&method=occlusion",
    "layers-grad-cam-7.png": "explain?class=7&method=grad-cam",
    "layers-graph.svg": "graph.svg",
}
"""The page's pictures, each with what `mnist` is asked for it, of `PICTURE` where it is of a picture."""


def parts(url: str) -> dict[str, str]:
    """Return what stands between the page's markers, as the service at `url` has it."""
    service = Service(url)
    return {
        "walk": walk(service.layers("mnist")),
        "layer": in_full(service, "mnist", "conv2d_1"),
        "number": number(service),
        "vectors": vectors(service, ["mnist", "mnist-gap", "fashion-mnist", "cats-dogs", "mnist-dense"]),
        "branches": branches(service, ["cats-dogs-shared-input", "cats-dogs-two-inputs"]),
        "heads": heads(service, ["mnist", "cats-dogs", "mnist-dense"]),
        "answer": answer(service, "mnist-dense"),
        "unit": unit(service, "mnist", "flatten"),
        "heat": heat(service),
        "hints": hints(service, ["mnist", "mnist-dense"]),
        "steps": steps(service),
    }


# ------------------------------------------------------------------------------------------------ the walk


def walk(layers: list[Layer]) -> str:
    """Return a row for each layer of a plain stack, with the sums that lead to its numbers."""
    rows, jump, field = [], 1, 1
    for layer in layers:
        kernel = (layer.get("kernel_size") or layer.get("pool_size") or [1])[0]
        seen = layer["receptive_field"][0]
        sees = f"`{seen} = {field} + ({kernel} - 1) * {jump}`" if kernel > 1 else by(layer["receptive_field"])
        shape, weights = SUMS.get(layer["type"], nothing)(layer)
        rows.append([f"`{layer['name']}` {layer['type']}", by(layer["item"]), shape, weights, sees])
        jump, field = jump * layer.get("strides", [1])[0], seen
    return table(["layer", "gives", "because", "parameters", "sees"], rows)


def convolution(layer: Layer) -> tuple[str, str]:
    (side, _, filters), (before, _, channels) = layer["item"], layer["takes"]
    kernel = layer["kernel_size"][0]
    weights = f"`{layer['parameters']} = ({kernel} * {kernel} * {channels} + 1) * {filters}`"
    return f"`{side} = {before} - {kernel} + 1`; {filters} filters", weights


def pooling(layer: Layer) -> tuple[str, str]:
    return f"`{layer['item'][0]} = {layer['takes'][0]} // {layer['pool_size'][0]}`; channels stay", "0"


def flattening(layer: Layer) -> tuple[str, str]:
    return f"`{layer['item'][0]} = {' * '.join(map(str, layer['takes']))}`", "0"


def dense(layer: Layer) -> tuple[str, str]:
    (units,), (before,) = layer["item"], layer["takes"]
    return f"{units} units", f"`{layer['parameters']} = ({before} + 1) * {units}`"


def nothing(layer: Layer) -> tuple[str, str]:
    return "", str(layer["parameters"])


SUMS: dict[str, Callable[[Layer], tuple[str, str]]] = {
    "Conv2D": convolution,
    "MaxPooling2D": pooling,
    "Flatten": flattening,
    "Dense": dense,
}


def in_full(service: Service, model: str, name: str) -> str:
    """Return one layer as the service gives it, a field a line."""
    found = next(one for one in service.layers(model) if one["name"] == name)
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in found.items() if key not in ("item", "takes")]
    return fenced("{\n" + ",\n".join(lines) + "\n}")


# ------------------------------------------------------------------------------------------------- vectors


def number(service: Service) -> str:
    """Say which place of the map a number of the flattened vector is, and what of the picture it sees."""
    flatten = next(one for one in service.layers("mnist") if one["type"] == "Flatten")
    assert flatten["order"] == "row, column, channel"
    _, columns, channels = flatten["takes"]
    found = service.unit("mnist", flatten["name"], NUMBER)
    row, column, channel, region = (found[key] for key in ("row", "column", "channel", "region"))
    return (
        f"Number {NUMBER} of `{flatten['name']}` is row {row}, column {column}, channel {channel} of the "
        f"{by(flatten['takes'])} map: `{NUMBER} = ({row} * {columns} + {column}) * {channels} + {channel}`.\n"
        f"It sees rows {region['top']} to {region['bottom'] - 1} and columns {region['left']} to "
        f"{region['right'] - 1} of the picture."
    )


def vectors(service: Service, models: list[str]) -> str:
    """Return for each model how maps become a vector, and what the Dense behind it costs."""
    rows = []
    for model in models:
        layers, card = service.layers(model), service.card(model)
        (step,) = card["maps_to_vector"]["steps"]
        after = next(one for one in layers if step["layer"] in one["inbound"])
        sizes = [by(layers[0]["item"]), step["by"], by(step["from"]), step["to"]]
        rows.append([f"`{model}`", *sizes, *(f"{count:,}" for count in (after["parameters"], card["parameters"]))])
    return table(["model", "input", "vector by", "from", "numbers", "parameters of the next Dense", "of all"], rows)


# -------------------------------------------------------------------------------------------- look inside


def unit(service: Service, model: str, layer: str) -> str:
    """Return the request and the answer about a unit."""
    said = json.dumps(service.unit(model, layer, NUMBER), indent=2)
    command = f"$ curl {URL}/api/models/{model}/layers/{layer}/units/{NUMBER}"
    return f"```console\n{command}\n```\n\n{fenced(INNERMOST.sub(on_one_line, said))}"


def heat(service: Service) -> str:
    """Return how much the heat maps of the page are about, in the score before the head."""
    rows = []
    for label, method in (("7", "occlusion"), ("1", "occlusion"), ("7", "grad-cam")):
        said = service.heat("mnist", label, method)
        (tensor,) = said["tensors"]
        rows.append([label, method, said["passes"], f"{tensor['maximum']:.2f}", f"{tensor['minimum']:.2f}"])
    return table(["class", "method", "passes", "maximum", "minimum"], rows)


def steps(service: Service) -> str:
    """Return by how much the means of `mnist-gap` change at most when the digit moves to the right."""
    digit = np.asarray(Image.open(PICTURE).convert("L"), np.float32)[..., np.newaxis] / np.float32(255)
    given = [placed(digit, left) for left in STEPS]
    means = [service.vector("mnist-gap", "global_average_pooling2d", image) for image in given]
    changes = [f"{np.abs(one - means[0]).max():.2f}" for one in means]
    header = [f"on {WIDE}x{WIDE}, pixels to the right", *map(str, STEPS)]
    return table(header, [["largest change of a mean", *changes]])


def placed(digit: NDArray[np.float32], right: int) -> NDArray[np.float32]:
    """Return a digit in the middle of a black picture, but for `right` pixels."""
    height, width, channels = digit.shape
    top, left = (WIDE - height) // 2, (WIDE - width) // 2 + right
    wide = np.zeros((WIDE, WIDE, channels), np.float32)
    wide[top : top + height, left : left + width] = digit
    return wide


# ------------------------------------------------------------------------------------- branches and heads


def branches(service: Service, models: list[str]) -> str:
    """Return each way from an input to the Concatenate, and the sums that follow from their lengths."""
    rows, sums = [], []
    for model in models:
        layers = {one["name"]: one for one in service.layers(model)}
        joined = next(one for one in layers.values() if one["type"] == "Concatenate")
        ways = [list(way_to(name, layers)) for name in joined["inbound"]]
        rows += [[f"`{model}`", *way_row(way)] for way in ways]
        after = next(one for one in layers.values() if joined["name"] in one["inbound"])
        lengths = " + ".join(str(way[-1]["item"][0]) for way in ways)
        sums.append(f"- `{model}`: `{joined['item'][0]} = {lengths}`, and the Dense behind it {dense(after)[1]}.")
    return "\n".join([table(["model", "from", "kernels", "shapes", "parameters"], rows), "", *sums])


def way_to(name: str, layers: dict[str, Layer]) -> Iterable[Layer]:
    """Yield the layers from an input to the one of this name."""
    for before in layers[name]["inbound"]:
        yield from way_to(before, layers)
    yield layers[name]


def way_row(way: Sequence[Layer]) -> list[str]:
    kernels = ", ".join(by(one["kernel_size"]) for one in way if "kernel_size" in one)
    parameters = sum(one["parameters"] for one in way)
    return [f"`{way[0]['name']}`", kernels, " → ".join(by(one["item"]) for one in way), f"{parameters:,}"]


def heads(service: Service, models: list[str]) -> str:
    """Return for each model what it ends in and which head reads that."""
    rows = []
    for model in models:
        (output,), last = service.card(model)["outputs"], service.layers(model)[-1]
        head = output["head"]["value"]
        rows.append([f"`{model}`", by(last["item"]), last["activation"], f"`{head}`", output["classes"]])
    return table(["model", "units", "activation", "head", "classes"], rows)


def answer(service: Service, model: str) -> str:
    """Return the best classes of an answer and what all of them add up to, in hundredths: CPUs differ in the rest."""
    found = service.answer(model, PICTURE)["predictions"][0]
    total = sum(found["probabilities"])
    best = [json.dumps(one | {"probability": round(one["probability"], 2)}) for one in found["top"]]
    shown = fenced("[\n  " + ",\n  ".join(best) + "\n]")
    return f"{shown}\n\nAll {len(found['probabilities'])} together: {total:.2f}."


def hints(service: Service, models: list[str]) -> str:
    """Return what the cards of the models give reason to say."""
    return "\n".join(f"- `{model}`: {hint}" for model in models for hint in service.card(model)["hints"])


# --------------------------------------------------------------------------------------------------- text


def by(shape: Iterable[int | None]) -> str:
    """Return a shape as 26x26x32; a free axis is ?."""
    return "x".join("?" if axis is None else str(axis) for axis in shape)


def table(header: list[str], rows: list[list[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def fenced(text: str) -> str:
    return f"```json\n{text}\n```"


INNERMOST = re.compile(r"\{\s+([^{}]*?)\s+\}")


def on_one_line(found: re.Match[str]) -> str:
    return "{" + " ".join(found.group(1).split()) + "}"


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else URL
    IMAGES.mkdir(exist_ok=True)
    for name, query in DRAWN.items():
        (IMAGES / name).write_bytes(Service(url).drawn(query))
    PAGE.write_text(filled(PAGE.read_text("utf-8"), parts(url)), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
