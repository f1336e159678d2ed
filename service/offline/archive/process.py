"""Owns what a worker's process does: a line of JSON in, a line out.

It says {} when its model is loaded, and then answers each {"part": 7, "skipped": {}} with a report. {"error": …} is its
last word. The row of the file that it touches stands in the file MARK: should one kill the process, it is known which.
"""

import gc
import json
import mmap
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.errors import ConvoyError
from service.offline.archive.child import MARK_BYTES
from service.offline.archive.worker import PartWorker

_COLLECT_AFTER = 50_000


def answer_lines(out: Path, mark: Path) -> None:
    """Answer parts until there is nothing more to read at descriptor 0; lines go to 1."""
    say = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not get between the lines
    try:
        for line in _said(out, mark):
            os.write(say, json.dumps(line).encode() + b"\n")
    except ConvoyError as error:
        os.write(say, json.dumps({"error": error.message}).encode() + b"\n")
        sys.exit(1)


def _said(out: Path, mark: Path) -> Iterator[dict[str, Any]]:
    worker = PartWorker(out)
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)  # a part's rows are many objects, none of them garbage before it ends
    yield {}
    with os.fdopen(0) as asked, mark.open("r+b") as file, mmap.mmap(file.fileno(), MARK_BYTES) as marked:
        for line in asked:
            order = json.loads(line)
            skipped = {int(row): reason for row, reason in order["skipped"].items()}
            report = worker.answer(
                order["part"], at_work=lambda row: struct.pack_into("q", marked, 0, row), skipped=skipped
            )
            yield report.to_json()
