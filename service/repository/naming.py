"""Owns matching the names of folders to the labels of a model, and one model's labels to another's."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.errors import FolderError

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Naming:
    """The class index of each folder by name; `notes` say what was not plain."""

    indices: Mapping[str, int]
    notes: tuple[str, ...] = ()


def match_folders(folders: Sequence[str], *, labels: Sequence[str], is_named: bool) -> Naming:
    """Match folders to classes: by label, else by index; by Keras' order for a model whose classes have no names.

    A label matches exactly, else without regard to case, spaces and punctuation, else to a plural "s" as well. A
    folder called by a number is the index of a class where no label is a number. `folders` are in Keras' order.
    Raises FolderError where a folder stands for no class, or none is told apart from another.
    """
    by_label = _by_name(folders, labels)
    unknown = [one for one in folders if one not in by_label]
    if not unknown:
        return Naming(by_label, _loose_notes(by_label, labels))
    if not is_named and len(folders) == len(labels):
        order = ", ".join(f"{folder} = {index}" for index, folder in enumerate(folders[:_SHOWN]))
        more = ", …" if len(folders) > _SHOWN else ""
        note = f"The model's classes have no names: the folders are taken in Keras' order ({order}{more})."
        return Naming({folder: index for index, folder in enumerate(folders)}, (note,))
    by_index = {} if any(one.isdecimal() for one in labels) else _by_index(folders, len(labels))
    if len(by_index) == len(folders):
        return Naming(by_index, ("The folders' names are taken as the indices of classes.",))
    raise FolderError(_unmatched(unknown, folders, labels, is_named=is_named))


def match_labels(own: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Return which class of `other` each class of `own` is, as far as their names say."""
    found = _by_name(own, other)
    return {index: found[label] for index, label in enumerate(own) if label in found}


def _by_name(names: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Return the label's index for each name that stands for one: exactly, else by its plain form, else its singular.

    A form that two labels share tells nothing.
    """
    found: dict[str, int] = {}
    forms: tuple[Callable[[str], str], ...] = (str, _plain, _singular)
    for form in forms:
        known = _told_apart(labels, form)
        found = {name: known[form(name)] for name in names if form(name) in known} | found
    return {name: found[name] for name in names if name in found}


def _told_apart(labels: Sequence[str], form: Callable[[str], str]) -> dict[str, int]:
    indices: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        indices[form(label)].append(index)
    return {key: places[0] for key, places in indices.items() if key and len(places) == 1}


def _plain(name: str) -> str:
    # NOTE: macOS stores file names decomposed: "é" as "e" and an accent, which no label typed elsewhere equals.
    text = unicodedata.normalize("NFKC", name).casefold()
    return " ".join("".join(one if one.isalnum() else " " for one in text).split())


def _singular(name: str) -> str:
    return _plain(name).removesuffix("s")


def _by_index(folders: Sequence[str], classes: int) -> dict[str, int]:
    return {one: int(one) for one in folders if one.isascii() and one.isdecimal() and int(one) < classes}


def _loose_notes(indices: Mapping[str, int], labels: Sequence[str]) -> tuple[str, ...]:
    loose = [f"{folder} = {labels[index]}" for folder, index in indices.items() if folder != labels[index]]
    if not loose:
        return ()
    more = ", …" if len(loose) > _SHOWN else ""
    return (f"Folders are matched to labels that are written otherwise: {', '.join(loose[:_SHOWN])}{more}.",)


def _unmatched(unknown: Sequence[str], folders: Sequence[str], labels: Sequence[str], *, is_named: bool) -> str:
    if not is_named:
        return (
            f"The model has {len(labels)} classes without names and the folder {len(folders)} sub-folders "
            f"({_listed(folders)}). Give one sub-folder for each class, or labels in a model.toml beside the model."
        )
    return (
        f"{_listed(unknown)}: no class of the model is called so. Its labels are {_listed(labels)}; the sub-folders "
        f"are {_listed(folders)}. Rename the folders after the labels, or move away what is no class."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
