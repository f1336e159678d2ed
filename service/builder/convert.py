"""Owns turning a TensorFlow function into a LiteRT graph, whatever the model and its layers are called."""

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.builder.exhaustion import is_out_of_memory
from service.builder.reason import one_line
from service.errors import UnsupportedModelError
from service.model.tensors import TensorSpec

SIGNATURE = "serving_default"
Function = Callable[..., Sequence[Any]]
# NOTE: no model's own name: the engine would take an input that the file calls input_1 for the second of the graph.
_INPUT, _OUTPUT = "convoy_input_", "convoy_output_"
_NOT_IN_SCOPES = re.compile(r"[^A-Za-z0-9_.\-/]")
_FIRST_IN_SCOPES = re.compile(r"[A-Za-z0-9.]")


def convert_function(function: Function, inputs: Sequence[TensorSpec], path: Path, *, holder: Any) -> None:
    """Write `function`, which takes one tensor per input and returns the outputs in order, to `path`.

    In the graph's signature they are numbered, and the engine finds them by number. `holder` is the trackable object
    that owns the variables and whatever else the function needs. Raises UnsupportedModelError where the converter has
    no form for an operation.
    """
    import tensorflow as tf

    specs = [tf.TensorSpec(spec.shape, spec.dtype, name=f"{_INPUT}{number}") for number, spec in enumerate(inputs)]
    traced = tf.function(lambda *fed: _named(function(*fed)), input_signature=specs, autograph=False)
    try:
        with tempfile.TemporaryDirectory() as folder, _any_name():
            signature = traced.get_concrete_function()
            _rename(signature.variables)
            module = tf.Module()
            module.held = _held_by(signature) or holder
            # Nothing is trained with it, and of a loaded SavedModel the gradients cannot be saved again.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(module, folder, signatures={SIGNATURE: signature}, options=options)
            path.write_bytes(convert_folder(Path(folder)))
    except Exception as error:
        raise _unconvertible(error) from error


def _held_by(signature: Any) -> list[Any]:
    """Return the variables of a traced function where it needs nothing else but numbers; empty where also a table, say.

    Saved with its holder, every layer of a tf_keras model would be traced again, four times over: 19 s instead of 4 for
    a MobileNetV2.
    """
    import tensorflow as tf

    handles = {id(one.handle) for one in signature.variables}
    others = (one for one in signature.captured_inputs if id(one) not in handles)
    needs_more = any(one.dtype in (tf.resource, tf.variant) for one in others)
    return [] if needs_more else list(signature.variables)


@contextmanager
def _any_name() -> Iterator[None]:
    """While open, what is traced may be called anything; TensorFlow's scopes, named after layers, allow few characters.

    Only the graph that is traced has the names that are allowed; the model keeps its own.
    """
    import tensorflow as tf

    original = tf.Graph.name_scope
    tf.Graph.name_scope = lambda graph, name: original(graph, _allowed(name))
    try:
        yield
    finally:
        tf.Graph.name_scope = original


def _rename(variables: Sequence[Any]) -> None:
    """Take the colons out of the names by which TensorFlow saves variables; Keras and the card have names of theirs."""
    for one in variables:
        name, _, number = one.name.rpartition(":")
        if ":" in name:
            one._handle_name = f"{name.replace(':', '_')}:{number}"


def _allowed(name: str | None) -> str | None:
    """Return a scope's name with `_` for what no scope may be called; none at all stays none."""
    if not name:
        return name
    plain = _NOT_IN_SCOPES.sub("_", name)
    return plain if _FIRST_IN_SCOPES.match(plain) else f".{plain}"


def _named(outputs: Sequence[Any]) -> dict[str, Any]:
    return {f"{_OUTPUT}{number}": tensor for number, tensor in enumerate(outputs)}


def convert_folder(folder: Path) -> bytes:
    """Return the LiteRT graph of a SavedModel's serving signature, with the settings that Keras 3 itself uses."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    converter.experimental_enable_resource_variables = True
    graph: bytes = converter.convert()
    return graph


def _unconvertible(error: Exception) -> Exception:
    """Return the diagnosis for what the converter raised, or that error itself where memory ran out."""
    if is_out_of_memory(error):
        return error
    return UnsupportedModelError(f"The model cannot be exported to LiteRT: {one_line(error)}")
