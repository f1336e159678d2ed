"""Owns output as Parquet, made of whole columns; pyarrow is needed for it, and imported here alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from service.offline.archive.columns import Column, Lists, Numbers, Table, Texts, Words
from service.offline.archive.form import Form

_GROUP_ROWS = 2**17
_GROUP_BYTES = 2**26
"""Rows, and memory they take, that go into one row group of the joined file."""
_PACKING = "zstd"


def _texts(column: Texts) -> Any:
    return pa.array(column.values, pa.string())


def _numbers(column: Numbers) -> Any:
    return pa.array(column.values, mask=column.missing)


def _words(column: Words) -> Any:
    places = pa.array(column.places.astype(np.int32), mask=column.missing)
    return pa.DictionaryArray.from_arrays(places, pa.array(column.words, pa.string()))


def _lists(column: Lists) -> Any:
    ends = np.concatenate([[0], np.cumsum(column.lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), _elements(column), mask=pa.array(column.missing))


def _elements(column: Lists) -> Any:
    if column.words is not None:
        return pa.array(column.words, pa.string()).take(pa.array(column.values))
    is_float = column.values.dtype.kind == "f"
    return pa.array(column.values, mask=~np.isfinite(column.values) if is_float else None)


_MADE_BY: dict[type[Column], Callable[[Any], Any]] = {
    Texts: _texts,
    Numbers: _numbers,
    Words: _words,
    Lists: _lists,
}


class _Parquet:
    def write(self, file: IO[bytes], table: Table) -> None:
        columns = {name: _MADE_BY[type(column)](column) for name, column in table.items()}
        pq.write_table(pa.table(columns), file, compression=_PACKING)

    def join(self, file: IO[bytes], parts: Sequence[Path], *, about: Mapping[str, str]) -> None:
        schema = pq.read_schema(parts[0]).with_metadata(dict(about))
        with pq.ParquetWriter(file, schema, compression=_PACKING) as writer:
            for group in _groups(parts):
                writer.write_table(group.cast(schema), row_group_size=_GROUP_ROWS)


def _groups(parts: Sequence[Path]) -> Iterator[Any]:
    held: list[Any] = []
    for part in parts:
        held.append(pq.read_table(part, partitioning=None))
        if sum(one.num_rows for one in held) >= _GROUP_ROWS or sum(one.nbytes for one in held) >= _GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


PARQUET: Form = _Parquet()
