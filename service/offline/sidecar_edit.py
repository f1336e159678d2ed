"""Owns setting a few keys in the text of a `model.toml`: everything else in it, comments too, stays as it is."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import SidecarError

Table = tuple[str, ...]
"""The path of a table's header: ("preprocessing", "image") is [preprocessing.image]."""


def edited(text: str, tables: Mapping[Table, Mapping[str, Any]]) -> str:
    """Return the text of a TOML file with the keys of some tables set, and nothing else changed.

    Raises SidecarError where it is written in a way that this cannot be done to, such as an inline table.
    """
    lines = text.splitlines()
    for table, values in tables.items():
        lines = _with_table(lines, table, values)
    end = "\r\n" if "\r\n" in text else "\n"
    new = end.join(lines) + end
    if _parsed(new) != _merged(_parsed(text), tables):
        raise SidecarError(
            f"model.toml is written in a way that cannot be edited safely. Write this into it yourself: "
            f"{snippet(tables)}"
        )
    return new


def snippet(tables: Mapping[Table, Mapping[str, Any]]) -> str:
    """Return the lines that say the values of some tables, in one line for a message."""
    said = (f"{_header(table)} {', '.join(map(_line, values, values.values()))}" for table, values in tables.items())
    return "; ".join(said)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _merged(data: dict[str, Any] | None, tables: Mapping[Table, Mapping[str, Any]]) -> dict[str, Any] | None:
    if data is None:
        return {}
    for table, values in tables.items():
        place = data
        for key in table:
            place = place.setdefault(key, {})
        place.update(values)
    return data


def _with_table(lines: Sequence[str], table: Table, values: Mapping[str, Any]) -> list[str]:
    headers = [number for number, line in enumerate(lines) if _path_of(line) is not None]
    start = next((number for number in headers if _path_of(lines[number]) == table), None)
    if start is None:
        gap = [""] if lines and lines[-1].strip() else []
        return [*lines, *gap, _header(table), *map(_line, values, values.values())]
    end = next((number for number in headers if number > start), len(lines))
    body = list(lines[start + 1 : end])
    for key, value in values.items():
        body = _with_key(body, key, value)
    return [*lines[: start + 1], *body, *lines[end:]]


def _path_of(line: str) -> Table | None:
    """Return the path that a line is the header of, or None where it is none."""
    data = _parsed(line) if line.lstrip().startswith("[") else None
    path: list[str] = []
    while isinstance(data, dict) and len(data) == 1:
        ((key, data),) = data.items()
        path.append(key)
    return tuple(path) or None


def _with_key(body: list[str], key: str, value: Any) -> list[str]:
    pattern = re.compile(rf'(\s*(?:{re.escape(key)}|"{re.escape(key)}")\s*=\s*)')
    for number, line in enumerate(body):
        found = pattern.match(line)
        if found:
            end = _end_of_value(body, number)
            comment = _comment(line) if end == number + 1 else ""
            return [*body[:number], f"{found[1]}{_toml(value)}{comment}", *body[end:]]
    last = max(
        (number for number, line in enumerate(body) if line.strip() and not line.lstrip().startswith("#")), default=-1
    )
    return [*body[: last + 1], _line(key, value), *body[last + 1 :]]


def _end_of_value(body: Sequence[str], start: int) -> int:
    """Return the number of the line after a value that may span several."""
    ends = range(start + 1, len(body) + 1)
    return next((end for end in ends if _parsed("\n".join(body[start:end])) is not None), start + 1)


def _comment(line: str) -> str:
    """Return the comment that ends a line of one key, with the blanks before it."""
    whole = _parsed(line)
    for place, sign in enumerate(line):
        if sign == "#" and _parsed(line[:place]) == whole:
            return line[len(line[:place].rstrip()) :]
    return ""


def _header(table: Table) -> str:
    return f"[{'.'.join(one if re.fullmatch(r'[A-Za-z0-9_-]+', one) else json.dumps(one) for one in table)}]"


def _line(key: str, value: Any) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
