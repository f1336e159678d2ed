"""Owns turning a Keras model into `Layer` values: every layer, nested ones under their path."""

from typing import Any

from service.builder.inspect import geometry
from service.builder.inspect.feeds import Takes, takes_of
from service.builder.inspect.graph import (
    feeds_of,
    inbound_names,
    is_nested,
    kind_of,
    operations_of,
    output_dtype,
    shapes_of,
)
from service.builder.inspect.sight import sight_of
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.tensors import image_layout

_PAIRS = ("kernel_size", "pool_size", "strides", "dilation_rate")


def layers_of(model: Any, *, order: str) -> tuple[Layer, ...]:
    """Return every layer of `model` in its order, InputLayers and bare operations too.

    `order` is the `data_format` of the model's inputs.
    """
    walk = _Walk(order, takes_of(model))
    walk.through(model, prefix="", feeds={})
    return tuple(walk.found)


class _Walk:
    """Goes through a model once, carrying along what each layer sees of the input image."""

    def __init__(self, order: str, takes: dict[str, tuple[Takes, ...]]) -> None:
        self.found: list[Layer] = []
        self._order = order
        self._takes = takes
        self._views: dict[str, geometry.View] = {}

    def through(self, model: Any, *, prefix: str, feeds: dict[str, str]) -> None:
        """Add the layers of `model`; `feeds` maps its input layers to what feeds them outside."""
        for operation in operations_of(model):
            path = f"{prefix}{operation.name}"
            if is_nested(operation):
                self.through(operation, prefix=f"{path}/", feeds=feeds_of(operation, model, prefix))
            else:
                self._add(operation, model, path, self._inbound(operation, model, prefix, feeds))

    def _inbound(self, operation: Any, model: Any, prefix: str, feeds: dict[str, str]) -> tuple[str, ...]:
        names = inbound_names(operation, model, prefix)
        return names or tuple(filter(None, [feeds.get(operation.name)]))

    def _add(self, operation: Any, model: Any, path: str, inbound: tuple[str, ...]) -> None:
        in_shape = shapes_of(operation, model, "input")
        out_shape = shapes_of(operation, model, "output")
        before = self._before(operation, out_shape, inbound)
        view = geometry.look_through(operation, before, shapes=(in_shape, out_shape))
        dtype = output_dtype(operation, model)
        self._views[path] = view
        self.found.append(
            Layer(
                name=path,
                type=type(operation).__name__,
                input_shape=in_shape,
                output_shape=out_shape,
                parameters=_count(operation, "weights"),
                trainable_parameters=_count(operation, "trainable_weights"),
                dtype=dtype,
                activation=activation_name(operation),
                padding=_text(operation, "padding"),
                macs=geometry.macs(operation, in_shape, out_shape, view.axes),
                activation_bytes=geometry.activation_bytes(out_shape, dtype),
                receptive_field=geometry.clipped(view),
                inbound=inbound,
                order=geometry.flatten_order(operation, before.axes, in_shape),
                axes=_unusual_axes(view.axes, out_shape),
                calls=self._calls(path, inbound),
                **sight_of(operation, model),
                **{name: _pair(operation, name) for name in _PAIRS},
            )
        )

    def _calls(self, path: str, inbound: tuple[str, ...]) -> Any:
        """Return what each call takes, None where that is the only output of each of `inbound`."""
        calls = self._takes.get(path, ())
        if len(calls) < 2 and all(takes == tuple(map(LayerTap, inbound)) for takes in calls):
            return None
        return tuple(tuple((one.layer, one.call, one.part) for one in takes) for takes in calls)

    def _before(self, operation: Any, shape: Any, inbound: tuple[str, ...]) -> geometry.View:
        if inbound:
            return geometry.merge([self._views.get(name, geometry.View()) for name in inbound])
        layout = image_layout(shape, order=self._order) if shape else None  # type: ignore[arg-type]
        size = layout.size if layout else (None, None)
        return geometry.View(axes=geometry.axes_of(shape, self._order), image=size)


def _unusual_axes(axes: tuple[str, ...] | None, shape: Any) -> tuple[str, ...] | None:
    is_known = axes is not None and axes != ("row", "column", "channel") and len(axes) == len(shape or ()) - 1
    return axes if is_known else None


def activation_name(operation: Any) -> str | None:
    """Return the name of an operation's activation, such as `relu`; None where it has none."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        return _OWN_ACTIVATION.get(kind_of(operation))
    own = _OWN_ACTIVATION.get(type(activation).__name__)  # a layer given as an activation
    return own or str(getattr(activation, "__name__", None) or getattr(activation, "name", type(activation).__name__))


_OWN_ACTIVATION = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "ReLU": "relu",
    "Relu": "relu",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "PReLU": "prelu",
}


def _count(operation: Any, weights: str) -> int:
    total = 0
    for weight in getattr(operation, weights, ()):
        size = 1
        for axis in weight.shape:
            size *= int(axis)
        total += size
    return total


def _text(operation: Any, name: str) -> str | None:
    value = getattr(operation, name, None)
    return value if isinstance(value, str) else None


def _pair(operation: Any, name: str) -> Any:
    value = getattr(operation, name, None)
    if isinstance(value, int):
        return (value,)
    return tuple(value) if isinstance(value, (tuple, list)) else None
