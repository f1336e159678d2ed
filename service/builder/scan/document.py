"""Owns the reading of JSON text from an untrusted file: size, depth, doubled keys."""

import json
from collections import Counter

from service.builder.scan.report import JsonValue, ScanLimits
from service.builder.scan.wording import shown, sized
from service.errors import BrokenModelError, UnsafeModelError


class _DoubledKeyError(ValueError):
    """One JSON object has the same key twice."""


def parse_json(text: str | bytes, *, what: str, limits: ScanLimits) -> JsonValue:
    """Parse JSON as Keras does (`json.loads`, NaN and Infinity included), but strictly.

    A doubled key is refused: the last one wins in Keras, another in a different reader, and no writer of
    Keras files makes one. `what` names the text in the diagnosis.

    Raises:
        BrokenModelError: the text is no JSON.
        UnsafeModelError: it is too large, too deep or has doubled keys.
    """
    if len(text) > limits.max_config_bytes:
        raise UnsafeModelError(
            f"{what} is {sized(len(text))} of JSON; at most {sized(limits.max_config_bytes)} are read."
            " Weights belong into layers, not into the architecture."
        )
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_object_of)
    except _DoubledKeyError as error:
        raise UnsafeModelError(
            f"{what} has the key {shown(str(error))} twice in one object, so that two readers would see two"
            " different models. Save the model again with `model.save(...)`."
        ) from error
    except RecursionError as error:
        raise too_deep(what) from error
    except ValueError as error:
        raise BrokenModelError(f"{what} is not valid JSON: the file is damaged. Copy or save it again.") from error
    return value


def too_deep(what: str) -> UnsafeModelError:
    """Return the diagnosis for brackets nested further than any real model's."""
    return UnsafeModelError(
        f"{what} nests its brackets deeper than any real model does, which is a way to crash a reader. Save"
        " the model again, with fewer models inside models."
    )


def _object_of(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _DoubledKeyError(counts.most_common(1)[0][0])
    return value
