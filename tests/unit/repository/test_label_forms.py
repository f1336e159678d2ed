"""The forms of label files: each gives one label per class in class order, or says why it cannot."""

import json
from typing import Any

import pytest

from service.errors import SidecarError
from service.repository.label_forms import labels_of_json, labels_of_lines


def refusal(text: str, *, is_json: bool = True) -> str:
    with pytest.raises(SidecarError) as caught:
        (labels_of_json if is_json else labels_of_lines)(text)
    return caught.value.message


# ------------------------------------------------------------------------------------------------------- lines

LINES = {
    "one a line": ("cat\ndog\n", ["cat", "dog"]),
    "spaces and empty lines": ("  cat \n\n dog\n\n\n", ["cat", "dog"]),
    "several words": ("great white shark\ntiger shark", ["great white shark", "tiger shark"]),
    "the same name twice": ("crane\ncrane", ["crane", "crane"]),
    "a form feed within": ("cat\x0cfish\ndog\u2028house", ["cat\x0cfish", "dog\u2028house"]),
    "one class": ("cat", ["cat"]),
    "nothing": ("\n \n", []),
}


@pytest.mark.parametrize(("text", "labels"), LINES.values(), ids=LINES)
def test_each_line_is_a_label(text: str, labels: list[str]) -> None:
    assert labels_of_lines(text) == labels


NUMBERED = {
    "Teachable Machine": ("0 cardboard\n1 plastic bag\n2 glass\n", ["cardboard", "plastic bag", "glass"]),
    "two spaces or a tab": ("0  cat\n1\tdog", ["cat", "dog"]),
    "a colon": ("0: cat\n1: dog", ["cat", "dog"]),
    "labels that begin with numbers": ("0 3 doors\n1 5 doors", ["3 doors", "5 doors"]),
    "more than ten": (
        "\n".join(f"{one} class of {one}" for one in range(12)),
        [f"class of {one}" for one in range(12)],
    ),
}


@pytest.mark.parametrize(("text", "labels"), NUMBERED.values(), ids=NUMBERED)
def test_the_index_is_taken_off_where_each_line_begins_with_its_own(text: str, labels: list[str]) -> None:
    assert labels_of_lines(text) == labels


INTACT = {
    "digits": [str(one) for one in range(10)],
    "digits from one": ["1", "2", "3"],
    "numbers in words": ["3 doors", "5 doors"],
    "counted things": ["0 fingers", "1 fingers", "2 fingers"],
    "counted from one": ["1 cat", "2 dog"],
    "one without a number": ["0 cat", "dog"],
    "an index without a label": ["0", "1 dog"],
    "zeros in front": ["00 cat", "01 dog"],
    "no space": ["0cat", "1dog"],
    "times of day": ["0:00", "1:00"],
}


@pytest.mark.parametrize("labels", INTACT.values(), ids=INTACT)
def test_numbers_that_are_part_of_the_labels_stay(labels: list[str]) -> None:
    assert labels_of_lines("\n".join(labels)) == labels


UNORDERED = {
    "a gap": ("0 cat\n2 dog", "begins label 2 with the index 2, where 1 was expected"),
    "a repetition": ("0 cat\n1 dog\n1 owl", "begins label 3 with the index 1, where 2 was expected"),
    "another order": ("1 dog\n0 cat", "begins label 1 with the index 1, where 0 was expected"),
}


@pytest.mark.parametrize(("text", "message"), UNORDERED.values(), ids=UNORDERED)
def test_lines_whose_indices_are_not_their_own_are_refused(text: str, message: str) -> None:
    assert refusal(text, is_json=False) == (
        f"{message}: number the lines 0, 1, 2, … in class order, or leave the numbers out."
    )


# -------------------------------------------------------------------------------------------------------- JSON

FORMS: dict[str, Any] = {
    "list": ["cat", "dog"],
    "class_indices of Keras": {"dog": 1, "cat": 0},
    "its inverse": {"0": "cat", "1": "dog"},
    "its inverse out of order": {"1": "dog", "0": "cat"},
    "index of ImageNet": {"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]},
    "configuration of Hugging Face": {
        "architectures": ["ResNet"],
        "id2label": {"0": "cat", "1": "dog"},
        "label2id": {"cat": 0, "dog": 1},
    },
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_json_gives_the_labels_in_class_order(data: Any) -> None:
    assert labels_of_json(json.dumps(data)) == ["cat", "dog"]


@pytest.mark.parametrize(
    "data",
    [[0, 1.5, "two"], {"0": 0, "1": 1.5, "2": "two"}, {"id2label": {"0": 0, "1": 1.5, "2": "two"}}],
    ids=["list", "index", "configuration"],
)
def test_numbers_as_labels_become_text(data: Any) -> None:
    assert labels_of_json(json.dumps(data)) == ["0", "1.5", "two"]


def test_folders_named_by_numbers_keep_the_order_that_keras_gave_them() -> None:
    folders = sorted(str(one) for one in range(12))
    class_indices = {name: index for index, name in enumerate(folders)}
    assert labels_of_json(json.dumps(class_indices)) == ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]


def test_a_configuration_whose_labels_are_numbers_is_read_by_index() -> None:
    assert labels_of_json('{"id2label": {"0": 1, "1": 0}}') == ["1", "0"]


def test_a_thousand_classes_of_imagenet_are_read() -> None:
    index = {str(one): [f"n{one:08}", f"thing_{one}"] for one in range(1000)}
    assert labels_of_json(json.dumps(index)) == [f"thing_{one}" for one in range(1000)]


MISNUMBERED = {
    "a gap": ('{"cat": 0, "dog": 2}', "gives no label the index 1; its 2 labels must have the indices 0 to 1"),
    "counted from one": ('{"1": "cat", "2": "dog"}', "gives no label the index 0; its 2 labels must have"),
    "a negative index": ('{"cat": -1, "dog": 0}', "gives no label the index 1; its 2 labels must have"),
    "a gap in ImageNet's form": ('{"0": ["n1", "cat"], "3": ["n2", "dog"]}', "gives no label the index 1; its 2"),
    "an index for two": ('{"cat": 0, "dog": 0}', "gives 'cat' and 'dog' the same index 0; give each class its own."),
    "a class twice": ('{"cat": 0, "cat": 1}', "holds the key 'cat' twice; give each class once."),
    "an index twice": ('{"0": "cat", "0": "dog"}', "holds the key '0' twice; give each class once."),
    "twice within": ('{"id2label": {"0": "cat", "0": "dog"}}', "holds the key '0' twice; give each class once."),
}


@pytest.mark.parametrize(("text", "message"), MISNUMBERED.values(), ids=MISNUMBERED)
def test_indices_that_are_not_each_once_are_refused(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


NO_FORM = {
    "text": '"cat"',
    "number": "3",
    "nothing": "null",
    "truth in a list": '["cat", true]',
    "lists in a list": '[["n02123045", "cat"]]',
    "text as index": '{"cat": "0", "dog": "1"}',
    "zeros in front": '{"00": "cat", "01": "dog"}',
    "truth as index": '{"cat": false, "dog": true}',
    "half an index": '{"cat": 0.0, "dog": 1.0}',
    "ImageNet's form of three": '{"0": ["n02123045", "cat", "feline"]}',
    "a number of 20 digits": '{"99999999999999999999": "cat"}',
    "another tool's": '{"class_name": "Sequential", "config": {"layers": []}}',
}


@pytest.mark.parametrize("text", NO_FORM.values(), ids=NO_FORM)
def test_json_of_no_known_form_is_refused_and_the_forms_named(text: str) -> None:
    message = refusal(text)
    assert message.startswith('must hold a list of labels in class order, {"cat": 0, "dog": 1}, ')
    assert '{"id2label": {"0": "cat"}}' in message


@pytest.mark.parametrize(
    "text", ["cat, dog", "", "[" * 100_000, "7" * 5000], ids=["words", "empty", "too deep", "5000 digits"]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    assert refusal(text) == "is no JSON."
