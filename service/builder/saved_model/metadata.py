"""Owns what Keras 2 leaves beside the graph of a SavedModel: its version, the architecture, the loss of the training.

TensorFlow 2.5 and later write `keras_metadata.pb`, before it lay in the object graph of `saved_model.pb` itself.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.builder.scan import JsonValue, ScanLimits, parse_json
from service.builder.scan.config import check_config
from service.builder.scan.training import loss_name
from service.errors import ModelError

_FILE = "keras_metadata.pb"
_ROOT = "root"
_KERAS = "_tf_keras_"
_VERSION = re.compile(r"[\w.+-]{1,40}")
_STACKS = ("Functional", "Model", "Sequential")


@dataclass(frozen=True, slots=True)
class KerasNotes:
    """What Keras 2 says of the model; `config` is empty where it cannot be rebuilt from harmless parts of Keras."""

    version: str | None = None
    loss: str | None = None
    config: dict[str, JsonValue] = field(default_factory=dict)


def keras_notes(path: Path, program: Any, *, trusted: frozenset[str], limits: ScanLimits) -> KerasNotes:
    """Return what Keras 2 left in the SavedModel folder `path`; what is damaged counts as not there.

    The graph is what is served: these notes only describe it, and are no reason to refuse it.
    """
    said = _lenient(_root_of(path, program, limits), limits)
    if not isinstance(said, dict):
        return KerasNotes()
    return KerasNotes(
        version=_version(said.get("keras_version")),
        loss=loss_name(said.get("training_config")),
        config=_harmless(said.get("model_config"), trusted, limits),
    )


def tensorflow_version(program: Any) -> str | None:
    """Return the TensorFlow that wrote a SavedModel, None where it does not say."""
    return _version(program.meta_graphs[0].meta_info_def.tensorflow_version)


def _version(text: JsonValue) -> str | None:
    return text if isinstance(text, str) and _VERSION.fullmatch(text) else None


def _root_of(path: Path, program: Any, limits: ScanLimits) -> str:
    """Return the JSON that describes the model itself, empty where Keras 2 did not write the folder."""
    from google.protobuf.message import DecodeError
    from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata

    file = path / _FILE
    if not file.is_file():
        return _root_before_2_5(program)
    if file.stat().st_size > limits.max_program_bytes:
        return ""
    notes = SavedMetadata()
    try:
        notes.ParseFromString(file.read_bytes())
    except DecodeError:
        return ""
    return next((str(one.metadata) for one in notes.nodes if one.node_path == _ROOT), "")


def _root_before_2_5(program: Any) -> str:
    objects = program.meta_graphs[0].object_graph_def.nodes
    root = objects[0].user_object if objects else None
    return str(root.metadata) if root is not None and root.identifier.startswith(_KERAS) else ""


def _harmless(config: JsonValue, trusted: frozenset[str], limits: ScanLimits) -> dict[str, JsonValue]:
    try:
        found = check_config(config, trusted=trusted, limits=limits)
    except ModelError:
        return {}
    return found if found["class_name"] in _STACKS else {}


def _lenient(text: str, limits: ScanLimits) -> JsonValue:
    try:
        return parse_json(text, what="What Keras wrote of the model", limits=limits)
    except ModelError:
        return None
