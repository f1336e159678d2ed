"""Measures what docs/preprocessing.md says of each recipe, and writes it there: `python docs/preprocessing.py`.

It takes minutes, and more where the folder of shared test data (CONVOY_SHARED) is there: photos join the comparison.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import keras
import PIL
import tensorflow as tf
from readme import filled

from tests.parity.decoding import DECODING
from tests.parity.resizing import RESIZING
from tests.parity.rows import Measured, Row, Scope, measured
from tests.parity.scopes import thorough
from tests.parity.whole import WHOLE

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/preprocessing.md"
SHARED = Path(os.environ.get("CONVOY_SHARED", ROOT.parent / "shared"))
HEAD = (
    "| recipe | {what} | pairs | largest difference, of 255 | numbers that differ | allowed |\n"
    "|---|---|--:|--:|--:|--:|"
)
PARTS = {
    "decoding": ("file, in its own size, to RGB, grayscale and RGBA", DECODING),
    "resizing": ("resize, fit", RESIZING),
    "whole": ("compared with", WHOLE),
}


def table(rows: Iterable[Row], scope: Scope, *, what: str) -> str:
    """Return the table of rows as they measure; raises AssertionError where one is not within its bound."""
    return "\n".join([HEAD.format(what=what), *_lines(rows, scope)])


def _lines(rows: Iterable[Row], scope: Scope) -> Iterator[str]:
    for row in rows:
        found = measured(row.pairs(scope))
        sys.stderr.write(f"{row}: {found}\n")
        assert found.pairs, row
        assert found.largest <= row.bound, (row, found)
        yield _line(row, found)


def _line(row: Row, found: Measured) -> str:
    largest = f"{found.largest:.2g}" if found.largest else "0"
    share = f"{100 * found.share:.2g} %" if found.largest else "none"
    return f"| `{row.recipe}` | {row.what} | {found.pairs} | {largest} | {share} | {row.bound:g} |"


def measured_with(scope: Scope) -> str:
    """Return in a sentence what was compared, with which releases."""
    return (
        f"Keras {keras.__version__}, TensorFlow {tf.__version__}, Pillow {PIL.__version__}, "
        f"OpenCV {cv2.__version__}; {len(scope.kinds)} files to decode; {len(scope.photos)} pictures to resize, "
        f"each to {', '.join(f'{height}x{width}' for height, width in scope.sizes)}."
    )


def main() -> None:
    warnings.simplefilter("ignore")  # what Keras and Pillow say while they do as they are asked
    scope = thorough(ROOT / "examples", SHARED if SHARED.is_dir() else None)
    parts = {name: table(rows, scope, what=what) for name, (what, rows) in PARTS.items()}
    parts["measured"] = measured_with(scope)
    PAGE.write_text(filled(PAGE.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
