"""Setting keys in a `model.toml` that somebody wrote by hand."""

import tomllib

import pytest

from service.errors import SidecarError
from service.offline.sidecar_edit import edited

TABLE = ("preprocessing",)


def test_a_new_file_holds_the_table_alone() -> None:
    assert (
        edited("", {TABLE: {"scale": "0..1", "invert": False}}) == '[preprocessing]\nscale = "0..1"\ninvert = false\n'
    )


def test_comments_order_and_other_keys_stay() -> None:
    text = (
        '# mine\nlabels = ["a", "b"]   # two\n\n[preprocessing]  # pictures\n# what I tried\n'
        'resize = "nearest"\nscale  = "0..255"   # was it?\n\n[output]\nhead = "softmax"\n'
    )

    assert edited(text, {TABLE: {"scale": "-1..1", "fit": "crop"}}) == text.replace(
        'scale  = "0..255"   # was it?\n', 'scale  = "-1..1"   # was it?\nfit = "crop"\n'
    )


def test_a_table_that_is_missing_is_added_at_the_end() -> None:
    assert edited('labels = ["a"]', {TABLE: {"invert": True}}) == 'labels = ["a"]\n\n[preprocessing]\ninvert = true\n'


def test_only_the_table_meant_is_touched() -> None:
    text = '[preprocessing.left]\nscale = "0..1"\n[preprocessing."right eye"]\nscale = "0..1"\n'

    new = tomllib.loads(edited(text, {("preprocessing", "right eye"): {"scale": "torch"}}))

    assert new["preprocessing"] == {"left": {"scale": "0..1"}, "right eye": {"scale": "torch"}}


def test_a_value_over_several_lines_is_replaced_whole() -> None:
    text = "[preprocessing]\nsize = [\n  1,\n  2,\n]\nscale = { mean = [0.5], std = [0.5] } # {\n"

    new = edited(text, {TABLE: {"size": [3, 4], "scale": {"mean": [0.0], "std": [1.0]}}})

    assert new == "[preprocessing]\nsize = [3, 4]\nscale = { mean = [0.0], std = [1.0] } # {\n"


def test_a_sign_in_a_text_is_no_comment() -> None:
    text = '[preprocessing]\nrecipe = "raw" # "raw" # really\n'

    assert edited(text, {TABLE: {"recipe": "opencv"}}) == '[preprocessing]\nrecipe = "opencv" # "raw" # really\n'


@pytest.mark.parametrize(
    "text",
    [
        'preprocessing = { scale = "0..1" }\n',
        'preprocessing.scale = "0..1"\n',
        'description = """\n[preprocessing]\nscale = "0..1"\n"""\n',
        "no toml",
    ],
)
def test_what_cannot_be_edited_safely_is_left_with_the_lines_to_write(text: str) -> None:
    with pytest.raises(SidecarError, match=r'\[preprocessing\] scale = "-1\.\.1"'):
        edited(text, {TABLE: {"scale": "-1..1"}})
