"""Owns which signature of a SavedModel is served, and what it takes."""

from collections.abc import Mapping
from typing import Any

from service.builder.scan.wording import shown
from service.errors import UnsupportedModelError
from service.model.tensors import TensorSpec

_PREFERRED = ("serve", "serving_default")
_NONE = (
    "The SavedModel has no signature, so nothing says what it takes and gives. Export it with `model.export(folder)`, "
    "or with `tf.saved_model.save(model, folder, signatures=…)`."
)


def endpoint_of(signatures: Mapping[str, Any]) -> str:
    """Return the name of the signature to serve: `serve`, as Keras exports it, `serving_default`, or the only one."""
    names = sorted(signatures)
    if not names:
        raise UnsupportedModelError(_NONE)
    preferred = [name for name in _PREFERRED if name in names]
    if not preferred and len(names) > 1:
        raise UnsupportedModelError(
            f"The SavedModel has the signatures {', '.join(map(shown, names))}; which one is to be served is not said. "
            "Export it with one signature, or with one named serving_default."
        )
    return (preferred or names)[0]


def input_specs(signature: Any) -> tuple[TensorSpec, ...]:
    """Return the inputs of a loaded signature by name; a SavedModel keeps no order of them.

    Raises UnsupportedModelError where numbers do not lead to one of them.
    """
    given = signature.structured_input_signature[1]
    if not given:
        raise UnsupportedModelError("The signature takes no input, so there is nothing to send it.")
    return tuple(_spec(name, one) for name, one in sorted(given.items()))


def _spec(name: str, given: Any) -> TensorSpec:
    import tensorflow as tf

    if not isinstance(given, tf.TensorSpec):
        raise UnsupportedModelError(f"Input {shown(name)} is a {type(given).__name__}; Convoy serves plain arrays.")
    if given.dtype == tf.string:
        raise UnsupportedModelError(
            f"Input {shown(name)} takes text (tf.string), such as a serialized tf.Example or an encoded picture; "
            "Convoy decodes pictures itself and sends numbers. Export a signature that takes the pixels, as "
            "`model.export` does."
        )
    shape = given.shape.as_list() if given.shape.rank is not None else []
    if not shape or shape[0] is not None:
        raise UnsupportedModelError(
            f"Input {shown(name)} has the shape {given.shape}: its first axis must be free, for any number of "
            "examples. Export it with an input signature such as tf.TensorSpec((None, 64, 64, 3))."
        )
    spec = TensorSpec(name, tuple(shape), given.dtype.name)
    if not spec.is_numeric:
        raise UnsupportedModelError(
            f"Input {shown(name)} takes {spec.dtype}; Convoy sends integers and floating-point numbers."
        )
    return spec
