"""Owns plain text tables."""

from collections.abc import Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows under a header, columns as wide as their widest cell."""
    lines = [list(header), *[[printable(str(cell)) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def printable(text: str) -> str:
    """Return text on one line; what could steer a terminal, such as a file may hold in its names, is replaced."""
    return "".join(one if one.isprintable() else "�" for one in " ".join(text.split()))
