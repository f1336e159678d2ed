"""Owns the labelled folder: a sub-folder of pictures for each class, as Keras' loaders take it."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import FolderError
from service.model.card import OutputCard
from service.repository.naming import Naming, match_folders
from service.repository.pictures import SUFFIXES, class_folders, listed_folder, passed_over, pictures_below

SEED = 1


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file with the index of its true class; `name` is its path within the folder."""

    path: Path
    name: str
    truth: int


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """Pictures with their classes, in the order of their names; `notes` say what was made of the folders' names.

    `total` counts the pictures before a limit.
    """

    root: Path
    pictures: tuple[LabelledPicture, ...]
    total: int
    notes: tuple[str, ...]

    @property
    def classes(self) -> frozenset[int]:
        """Return the classes of which there are pictures."""
        return frozenset(one.truth for one in self.pictures)


def read_labelled(root: Path, output: OutputCard, *, limit: int | None = None, seed: int = SEED) -> LabelledFolder:
    """Read which pictures lie under `root` and match its folders to the classes of `output`.

    `limit` takes that many, spread evenly over the classes, drawn with `seed`. Raises FolderError where there is no
    such folder, no picture in it, or a folder that stands for no class.
    """
    listed = listed_folder(root)
    found = {folder: pictures_below(folder) for folder in class_folders(root)}
    filled = {folder.name: files for folder, files in found.items() if files}
    if not filled:
        raise FolderError(_no_classes(root, has_folders=bool(found), loose=listed.pictures))
    naming = match_folders(tuple(filled), labels=output.labels, is_named=output.labels_source != "default")
    pictures = list(_pictures(root, filled, naming.indices))
    taken = pictures if limit is None else _spread(pictures, limit, random.Random(seed))
    return LabelledFolder(root, tuple(taken), len(pictures), _notes(naming, found, listed.pictures))


def _no_classes(root: Path, *, has_folders: bool, loose: int) -> str:
    wanted = "Expected one sub-folder for each class, with its pictures in it: cats/1.jpg, dogs/2.jpg."
    if has_folders:
        return f"The sub-folders of {root} hold no pictures. {wanted}"
    if loose:
        return f"{root} has {_counted(loose)} and no sub-folder: nothing tells the classes. {wanted}"
    return f"{root} has no sub-folder. {wanted}"


def _pictures(
    root: Path, filled: Mapping[str, Sequence[Path]], indices: Mapping[str, int]
) -> Iterator[LabelledPicture]:
    for folder, files in filled.items():
        for path in files:
            yield LabelledPicture(path, path.relative_to(root).as_posix(), indices[folder])


def _passed_over(folders: Iterable[Path]) -> list[str]:
    total: Counter[str] = sum((passed_over(folder) for folder in folders), Counter())
    if not total:
        return []
    told = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in total.most_common(6))
    return [f"Passed over, as no pictures by their names: {told}. Taken are {', '.join(sorted(SUFFIXES))}."]


def _notes(naming: Naming, found: Mapping[Path, Sequence[Path]], loose: int) -> tuple[str, ...]:
    empty = ", ".join(folder.name for folder, files in found.items() if not files)
    notes = [*naming.notes, *_passed_over(found)]
    if empty:
        notes.append(f"Without pictures, and left out: {empty}.")
    if loose:
        notes.append(f"{_counted(loose)} directly in the folder, and so in no class: left out.")
    return tuple(notes)


def _spread(pictures: Sequence[LabelledPicture], limit: int, draw: random.Random) -> list[LabelledPicture]:
    """Return `limit` pictures, as many of each class as can be, in their old order."""
    by_class: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(pictures):
        by_class[one.truth].append(place)
    shuffled = [draw.sample(places, len(places)) for _, places in sorted(by_class.items())]
    rounds = (places[turn] for turn in range(len(pictures)) for places in shuffled if turn < len(places))
    taken = [place for _, place in zip(range(limit), rounds, strict=False)]
    return [pictures[place] for place in sorted(taken)]


def _counted(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
