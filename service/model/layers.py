"""Owns the description of a layer: what it is, what goes in and out, what it costs, what it looks at."""

from dataclasses import asdict, dataclass
from typing import Any

from service.model.insight import LayerTap
from service.model.tensors import Shape


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the stack as Keras describes it.

    Shapes have the batch axis first and None for free axes; a layer of several inputs or outputs has
    a tuple of shapes. `macs` (multiply-accumulates) and `activation_bytes` are for one example, None where
    a free axis leaves them open. `receptive_field` is (height, width) in input pixels. `inbound` names the
    layers that feed this one. `order` says in which order a Flatten lays out its vector, first axis slowest.

    What follows `order` says where a layer looks, as Keras names it, and only where it says something: `data_format`
    where it is channels_first, `pad_width` and `cropping` as pairs (before, after) for each axis, `dims` as Permute
    counts them, `key` of an indexing with `...`, `newaxis`, numbers and (start, stop, step). `axes` names the axes of
    an item that are not row, column, channel. `function` is what a wrapped TensorFlow function does, as Keras 3 calls
    it; `is_custom` says that the layer is no part of Keras, `training` that it always runs as in training. `calls` has
    for each call the (layer, call, part) that it takes, where that is not the one output of each of `inbound`.
    """

    name: str
    type: str
    output_shape: Shape | tuple[Shape, ...] | None
    parameters: int
    input_shape: Shape | tuple[Shape, ...] | None = None
    trainable_parameters: int = 0
    dtype: str | None = None
    activation: str | None = None
    kernel_size: tuple[int, ...] | None = None
    pool_size: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    padding: str | None = None
    dilation_rate: tuple[int, ...] | None = None
    macs: int | None = None
    activation_bytes: int | None = None
    receptive_field: tuple[int, int] | None = None
    inbound: tuple[str, ...] = ()
    order: str | None = None
    axes: tuple[str, ...] | None = None
    data_format: str | None = None
    groups: int | None = None
    output_padding: tuple[int, ...] | None = None
    pad_width: tuple[tuple[int, int], ...] | None = None
    cropping: tuple[tuple[int, int], ...] | None = None
    size: tuple[int, ...] | None = None
    interpolation: str | None = None
    antialias: bool | None = None
    crop_to_aspect_ratio: bool | None = None
    pad_to_aspect_ratio: bool | None = None
    axis: int | tuple[int, ...] | None = None
    dims: tuple[int, ...] | None = None
    key: tuple[Any, ...] | None = None
    function: str | None = None
    is_custom: bool | None = None
    training: bool | None = None
    calls: tuple[tuple[tuple[str, int, int], ...], ...] | None = None

    @property
    def taken(self) -> tuple[tuple[LayerTap, ...], ...]:
        """Return for each call of this layer the outputs that it takes, in order."""
        if self.calls is None:
            return (tuple(LayerTap(name) for name in self.inbound),)
        return tuple(tuple(LayerTap(*one) for one in call) for call in self.calls)

    def to_json(self) -> dict[str, Any]:
        """Return every field; tuples become lists, a free axis null."""
        return asdict(self)

    def brief(self, *, batch: int | None = None) -> dict[str, Any]:
        """Return name, type, output_shape and parameters, with `batch` in place of a free batch axis."""
        return {
            "name": self.name,
            "type": self.type,
            "output_shape": with_batch(self.output_shape, batch),
            "parameters": self.parameters,
        }

    def full(self, *, batch: int | None = None) -> dict[str, Any]:
        """Return every field that says something about this type of layer, with `batch` filled in."""
        data = {key: value for key, value in self.to_json().items() if value is not None}
        data["input_shape"] = with_batch(self.input_shape, batch)
        data["output_shape"] = with_batch(self.output_shape, batch)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Layer":
        """Read what `to_json` wrote, after a trip through JSON."""
        return cls(**{key: _tuples(value) for key, value in data.items()})


def with_batch(shape: Shape | tuple[Shape, ...] | None, batch: int | None) -> Any:
    """Return `shape` as lists with its free first axis set to `batch` (left null where `batch` is None)."""
    if shape is None:
        return None
    if shape and isinstance(shape[0], tuple):
        return [with_batch(one, batch) for one in shape]
    axes = list(shape)
    if axes and axes[0] is None:
        axes[0] = batch
    return axes


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
