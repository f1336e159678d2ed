"""Owns the command line of the matrix: `make compatibility`, `python -m tests.compatibility --help`."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.compatibility.catalogue import ARCHITECTURES, FORMATS
from tests.compatibility.environments import ROOT, WRITERS, Writer, WriterError, default_work, finished, prepared
from tests.compatibility.reader import Cell, Written, read
from tests.compatibility.report import page
from tests.compatibility.results import Results, Versions, merged, saved_results

_ABOUT = """\
Let every Keras of the last years write the same nets, and let Convoy read what they wrote.

Each writer gets a virtual environment of its own (the first time this downloads about 300 MB a writer and takes 1.3 GB
of disk for each). Every file is built by the real builder, served by the real engine, and compared with
what its writer predicted. Exit status 1 where a file is not read as it must be.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write and read what the command line asks for, print what came of it, and write the page."""
    options = _parser().parse_args(argv)
    try:
        results = _results(options)
    except WriterError as error:
        print(f"compatibility: {error}", file=sys.stderr)
        return 1
    if options.json:
        results.save(options.json)
    if target := options.page or _page_of(options):
        target.write_text(page(results), encoding="utf-8")
    failed = sum(1 for cell in results.cells if cell.faults)
    for label, reason in results.missing.items():
        print(f"{label} could not be set up: {reason}")
    print(f"{len(results.cells)} cells, {failed} of them not as they must be")
    return 1 if failed else 0


def _results(options: argparse.Namespace) -> Results:
    if options.played:
        return merged(map(saved_results, options.played))
    return _played(options, progress=lambda line: print(line, flush=True))


def _page_of(options: argparse.Namespace) -> Path | None:
    """Return the page in the repository where everything was played, so that no part of it is lost."""
    is_part = options.writer or options.format or options.architecture
    return None if is_part else ROOT / "docs" / "compatibility.md"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.compatibility",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--work", type=Path, default=default_work(), metavar="DIR", help=f"environments and files ({default_work()})")
    add("--python", default=sys.executable, metavar="EXE", help="makes the environments; 3.11 fits all (this one)")
    add("--writer", action="append", choices=WRITERS, metavar="NAME", help=f"this one alone: {', '.join(WRITERS)}")
    add("--format", action="append", choices=FORMATS, metavar="NAME", help=f"this one alone: {', '.join(FORMATS)}")
    add("--architecture", action="append", choices=ARCHITECTURES, metavar="NAME",
        help=f"this one alone: {', '.join(ARCHITECTURES)}")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="also write every cell to FILE")
    add("--played", type=Path, action="append", metavar="FILE",
        help="play nothing, take what --json wrote; once for each part of a run in parts")  # fmt: skip
    add(
        "--page",
        type=Path,
        metavar="FILE",
        help="write the tables to FILE (docs/compatibility.md, unless a part is asked for)",
    )
    return parser


def _played(options: argparse.Namespace, *, progress: Callable[[str], None]) -> Results:
    cells: list[Cell] = []
    versions: dict[str, Versions] = {}
    missing: dict[str, str] = {}
    for label in options.writer or WRITERS:
        try:
            python = prepared(WRITERS[label], options.work, python=options.python, progress=progress)
        except WriterError as error:
            missing[label] = str(error)
            continue
        progress(f"{label}: writing")
        written = _written(WRITERS[label], python, options)
        versions[label] = written.report["versions"]
        for cell in _read(written, options):
            progress(_line(cell))
            cells.append(cell)
    return Results(cells=cells, versions=versions, missing=missing)


def _written(writer: Writer, python: Path, options: argparse.Namespace) -> Written:
    folder = (options.work / "files" / writer.folder).absolute()
    names = options.architecture or ARCHITECTURES
    finished([str(python), "-m", "tests.compatibility.writer", writer.module, str(folder), *names])
    return Written(writer.label, folder)


def _read(written: Written, options: argparse.Namespace) -> Iterator[Cell]:
    for name in options.architecture or ARCHITECTURES:
        has = written.report["architectures"][name]["formats"]
        for form in options.format or FORMATS:
            if form in has:
                yield read(written, form, name, ARCHITECTURES[name])


def _line(cell: Cell) -> str:
    what = f"{cell.writer}, {cell.form}, {cell.architecture}: "
    if cell.unwritten:
        return f"{what}its writer cannot save it ({cell.unwritten})"
    return what + ("; ".join(cell.faults) or f"{cell.head}, {cell.difference:.1g} off, loaded by {cell.loaded_by}")


if __name__ == "__main__":
    sys.exit(main())
