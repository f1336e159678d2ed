"""Owns what a process says of a part that it has finished: one line of JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from service.offline.archive.answers import Answers

SHOWN = 3
"""Bad files of a part that are told of by name; all of them are in the output."""


@dataclass(frozen=True, slots=True)
class PartReport:
    """What became of a part: its size on disk in bytes, and how many pictures, of which so many without an answer.

    `examples` are the first bad files with the reason; `warnings` count the pictures that carry each.
    """

    part: int
    size: int
    pictures: int
    bad: int
    examples: tuple[tuple[str, str], ...]
    warnings: Mapping[str, int]

    @classmethod
    def of(cls, answers: Answers, *, part: int, size: int) -> "PartReport":
        """Return the report on answers that take so many bytes."""
        examples = tuple((answers.paths[row], answers.errors[row]) for row in sorted(answers.errors)[:SHOWN])
        return cls(part, size, len(answers), len(answers.errors), examples, dict(answers.warnings))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    def to_line(self) -> bytes:
        """Return the report as a line of a file."""
        return orjson.dumps(self.to_json(), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "PartReport":
        """Read what `to_json` gave; raises TypeError for anything else."""
        examples = tuple((path, reason) for path, reason in data["examples"])
        return cls(**{**data, "examples": examples})

    @classmethod
    def of_line(cls, line: bytes) -> "PartReport":
        """Read what `to_line` gave; raises ValueError or TypeError for anything else."""
        return cls.of_json(orjson.loads(line))
