"""Owns finding every saved model below a folder of any layout, as people keep them: not only a models folder's."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from service.repository.saved import is_program_folder, is_saved_model


def find_saved(root: Path, *, unreadable: Callable[[OSError], None]) -> list[Path]:
    """Return every saved file and SavedModel folder at or below `root`, in the order of their paths.

    Hidden entries are passed over, links to folders are not followed, and nothing inside a SavedModel is looked for.
    `unreadable` is told of each folder that cannot be looked into.
    """
    if root.is_file() or is_program_folder(root):
        return [root]
    return sorted(_below(root, unreadable))


def _below(root: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, folders, files in os.walk(root, onerror=unreadable):
        here = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".")]
        programs = [name for name in folders if is_program_folder(here / name)]
        folders[:] = [name for name in folders if name not in programs]
        yield from (here / name for name in (*programs, *files) if name in programs or is_saved_model(Path(name)))
