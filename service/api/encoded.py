"""Owns encoded images in JSON: base64 text, a data URI, or `{"b64": text}`; read alike in every dialect."""

import base64
import binascii
import re
from typing import Any

from service.errors import MalformedBodyError

_B64 = "b64"
_URL_SAFE = str.maketrans("-_", "+/")
# NOTE: one class of characters; two that overlap would be tried in every split of a long text.
_DATA_URI = re.compile(r"data:(?P<type>[\w.+/-]*)(;[\w=.+-]+)*;base64,", re.ASCII)


def is_b64(value: Any) -> bool:
    """Return whether a JSON value is `{"b64": text}`, which is one encoded image."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def b64_image(value: dict[str, Any]) -> bytes:
    """Return the bytes in `{"b64": text}`; raises as `base64_image` does."""
    return base64_image(value[_B64])


def base64_image(text: str) -> bytes:
    """Return the bytes that base64 text or a data URI stands for.

    White space is passed over, padding may be missing, and the alphabet of URLs is taken too: clients write all of
    them. Raises MalformedBodyError.
    """
    uri = _DATA_URI.match(text)
    if text.startswith("data:") and not uri:
        raise MalformedBodyError("The data URI is not of the form data:image/png;base64,…")
    packed = "".join(text[uri.end() if uri else 0 :].split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedBodyError("The text is no base64; send an encoded image as base64 or as a data URI.") from error
