"""Owns reading off a layer what tells where it looks, beside its window: padding, cropping, axes, slices, resizing."""

from collections.abc import Iterable
from typing import Any

from service.builder.inspect.graph import arguments_of, kind_of, nodes_in

_STOCK = ("keras", "tf_keras", "tensorflow")
_WRAPPED = ("TFOpLambda", "SlicingOpLambda")
_FLAGS = ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio")
_WITHOUT_AXES = ("BatchNormalization", "Normalization")
# How TensorFlow's functions, and Keras' own indexing, call what comes after the tensor.
_POSITIONAL = {
    "Concat": ("axis",),
    "GetItem": ("key",),
    "Pad": ("paddings", "mode"),
    "Resize": ("size", "method", "preserve_aspect_ratio", "antialias"),
    "Split": ("num_or_size_splits", "axis"),
    "Softmax": ("axis",),
    "Stack": ("axis",),
    "Transpose": ("perm",),
}
_REDUCED = ("axis", "keepdims")


def sight_of(operation: Any, model: Any) -> dict[str, Any]:
    """Return the fields of `Layer` that say where it looks, each only where it says something."""
    kind = kind_of(operation)
    said = _Said(operation, _given(operation, model, kind))
    return {
        "data_format": "channels_first" if said("data_format") == "channels_first" else None,
        "groups": said("groups") if said("groups") != 1 else None,
        "output_padding": _numbers(said("output_padding")),
        "pad_width": _pad_width(said, kind),
        "cropping": _pairs(said("cropping")),
        "size": _numbers(said("size")) if kind.startswith("UpSampling") else None,
        "interpolation": _text(said("interpolation") or said("method")),
        "axis": None if kind in _WITHOUT_AXES else _axis(said),
        "dims": _dims(said, kind),
        "key": _key(said("key")) if kind == "GetItem" else None,
        "function": kind if type(operation).__name__ in _WRAPPED else None,
        "is_custom": True if _is_custom(operation, said, kind) else None,
        "training": True if _trains_always(operation, model) else None,
        **{name: True if said(name) is True else None for name in _FLAGS},
    }


class _Said:
    """What a layer and its first call say, by name: an argument of the call first, then the layer's attribute."""

    def __init__(self, operation: Any, given: dict[str, Any]) -> None:
        self._operation = operation
        self._given = given

    def __call__(self, name: str) -> Any:
        value = self._given.get(name)
        return getattr(self._operation, name, None) if value is None else value


def _given(operation: Any, model: Any, kind: str) -> dict[str, Any]:
    nodes = nodes_in(operation, model)
    args, kwargs = arguments_of(nodes[0]) if nodes else ((), {})
    names = _REDUCED if kind.startswith("Reduce") else _POSITIONAL.get(kind, ())
    return dict(zip(names, args[1:], strict=False)) | kwargs


def _is_custom(operation: Any, said: _Said, kind: str) -> bool:
    """Return whether a layer's name does not tell what it does: the user's own, or an odd form of a known one."""
    if type(operation).__module__.partition(".")[0] not in _STOCK:
        return True
    symbol = getattr(operation, "symbol", None)
    if isinstance(symbol, str) and symbol.startswith("compat.v1.image"):  # resizes by other formulas
        return True
    return kind == "Softmax" and hasattr(operation, "axis") and said("axis") is None  # of the whole batch


def _trains_always(operation: Any, model: Any) -> bool:
    """Return whether a layer of tf_keras was called with training=True; Keras 3 lets the model's call overrule that."""
    nodes = nodes_in(operation, model)
    return any(not hasattr(node, "operation") and node.call_kwargs.get("training") is True for node in nodes)


def _pad_width(said: _Said, kind: str) -> tuple[tuple[int, int], ...] | None:
    if kind.startswith("ZeroPadding"):
        return _pairs(said("padding"))
    if kind != "Pad" or str(said("mode") or "constant").lower() != "constant":
        return None
    pairs = _pairs(said("pad_width") if said("paddings") is None else said("paddings"))
    return pairs[1:] if pairs and pairs[0] == (0, 0) and len(pairs) > 1 else None


def _pairs(value: Any) -> tuple[tuple[int, int], ...] | None:
    """Return (before, after) for each axis; of one axis Keras gives the pair alone."""
    if not isinstance(value, (tuple, list)):
        return None
    pairs = [_numbers(one) for one in ([value] if _numbers(value) else value)]
    found = tuple((one[0], one[1]) for one in pairs if one is not None and len(one) == 2)
    return found if len(found) == len(pairs) else None


def _axis(said: _Said) -> int | tuple[int, ...] | None:
    value = said("axis")
    if value is None:
        value = getattr(said("activation"), "axis", None)  # a Softmax given as an activation
    if isinstance(value, int):
        return value
    return _numbers(value)


def _dims(said: _Said, kind: str) -> tuple[int, ...] | None:
    """Return the order of an item's axes, counted from 1 as Permute does."""
    if kind == "Permute":
        return _numbers(said("dims"))
    order = _numbers(said("axes") if said("perm") is None else said("perm")) if kind == "Transpose" else None
    return order[1:] if order and order[0] == 0 else None


def _key(value: Any) -> tuple[Any, ...] | None:
    """Return what an indexing takes; None where it depends on data."""
    entries = [_entry(one) for one in (value if isinstance(value, (tuple, list)) else [value])]
    return None if None in entries else tuple(entries)


def _entry(value: Any) -> Any:
    if value is None:
        return "newaxis"
    if value is Ellipsis:
        return "..."
    if isinstance(value, slice):
        value = {"start": value.start, "stop": value.stop, "step": value.step}
    if isinstance(value, dict) and set(value) == {"start", "stop", "step"}:  # as tf_keras writes a slice
        ends = tuple(value[name] for name in ("start", "stop", "step"))
        return ends if all(one is None or isinstance(one, int) for one in ends) else None
    return value if isinstance(value, int) else None


def _numbers(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, int):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, (str, dict)):
        return None
    found = tuple(value)
    return tuple(map(int, found)) if found and all(isinstance(one, int) for one in found) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
