"""Owns hints: what a look at the layers tells that an author may want to change, each in one sentence with numbers."""

from collections.abc import Iterator, Mapping

from service.model.description import Description
from service.model.head import Head
from service.model.layers import Layer
from service.model.stack import Stack, shapes_in
from service.model.tensors import Shape, is_map, units_of

MANY_PARAMETERS = 100_000
"""A Dense of fewer parameters is not worth a hint, whatever its share."""
_MISTAKEN_KERNELS = ((3, 3), (5, 5))  # a patch embedding has even kernels, or 7 and more
_SOFTMAX_OF_LAST_AXIS = ("Activation", "Conv1D", "Conv2D", "Dense")
_FLATTENS = ("Flatten", "Reshape")
_SAME_SHAPE = (
    "Activation",
    "AlphaDropout",
    "BatchNormalization",
    "Dropout",
    "ELU",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "PReLU",
    "ReLU",
    "Rescaling",
    "Softmax",
)


def hints_of(facts: Description, heads: Mapping[str, Head]) -> tuple[str, ...]:
    """Return what the layers and the head of each output, by its name, give reason to say; most models get none."""
    stack = Stack(facts.layers or ())
    return (
        *_large_dense_after_flatten(facts, stack),
        *_kernel_given_as_strides(stack),
        *_dense_before_dense(stack),
        *_softmax_of_one(stack),
        *_exclusive_sigmoids(facts, heads),
        *_dense_on_maps(stack),
    )


def _large_dense_after_flatten(facts: Description, stack: Stack) -> Iterator[str]:
    for dense in stack.layers:
        if dense.type != "Dense" or dense.parameters <= max(MANY_PARAMETERS, facts.parameters / 2):
            continue
        flattens = _flattens_before(dense, stack)
        if flattens and all(any(one.kernel_size for one in stack.before(flatten)) for flatten in flattens):
            names = " and ".join(one.name for one in flattens)
            yield (
                f"{_named(dense)} takes all {_item(dense.input_shape)[-1]:,} numbers of {names} and so holds "
                f"{dense.parameters:,} of the model's {facts.parameters:,} parameters "
                f"({100 * dense.parameters / facts.parameters:.0f} %){_if_pooled(dense, flattens, facts)}."
            )


def _flattens_before(dense: Layer, stack: Stack) -> list[Layer]:
    """Return the layers that flatten the maps that `dense` takes; none where it takes anything else as well."""
    found, waiting = [], stack.feeds_of(dense)
    while waiting:
        layer = waiting.pop(0)
        if layer.type in _FLATTENS and any(map(is_map, shapes_in(layer.input_shape))):
            found.append(layer)
        elif layer.type in ("Concatenate", *_SAME_SHAPE):
            waiting += stack.feeds_of(layer)
        else:
            return []
    return found


def _if_pooled(dense: Layer, flattens: list[Layer], facts: Description) -> str:
    """Say what global pooling would make of it, where it is certain which axis holds the channels."""
    is_last = all(one.order == "channels_last" for one in facts.inputs)
    if not is_last or any(one.order != "row, column, channel" for one in flattens):
        return ""
    channels = sum(_item(one.input_shape)[-1] or 0 for one in flattens)
    saved = ((_item(dense.input_shape)[-1] or 0) - channels) * (_item(dense.output_shape)[-1] or 0)
    return (
        f"; with global pooling in place of Flatten, {channels:,} numbers, it would hold {dense.parameters - saved:,}"
    )


def _kernel_given_as_strides(stack: Stack) -> Iterator[str]:
    for layer in stack.layers:
        kernel = layer.kernel_size
        if layer.type != "Conv2D" or kernel not in _MISTAKEN_KERNELS or layer.strides != kernel:
            continue
        if _is_first(layer, stack):
            given, meant = f"{kernel[0]}, {kernel[1]}", "x".join(map(str, kernel))
            yield (
                f"{_named(layer)} moves its {meant} kernel by {kernel[0]} pixels at a time and so makes "
                f"{_shown(layer.input_shape)} to {_shown(layer.output_shape)}: that is what Conv2D(n, {given}) means "
                f"since Keras 2; a {meant} kernel moved by 1 is Conv2D(n, ({given}))."
            )


def _is_first(layer: Layer, stack: Stack) -> bool:
    return all(one.type in ("InputLayer", *_SAME_SHAPE) for one in stack.before(layer))


def _dense_before_dense(stack: Stack) -> Iterator[str]:
    for second in stack.layers:
        first = _source(second, stack, passing=("Dropout",))
        if second.type != "Dense" or first is None or first.type != "Dense" or first.activation != "linear":
            continue
        taken, between, given = (
            _item(shape)[-1] or 0 for shape in (first.input_shape, first.output_shape, second.output_shape)
        )
        if between < min(taken, given):
            continue  # a bottleneck saves parameters, and may be meant
        yield (
            f"{_named(first)} has no activation before {_named(second)}: the two with their "
            f"{first.parameters + second.parameters:,} parameters can do no more than one Dense of {given:,} units "
            f"with {(taken + 1) * given:,}."
        )


def _source(layer: Layer, stack: Stack, *, passing: tuple[str, ...]) -> Layer | None:
    """Return the one layer whose values `layer` takes, through layers of these types; None where there are several."""
    feeds = stack.feeds_of(layer)
    while len(feeds) == 1 and feeds[0].type in passing:
        feeds = stack.feeds_of(feeds[0])
    return feeds[0] if len(feeds) == 1 else None


def _softmax_of_one(stack: Stack) -> Iterator[str]:
    for layer in stack.layers:
        item = _item(layer.output_shape)
        axes = item[-1:] if layer.type in _SOFTMAX_OF_LAST_AXIS else item
        is_known = layer.type in ("Softmax", *_SOFTMAX_OF_LAST_AXIS)
        if is_known and layer.activation == "softmax" and axes and set(axes) == {1}:
            yield (
                f"{_named(layer)} takes the softmax of 1 unit, which is always 1.0: for yes or no use 1 unit with a "
                "sigmoid, or 2 with a softmax."
            )


def _exclusive_sigmoids(facts: Description, heads: Mapping[str, Head]) -> Iterator[str]:
    for one in facts.outputs:
        if heads.get(one.spec.name) == "sigmoid-exclusive":
            loss = f"trained with {one.loss}, a one-of-many loss" if one.loss else "read as one of many"
            yield (
                f"Output {one.spec.name} has {units_of(one.spec)} sigmoids {loss}: each probability stands for itself, "
                "and together they need not add up to 1."
            )


def _dense_on_maps(stack: Stack) -> Iterator[str]:
    for end in stack.last():
        layer: Layer | None = end
        if end.type in _SAME_SHAPE:
            layer = _source(end, stack, passing=_SAME_SHAPE)
        if layer is not None and layer.type == "Dense" and is_map((None, *_item(layer.output_shape))):
            yield (
                f"{_named(layer)} works on maps of {_shown(layer.input_shape)} position by position, so that the "
                f"output is a map of {_shown(layer.output_shape)}: if one answer for the whole was meant, put a "
                "Flatten or a global pooling before it."
            )


def _named(layer: Layer) -> str:
    return f"{layer.name} ({layer.type})"


def _item(shape: Shape | tuple[Shape, ...] | None) -> Shape:
    """Return the shape of one example on one side of a layer, of the first where there are several."""
    return next(iter(shapes_in(shape)), ())[1:]


def _shown(shape: Shape | tuple[Shape, ...] | None) -> str:
    return "x".join("?" if axis is None else str(axis) for axis in _item(shape))
