"""Owns how strict a table of a `model.toml` is: an unknown key is an error, and every complaint names its key."""

import difflib
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError


class StrictSchema(Schema):
    """A table in which an unknown key is an error that names the nearest known one."""

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        """Put the nearest known key into the complaint about an unknown one."""
        messages = error.messages
        if not isinstance(messages, dict):
            return
        for key in [key for key, text in messages.items() if text == ["Unknown field."]]:
            near = difflib.get_close_matches(str(key), list(self.fields), n=1, cutoff=0.5)
            known = ", ".join(sorted(self.fields))
            messages[key] = [f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known: {known}."]


def complaints(error: ValidationError) -> list[str]:
    """Return each thing that is wrong after the key it is about: `preprocessing.size: must be …`."""
    messages = error.messages
    return _listed(messages if isinstance(messages, dict) else {"_schema": messages})


def _listed(messages: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in messages.items():
        name = prefix if key == "_schema" else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            found += _listed({str(one): text for one, text in value.items()}, name)
        else:
            found += [f"{name}: {text}" if name else str(text) for text in value]
    return found
