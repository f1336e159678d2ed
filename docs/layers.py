"""Fills in docs/layers.md what the running service says: `python docs/layers.py`, while `make run` serves."""

import json
import math
import sys
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from readme import filled

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/layers.md"
PICTURE = ROOT / "examples/seven-light-on-dark.png"
URL = "http://127.0.0.1:8000"
NUMBER = 1234
Layer = dict[str, Any]


class Service:
    """What a running service says of its models, asked as any client does."""

    def __init__(self, url: str) -> None:
        self._url = url

    def card(self, model: str) -> dict[str, Any]:
        return self._asked(f"/api/models/{model}")

    def layers(self, model: str) -> list[Layer]:
        """Return the layers in full, with shapes of one item: without the batch axis."""
        found = self._asked(f"/api/models/{model}/layers")["layers"]
        return [one | {"item": one["output_shape"][1:], "takes": one["input_shape"][1:]} for one in found]

    def answer(self, model: str, picture: Path) -> dict[str, Any]:
        return self._asked(f"/api/models/{model}/predict?top_k=3&layers=none", picture.read_bytes())

    def _asked(self, path: str, data: bytes | None = None) -> dict[str, Any]:
        with urllib.request.urlopen(urllib.request.Request(self._url + path, data=data), timeout=30) as response:
            body: dict[str, Any] = json.load(response)
        return body


def parts(url: str) -> dict[str, str]:
    """Return what stands between the page's markers, as the service at `url` has it."""
    service = Service(url)
    return {
        "walk": walk(service.layers("mnist")),
        "layer": in_full(service, "mnist", "conv2d_1"),
        "number": number(service.layers("mnist")),
        "vectors": vectors(service, ["mnist", "mnist-gap", "fashion-mnist", "cats-dogs", "mnist-dense"]),
        "branches": branches(service, ["cats-dogs-shared-input", "cats-dogs-two-inputs"]),
        "heads": heads(service, ["mnist", "cats-dogs", "mnist-dense"]),
        "answer": answer(service, "mnist-dense"),
        "hints": hints(service, ["mnist", "mnist-dense"]),
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


def number(layers: list[Layer]) -> str:
    """Say which place of the map a number of the flattened vector is, and what of the picture it sees."""
    place = next(index for index, one in enumerate(layers) if one["type"] == "Flatten")
    flatten, maps = layers[place], layers[place - 1]
    assert flatten["order"] == "row, column, channel"
    _, columns, channels = flatten["takes"]
    position, channel = divmod(NUMBER, channels)
    row, column = divmod(position, columns)
    jump = math.prod(one.get("strides", [1])[0] for one in layers[:place])
    ends = [(side * jump, side * jump + maps["receptive_field"][0] - 1) for side in (row, column)]
    return (
        f"Number {NUMBER} of `{flatten['name']}` is row {row}, column {column}, channel {channel} of the "
        f"{by(flatten['takes'])} map: `{NUMBER} = ({row} * {columns} + {column}) * {channels} + {channel}`.\n"
        f"It sees rows {ends[0][0]} to {ends[0][1]} and columns {ends[1][0]} to {ends[1][1]} of the picture."
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


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else URL
    PAGE.write_text(filled(PAGE.read_text("utf-8"), parts(url)), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
