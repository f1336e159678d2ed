"""Owns the forms of output by suffix: how a part is written, and how parts become one file."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from service.offline.archive.columns import Table
from service.offline.archive.errors import ArchiveError, MissingPackageError


class Form(Protocol):
    """A form of output."""

    def write(self, file: IO[bytes], table: Table) -> None:
        """Write the rows of a part."""

    def join(self, file: IO[bytes], parts: Sequence[Path], *, about: Mapping[str, str]) -> None:
        """Write the rows of all parts in their order, few of them in memory; `about` goes in where there is room."""


def form_of(out: Path) -> Form:
    """Return the form that the name of the output asks for; raises ArchiveError where it asks for none."""
    if out.suffix in (".csv", ".jsonl"):
        from service.offline.archive import text

        return text.CSV if out.suffix == ".csv" else text.JSON_LINES
    if out.suffix != ".parquet":
        raise ArchiveError(f"--out {out.name} has a suffix that is not known; expected .parquet, .csv or .jsonl.")
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackageError(
            "Parquet needs the package pyarrow, which is not installed: pip install 'convoy-serve[offline]'. "
            "Or let --out end in .csv or .jsonl."
        )
    from service.offline.archive.parquet import PARQUET

    return PARQUET
