"""The names of classes."""

import pytest

from service.errors import SidecarError
from service.model.labels import checked_labels, numbered_labels


def test_classes_without_names_are_numbered_from_zero() -> None:
    assert numbered_labels(3) == ("class_0", "class_1", "class_2")


def test_one_label_per_class_is_taken_as_given() -> None:
    assert checked_labels(("cat", "dog"), classes=2) == ("cat", "dog")


@pytest.mark.parametrize("labels", [("cat", "dog"), ("cat", "dog", "owl", "fox")], ids=["too few", "too many"])
def test_a_wrong_count_is_refused_rather_than_shifted(labels: tuple[str, ...]) -> None:
    with pytest.raises(SidecarError) as caught:
        checked_labels(labels, classes=3)
    assert caught.value.message == (
        f"{len(labels)} labels were given for 3 classes (first 'cat', last {labels[-1]!r}); "
        "give exactly one label per class, in class order."
    )


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(SidecarError) as caught:
        checked_labels((), classes=3)
    assert caught.value.message == "An empty list of labels was given for 3 classes; give one label per class."
