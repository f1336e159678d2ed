"""Owns what two models have in common before they are compared: the pictures, and which class is which."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import FolderError
from service.model.card import OutputCard
from service.repository.labelled import read_labelled
from service.repository.naming import match_labels
from service.repository.pictures import pictures_below

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures to compare on, each a path and a name; `truth` has their classes as the first model counts them.

    It is None where the folder's sub-folders are no classes; `notes` say why.
    """

    files: tuple[tuple[Path, str], ...]
    truth: tuple[int, ...] | None
    notes: tuple[str, ...]


def find_pictures(root: Path, output: OutputCard, *, limit: int | None = None) -> Pictures:
    """Return the pictures under `root`, with their classes where its sub-folders are classes of `output`.

    Raises FolderError where there is no such folder or no picture.
    """
    try:
        labelled = read_labelled(root, output, limit=limit)
    except FolderError as error:
        if not root.is_dir():
            raise
        return _unlabelled(root, limit, error)
    files = tuple((one.path, one.name) for one in labelled.pictures)
    return Pictures(files, tuple(one.truth for one in labelled.pictures), labelled.notes)


def _unlabelled(root: Path, limit: int | None, reason: FolderError) -> Pictures:
    paths = pictures_below(root)
    if not paths:
        raise FolderError(f"{root} holds no pictures.") from reason
    taken = paths if limit is None or limit >= len(paths) else paths[:: -(-len(paths) // limit)]
    is_flat = all(path.parent == root for path in paths)
    notes = () if is_flat else (f"The pictures are taken without classes. {reason.message}",)
    return Pictures(tuple((path, path.relative_to(root).as_posix()) for path in taken), None, notes)


def pair_classes(first: OutputCard, second: OutputCard) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return which class of `second` each class of `first` is, by name, and what has to be said of that.

    Two models of as many classes of which one has no names are matched by place. Raises FolderError where nothing
    matches.
    """
    pairs = match_labels(first.labels, second.labels)
    is_unnamed = "default" in (first.labels_source, second.labels_source)
    if len(pairs) < len(first.labels) and is_unnamed and len(first.labels) == len(second.labels):
        return {place: place for place in range(len(first.labels))}, ("Classes without names are matched by place.",)
    if not pairs:
        raise FolderError(
            f"The two models have no class in common: {_few(first.labels)} against {_few(second.labels)}; "
            "there is nothing to compare."
        )
    return pairs, tuple(_only(first, second, pairs))


def _only(first: OutputCard, second: OutputCard, pairs: dict[int, int]) -> list[str]:
    mine = [label for place, label in enumerate(first.labels) if place not in pairs]
    others = [label for place, label in enumerate(second.labels) if place not in pairs.values()]
    named = (("first", mine), ("second", others))
    return [f"Classes of the {which} model alone: {_few(labels)}." for which, labels in named if labels]


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_SHOWN]) + (", …" if len(labels) > _SHOWN else "")
