"""Owns W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a request belongs to, and our span in it.

A trace that comes is taken up, else one is begun, as the recommendation's processing model says. What comes malformed
is as good as absent, and a malformed `tracestate` leaves `traceparent` as it is.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

_PARENT = re.compile(
    "(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_KEY = r"[a-z0-9][a-z0-9_*/@-]{0,255}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"{_KEY}={_VALUE}")
_MOST_MEMBERS = 32
_LONGEST_STATE = 4096
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of a request: its id, the id of the span that is ours, the caller's decision to sample, its state."""

    trace: str
    span: str
    is_sampled: bool = False
    state: str = ""

    @property
    def parent(self) -> str:
        """Return `traceparent` for whoever comes after us."""
        return f"00-{self.trace}-{self.span}-{int(self.is_sampled):02x}"


def trace_of(parents: Sequence[str], states: Sequence[str]) -> Trace:
    """Return the trace that the headers `traceparent` and `tracestate` of a request name, a new one where none does."""
    found = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None or not _is_valid(found):
        return Trace(os.urandom(16).hex(), _new_span())
    is_sampled = bool(int(found["flags"], 16) & _SAMPLED)
    return Trace(found["trace"], _new_span(), is_sampled, _state(",".join(states)))


def _new_span() -> str:
    return os.urandom(8).hex()


def _is_valid(found: re.Match[str]) -> bool:
    """Return whether a `traceparent` of the right form is valid: a later version may have more behind it."""
    if found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return False
    return bool(found["trace"].strip("0") and found["span"].strip("0"))


def _state(text: str) -> str:
    """Return a `tracestate` in one line, empty where it is malformed."""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    is_valid = len(keys) == len(members) <= _MOST_MEMBERS and all(map(_MEMBER.fullmatch, members))
    return ",".join(members) if is_valid and len(text) <= _LONGEST_STATE else ""
