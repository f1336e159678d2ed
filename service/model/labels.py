"""Owns the names of classes: numbered stand-ins where nobody gave any, and the check of those given."""

from service.errors import SidecarError


def numbered_labels(count: int) -> tuple[str, ...]:
    """Return `class_0` … for a model whose classes have no names."""
    return tuple(f"class_{index}" for index in range(count))


def checked_labels(labels: tuple[str, ...], *, classes: int) -> tuple[str, ...]:
    """Return `labels` where there is one per class; raise SidecarError rather than shift them."""
    if len(labels) != classes:
        raise SidecarError(
            f"{len(labels)} labels were given for {classes} classes "
            f"(first {labels[0]!r}, last {labels[-1]!r}); give exactly one label per class, in class order."
            if labels
            else f"An empty list of labels was given for {classes} classes; give one label per class."
        )
    return labels
