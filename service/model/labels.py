"""Owns the names of classes: numbered stand-ins where nobody gave any, and the check of those given."""

from collections import Counter
from collections.abc import Mapping

from service.errors import SidecarError

_SHOWN = 3
_ONE_EACH = "give exactly one label per class, in class order."
_TWO = "one unit tells two classes apart: give two labels, first that of a low output, then that of a high one."


def numbered_labels(count: int) -> tuple[str, ...]:
    """Return `class_0` … for a model whose classes have no names."""
    return tuple(f"class_{index}" for index in range(count))


def checked_labels(
    labels: tuple[str, ...], *, classes: int, file: str | None = None, is_one_unit: bool = False
) -> tuple[str, ...]:
    """Return `labels` where there is one per class; raise SidecarError rather than shift them.

    `file` is the name of the file that gave them; `is_one_unit` says that one unit stands for two classes.
    """
    if len(labels) == classes:
        return labels
    if not labels:
        raise SidecarError(f"An empty list of labels was given for {classes} classes; give one label per class.")
    advice = _TWO if is_one_unit else _ONE_EACH
    raise SidecarError(f"{_counted(labels)} for {classes} classes ({_ends(labels, file)}); {advice}")


def fitting_none(labels: tuple[str, ...], classes: Mapping[str, int | None], *, file: str | None) -> SidecarError:
    """Return the error of labels that fit none of a model's outputs.

    `classes` are the outputs' numbers of classes by name, None where an output is a map and has none.
    """
    outputs = ", ".join(
        f"{name} has no classes" if count is None else f"{name} has {count} classes" for name, count in classes.items()
    )
    advice = "Give one label per class of an output, in class order." if any(classes.values()) else "Take them away."
    return SidecarError(f"{_counted(labels)} ({_ends(labels, file)}) and fit no output: {outputs}. {advice}")


def repeated_note(labels: tuple[str, ...]) -> str | None:
    """Return a note for the card where several classes have one label; None where each has its own."""
    again = [label for label, count in Counter(labels).items() if count > 1]
    if not again:
        return None
    listed = "; ".join(f"{label!r} is given to {_classes(label, labels)}" for label in again[:_SHOWN])
    more = "; and so on" if len(again) > _SHOWN else ""
    return f"A label does not tell its class where several have it: {listed}{more}. Give each class a label of its own."


def _classes(label: str, labels: tuple[str, ...]) -> str:
    return " and ".join(str(index) for index, one in enumerate(labels) if one == label)


def _counted(labels: tuple[str, ...]) -> str:
    return "1 label was given" if len(labels) == 1 else f"{len(labels)} labels were given"


def _ends(labels: tuple[str, ...], file: str | None) -> str:
    return (f"{file}: " if file else "") + f"first {labels[0]!r}, last {labels[-1]!r}"
