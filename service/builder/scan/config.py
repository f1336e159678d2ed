"""Walks the whole architecture: every object, and every string under a key that names a function."""

from service.builder.scan.allowed import (
    ACTIVATION_LAYERS,
    ACTIVATIONS,
    CONSTRAINTS,
    INITIALIZERS,
    REGULARIZERS,
)
from service.builder.scan.document import too_deep
from service.builder.scan.objects import WAY_OUT, check_object
from service.builder.scan.report import JsonValue, ScanLimits
from service.builder.scan.wording import Place, shown
from service.errors import BrokenModelError, CustomCodeError, UnsafeModelError

_TRAINING = "compile_config"
_VOCABULARIES = frozenset(("vocabulary", "vocab", "vocabulary_file", "vocab_file", "vocabulary_path", "vocab_path"))
# Key, or ending of a key, under which a string names a function or class; what it names; what it may say.
_KEYS: tuple[tuple[tuple[str, ...], str, frozenset[str]], ...] = (
    (("activation",), "activation", ACTIVATIONS | ACTIVATION_LAYERS),
    (("_initializer",), "initializer", INITIALIZERS),
    (("_regularizer",), "regularizer", REGULARIZERS),
    (("_constraint",), "constraint", CONSTRAINTS),
)


def check_config(
    config: JsonValue, *, trusted: frozenset[str] = frozenset(), limits: ScanLimits
) -> dict[str, JsonValue]:
    """Refuse an architecture that names anything but harmless parts of Keras; return it otherwise.

    Generic: whatever is nested in it is looked at, in layers, wrappers, models, call arguments and build
    configurations alike. Only the outermost training configuration is left out: with `compile=False` Keras
    drops it unread. (An inner one is not dropped.) `trusted` names custom classes and functions that may pass.

    Raises:
        UnsafeModelError, UnsupportedModelError, BrokenModelError: with the layer's name.
    """
    if not isinstance(config, dict) or "class_name" not in config or "config" not in config:
        raise BrokenModelError(
            "The architecture in the file is no Keras model: a class name and its configuration were"
            " expected. Save the model again with `model.save(...)`."
        )
    model: JsonValue = {key: value for key, value in config.items() if key != _TRAINING}
    pending = [(model, Place())]
    while pending:
        value, place = pending.pop()
        if place.depth > limits.max_config_depth:
            raise too_deep("The architecture")
        inner = _check_dict(value, place, trusted).deeper() if isinstance(value, dict) else place.deeper()
        pending.extend((part, inner) for part in _parts(value))
    return config


def _parts(value: JsonValue) -> list[JsonValue]:
    """Return what is nested directly in `value`, last first: the walk takes from the end."""
    children = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(children, list):
        return []
    return [child for child in reversed(children) if isinstance(child, dict | list)]


def _check_dict(value: dict[str, JsonValue], place: Place, trusted: frozenset[str]) -> Place:
    inner = _check_object(value, place, trusted) if "class_name" in value else place
    for key, entry in value.items():
        if key in _VOCABULARIES and entry is not None and not isinstance(entry, list):
            raise _foreign_vocabulary(entry, inner)
        if isinstance(entry, str):
            _check_text(key, entry, inner, trusted)
    return inner


def _check_object(value: dict[str, JsonValue], place: Place, trusted: frozenset[str]) -> Place:
    try:
        return check_object(value, place)
    except CustomCodeError:
        if not _is_own(value, trusted):
            raise
        return place


def _is_own(value: dict[str, JsonValue], trusted: frozenset[str]) -> bool:
    """Return whether every name that some loader may look an object up by is one of the user's own."""
    if value.get("class_name") == "function":
        return value.get("config") in trusted
    named = [value.get("class_name")]
    if "module" in value or "registered_name" in value:
        named.append(value.get("registered_name"))
    return all(isinstance(name, str) and name in trusted for name in named)


def _foreign_vocabulary(entry: JsonValue, place: Place) -> UnsafeModelError:
    return UnsafeModelError(
        f"{place} names the file {shown(str(entry))} as its vocabulary, and loading would read it from the"
        " server's disk. Save the model with the words themselves in it, or without its text layers."
    )


def _check_text(key: str, text: str, place: Place, trusted: frozenset[str]) -> None:
    for endings, what, names in _KEYS:
        if key.endswith(endings) and text not in names | trusted:
            raise CustomCodeError(
                f"{place}: {shown(text)} is no {what} of Keras. Convoy runs no code from a model file: use"
                f" one of Keras' own and save the model again. {WAY_OUT}",
                name=text,
            )
