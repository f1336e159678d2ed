"""Owns what is written of a layer: its size and numbers in short on its box, all that is known in its title."""

from collections.abc import Sequence

from service.explain.graph.kinds import kind_of
from service.model.layers import Layer
from service.model.stack import shapes_in
from service.model.tensors import Shape


def sides(shape: Shape) -> str:
    """Return the shape of one example, 28×28×32, from one with the batch axis; a free axis is `?`."""
    return "×".join("?" if axis is None else str(axis) for axis in shape[1:]) or "1"


def shapes(found: Sequence[Shape]) -> str:
    """Return several shapes, each once, in a line."""
    return ", ".join(dict.fromkeys(map(sides, found)))


def parameters(count: int) -> str:
    """Return a number of weights with its word, empty for none."""
    return f"{count:,} parameter{'s' if count != 1 else ''}" if count else ""


def details(layer: Layer) -> str:
    """Return the window a layer slides and its activation in short: `3×3 stride 2 same relu`."""
    return " ".join(filter(None, [_window(layer), _activation(layer)]))


def title(layer: Layer) -> str:
    """Return everything a box has no room for, in words."""
    said = [
        f"{layer.name}: {layer.type}",
        f"{shapes(shapes_in(layer.input_shape)) or '?'} → {shapes(shapes_in(layer.output_shape)) or '?'}",
        parameters(layer.parameters),
        _window(layer),
        f"activation {layer.activation}" if layer.activation else "",
        f"order {layer.order}" if layer.order else "",
        f"{layer.macs:,} multiply-accumulates" if layer.macs else "",
        _field(layer),
        "also takes its own output" if layer.name in layer.inbound else "",
    ]
    return ", ".join(filter(None, said))


def _window(layer: Layer) -> str:
    window = layer.kernel_size or layer.pool_size
    if not window:
        return ""
    default = layer.pool_size or (1,) * len(window)
    strides = f"stride {_short(layer.strides)}" if layer.strides and layer.strides != default else ""
    dilated = set(layer.dilation_rate or ()) - {1}
    dilation = f"dilation {_short(layer.dilation_rate or ())}" if dilated else ""
    return " ".join(filter(None, [_by(window), strides, dilation, layer.padding if max(window) > 1 else ""]))


def _activation(layer: Layer) -> str:
    # A layer that is nothing but its activation has it in its type.
    is_said = layer.activation in (None, "linear") or (kind_of(layer) == "activation" and layer.type != "Activation")
    return "" if is_said else layer.activation or ""


def _field(layer: Layer) -> str:
    return f"sees {_by(layer.receptive_field)} pixels" if layer.receptive_field else ""


def _by(numbers: Sequence[int]) -> str:
    return "×".join(map(str, numbers))


def _short(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else _by(numbers)
