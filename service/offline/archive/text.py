"""Owns output as text: CSV with a header, and JSON, one object a line. Both in UTF-8."""

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from service.offline.archive.columns import Lists, Table
from service.offline.archive.form import Form


class _Csv:
    """A header in every part; a list is written as JSON has it."""

    def write(self, file: IO[bytes], table: Table) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(table)
        rows.writerows(zip(*map(_cells, table.values()), strict=True))
        text.detach()

    def join(self, file: IO[bytes], parts: Sequence[Path], *, about: Mapping[str, str]) -> None:
        for number, part in enumerate(parts):
            with part.open("rb") as own:
                header = own.readline()
                file.write(header if number == 0 else b"")
                shutil.copyfileobj(own, file)


def _cells(column: Any) -> list[Any]:
    cells: list[Any] = column.cells()
    return [None if one is None else _json(one).decode() for one in cells] if isinstance(column, Lists) else cells


class _JsonLines:
    def write(self, file: IO[bytes], table: Table) -> None:
        file.writelines(_lines(table))

    def join(self, file: IO[bytes], parts: Sequence[Path], *, about: Mapping[str, str]) -> None:
        for part in parts:
            with part.open("rb") as own:
                shutil.copyfileobj(own, file)


def _lines(table: Table) -> Iterator[bytes]:
    names = list(table)
    for row in zip(*(column.cells() for column in table.values()), strict=True):
        yield _json(dict(zip(names, row, strict=True))) + b"\n"


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


CSV: Form = _Csv()
JSON_LINES: Form = _JsonLines()
