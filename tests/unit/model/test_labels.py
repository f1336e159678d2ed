"""The names of classes, and what the card makes of them: a count that does not fit is an error, never a shift."""

from typing import Any

import pytest

from service.errors import SidecarError
from service.model.card import OutputCard
from service.model.description import OutputFacts
from service.model.labels import checked_labels, fitting_none, numbered_labels
from service.model.sidecar import OutputSettings, Sidecar
from service.model.tensors import TensorSpec
from tests.fakes import card_of, describe

KIND = OutputFacts(TensorSpec("kind", (None, 3)), "softmax")
PAIR = OutputFacts(TensorSpec("pair", (None, 2)), "softmax")
ANY = OutputFacts(TensorSpec("any", (None, 1)), "sigmoid")


def outputs(*facts: OutputFacts, labels: tuple[str, ...], **said: Any) -> tuple[OutputCard, ...]:
    """Return the outputs of a card whose labels come from a labels.txt."""
    return card_of(describe(outputs=facts), Sidecar(labels=labels, labels_file="labels.txt", **said)).outputs


def refusal(*facts: OutputFacts, labels: tuple[str, ...]) -> str:
    with pytest.raises(SidecarError) as caught:
        outputs(*facts, labels=labels)
    return caught.value.message


def test_classes_without_names_are_numbered_from_zero() -> None:
    assert numbered_labels(3) == ("class_0", "class_1", "class_2")


@pytest.mark.parametrize(
    ("labels", "listed"),
    [
        ("crane owl crane", "'crane' is given to 0 and 2."),
        ("crane crane maillot maillot", "'crane' is given to 0 and 1; 'maillot' is given to 2 and 3."),
        (
            "a a a b b c c d d",
            "'a' is given to 0 and 1 and 2; 'b' is given to 3 and 4; 'c' is given to 5 and 6; and so on.",
        ),
    ],
)
def test_a_label_of_several_classes_is_warned_of(labels: str, listed: str) -> None:
    given = tuple(labels.split())
    facts = OutputFacts(TensorSpec("kind", (None, len(given))), "softmax")
    found = card_of(describe(outputs=[facts]), Sidecar(labels=given))

    assert found.outputs[0].labels == given
    assert (
        f"A label does not tell its class where several have it: {listed} Give each class a label of its own."
    ) in found.warnings


def test_labels_that_differ_are_not_warned_of() -> None:
    assert not any("A label does not tell" in one for one in card_of(describe(outputs=[KIND]), None).warnings)


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


def test_labels_that_fit_no_output_are_refused_with_what_each_output_has() -> None:
    error = fitting_none(("cat", "dog"), {"kind": 3, "mask": None}, file="labels.txt")
    assert error.message == (
        "2 labels were given (labels.txt: first 'cat', last 'dog') and fit no output: kind has 3 classes, "
        "mask has no classes. Give one label per class of an output, in class order."
    )


def test_labels_of_a_model_without_classes_are_to_be_taken_away() -> None:
    error = fitting_none(("cat",), {"mask": None}, file=None)
    assert error.message == (
        "1 label was given (first 'cat', last 'cat') and fit no output: mask has no classes. Take them away."
    )


# ---------------------------------------------------------------------------------------------------- on the card


def test_the_card_shows_which_file_the_labels_came_from() -> None:
    (output,) = outputs(KIND, labels=("cat", "dog", "owl"))
    assert output.to_json()["labels"] == {
        "value": ["cat", "dog", "owl"],
        "source": "sidecar",
        "file": "labels.txt",
    }


def test_the_card_names_no_file_where_there_are_no_labels() -> None:
    (output,) = card_of(describe(outputs=[PAIR])).outputs
    assert output.to_json()["labels"] == {"value": ["class_0", "class_1"], "source": "default"}


def test_a_wrong_count_names_the_file_that_gave_it() -> None:
    assert refusal(KIND, labels=("cat", "dog")) == (
        "2 labels were given for 3 classes (labels.txt: first 'cat', last 'dog'); "
        "give exactly one label per class, in class order."
    )


@pytest.mark.parametrize("count", [1, 3])
def test_a_model_of_one_sigmoid_needs_two_labels(count: int) -> None:
    labels = ("cat", "dog", "owl")[:count]
    assert refusal(ANY, labels=labels).endswith(
        f"for 2 classes (labels.txt: first 'cat', last {labels[-1]!r}); one unit tells two classes apart: "
        "give two labels, first that of a low output, then that of a high one."
    )


def test_a_model_of_one_unit_that_gives_a_score_takes_one_label() -> None:
    (output,) = outputs(ANY, labels=("beauty",), outputs={"": OutputSettings("scores")})
    assert output.labels == ("beauty",)


def test_of_several_outputs_those_that_fit_have_the_labels() -> None:
    kind, either = outputs(KIND, ANY, labels=("cat", "dog"))
    assert (kind.labels_source, kind.labels_file) == ("default", None)
    assert (either.labels, either.labels_source, either.labels_file) == (("cat", "dog"), "sidecar", "labels.txt")


def test_outputs_with_as_many_classes_share_the_labels() -> None:
    assert [one.labels for one in outputs(PAIR, ANY, labels=("cat", "dog"))] == [("cat", "dog")] * 2


def test_labels_that_fit_none_of_several_outputs_are_refused() -> None:
    assert refusal(KIND, ANY, labels=("a", "b", "c", "d")) == (
        "4 labels were given (labels.txt: first 'a', last 'd') and fit no output: kind has 3 classes, "
        "any has 2 classes. Give one label per class of an output, in class order."
    )
