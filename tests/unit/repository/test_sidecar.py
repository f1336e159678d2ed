"""`model.toml`: every key, what is refused and how, and which file wins."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import SidecarError
from service.model.recipe import MeanStd, Rescale
from service.model.recipes import NAMED_RECIPES
from service.model.sidecar import Newest, OutputSettings, Sidecar, VersionPolicy
from service.repository.saved import Saved
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source
from service.repository.stamp import Stamp

EVERYTHING = """
description = "Cats and dogs, 64x64"
labels = ["cat", "dog"]

[preprocessing]
recipe = "keras.load_img"
color  = "rgb"
size   = [64, 48]
resize = "bilinear"
fit    = "crop"
scale  = "-1..1"
invert = true
exif   = true

[output]
head = "binary"
threshold = 0.25

[versions]
serve = "all"
labels = { stable = 3, canary = 4 }

[provenance]
dataset = "shelter photos"
accuracy = 0.78
"""


class Beside:
    """A saved file with a far sidecar (for all versions) and a near one (beside it)."""

    def __init__(self, folder: Path) -> None:
        self.far = folder / "model.toml"
        self.near = folder / "1" / "model.toml"
        self.near.parent.mkdir()

    def read(self, *, near: str | bytes | None = None, far: str | bytes | None = None) -> dict[str, Any]:
        for path, text in ((self.near, near), (self.far, far)):
            if text is not None:
                path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_sidecar(
            Source("pets", 1, Saved(self.near.with_name("model.keras")), Stamp(1, 1, 1), (self.far, self.near))
        )

    def parsed(self, near: str | None = None, *, far: str | None = None) -> Sidecar:
        return parse_sidecar(self.read(near=near, far=far))

    def refusal(self, near: str | bytes | None = None, *, far: str | None = None) -> str:
        with pytest.raises(SidecarError) as caught:
            self.read(near=near, far=far)
        return caught.value.message


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


# ---------------------------------------------------------------------------------------------------- every key


def test_without_a_sidecar_nothing_is_said(beside: Beside) -> None:
    assert beside.read() == {}
    assert beside.parsed() == Sidecar()


def test_an_empty_sidecar_says_nothing(beside: Beside) -> None:
    assert beside.parsed("") == Sidecar()


def test_every_key_is_read(beside: Beside) -> None:
    assert beside.parsed(EVERYTHING) == Sidecar(
        description="Cats and dogs, 64x64",
        labels=("cat", "dog"),
        labels_file="model.toml",
        preprocessing={
            "": {
                "recipe": "keras.load_img",
                "color": "rgb",
                "size": (64, 48),
                "resize": "bilinear",
                "fit": "crop",
                "scale": "-1..1",
                "invert": True,
                "exif": True,
            }
        },
        outputs={"": OutputSettings("binary", 0.25)},
        versions=VersionPolicy(serve="all", labels={"stable": 3, "canary": 4}),
        provenance={"dataset": "shelter photos", "accuracy": 0.78},
    )


def test_what_was_read_survives_a_trip_through_json(beside: Beside) -> None:
    data = beside.read(near=EVERYTHING)
    assert parse_sidecar(json.loads(json.dumps(data))) == parse_sidecar(data)


@pytest.mark.parametrize("scale", ["0..255", "0..1", "-1..1", "caffe", "torch"])
def test_a_scale_can_be_named(beside: Beside, scale: str) -> None:
    sidecar = beside.parsed(f'[preprocessing]\nscale = "{scale}"')
    assert sidecar.preprocessing[""]["scale"] == scale


def test_a_scale_can_be_given_as_mean_and_deviation(beside: Beside) -> None:
    sidecar = beside.parsed("[preprocessing]\nscale = { mean = [0.5, 0.4, 0], std = [0.25, 0.2, 1] }")
    assert sidecar.preprocessing[""]["scale"] == MeanStd((0.5, 0.4, 0.0), (0.25, 0.2, 1.0))


@pytest.mark.parametrize(
    "head", ["softmax", "logits", "binary", "binary-logit", "sigmoid-exclusive", "multi-label", "scores"]
)
def test_a_head_can_be_named(beside: Beside, head: str) -> None:
    assert beside.parsed(f'[output]\nhead = "{head}"').outputs[""] == OutputSettings(head)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "serve"),
    [('"latest"', "latest"), ('"all"', "all"), ("[3, 4]", (3, 4)), ("[7]", (7,)), ("{ latest = 2 }", Newest(2))],
)
def test_the_versions_to_serve_can_be_said(beside: Beside, text: str, serve: Any) -> None:
    assert beside.parsed(f"[versions]\nserve = {text}").versions.serve == serve


@pytest.mark.parametrize("name", NAMED_RECIPES)
def test_a_recipe_can_be_named_and_stays_a_name_here(beside: Beside, name: str) -> None:
    assert beside.parsed(f'[preprocessing]\nrecipe = "{name}"').recipe_values("image") == {"recipe": name}


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("{ factor = 0.00392156862745098, offset = -0.5 }", Rescale(0.00392156862745098, -0.5)),
        ("{ factor = 2 }", Rescale(2.0, 0.0)),
    ],
)
def test_a_scale_can_be_given_as_factor_and_offset(beside: Beside, text: str, scale: Rescale) -> None:
    assert beside.parsed(f"[preprocessing]\nscale = {text}").preprocessing[""]["scale"] == scale


def test_a_nearer_factor_replaces_the_farther_mean_whole(beside: Beside) -> None:
    far = "[preprocessing]\nscale = { mean = [0.5], std = [0.5] }"
    near = beside.parsed("[preprocessing]\nscale = { factor = 2.0 }", far=far)
    assert near.recipe_values("image")["scale"] == Rescale(2.0)


def test_the_keys_of_single_libraries_are_read(beside: Beside) -> None:
    text = "antialias = true\nshortest_edge = 256\nsamplewise_center = true\nsamplewise_std_normalization = true"
    assert beside.parsed(f"[preprocessing]\n{text}").recipe_values("image") == {
        "antialias": True,
        "shortest_edge": 256,
        "samplewise_center": True,
        "samplewise_std_normalization": True,
    }


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-02-28", "2026-02-28"),
        ("2026-02-28T13:30:00Z", "2026-02-28T13:30:00+00:00"),
        ("2026-02-28 13:30:00", "2026-02-28T13:30:00"),
        ("13:30:00", "13:30:00"),
        ("[2026-02-28, { seen = 2026-03-01 }]", ["2026-02-28", {"seen": "2026-03-01"}]),
    ],
)
def test_a_date_in_provenance_is_kept_as_text(beside: Beside, written: str, kept: Any) -> None:
    assert beside.parsed(f"[provenance]\ntrained = {written}").provenance == {"trained": kept}


def test_provenance_takes_any_key(beside: Beside) -> None:
    assert beside.parsed("[provenance]\nanything = { goes = [1, 2] }").provenance == {"anything": {"goes": [1, 2]}}


# ----------------------------------------------------------------------------------- one of several inputs, outputs


def test_one_of_several_inputs_can_be_meant(beside: Beside) -> None:
    sidecar = beside.parsed(
        '[preprocessing]\nscale = "0..1"\nfit = "pad"\n[preprocessing.right]\nscale = "caffe"\ninvert = true'
    )
    assert sidecar.recipe_values("left") == {"scale": "0..1", "fit": "pad"}
    assert sidecar.recipe_values("right") == {"scale": "caffe", "fit": "pad", "invert": True}


def test_one_of_several_outputs_can_be_meant(beside: Beside) -> None:
    sidecar = beside.parsed('[output]\nthreshold = 0.25\n[output.second]\nhead = "scores"')
    assert sidecar.output_settings("first") == OutputSettings(None, 0.25)
    assert sidecar.output_settings("second") == OutputSettings("scores", 0.25)


def test_an_output_or_an_input_may_be_called_like_a_key(beside: Beside) -> None:
    said = beside.parsed(near='[output.head]\nhead = "scores"\n[preprocessing.size]\nfit = "crop"')

    assert said.output_settings("head").head == "scores"
    assert said.output_settings("other").head is None
    assert said.recipe_values("size") == {"fit": "crop"}


def test_a_threshold_of_zero_of_ones_own_wins(beside: Beside) -> None:
    sidecar = beside.parsed("[output]\nthreshold = 0.25\n[output.second]\nthreshold = 0.0")
    assert sidecar.output_settings("second").threshold == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[preprocessing.right]\ncolr = "rgb"', "preprocessing.right.colr: unknown key; did you mean 'color'?"),
        ('[output.second]\nhaed = "scores"', "output.second.haed: unknown key; did you mean 'head'?"),
    ],
)
def test_a_complaint_about_one_of_several_names_it(beside: Beside, text: str, message: str) -> None:
    assert beside.refusal(text) == f"model.toml: {message}"


# ------------------------------------------------------------------------------------------------------ refused


UNKNOWN = {
    "top level": ('lables = ["a"]', "lables: unknown key; did you mean 'labels'?"),
    "a table": ("[preprocesing]", "preprocesing: unknown key; did you mean 'preprocessing'?"),
    "preprocessing": ('[preprocessing]\ncolour = "rgb"', "preprocessing.colour: unknown key; did you mean 'color'?"),
    "output": ("[output]\nthreshhold = 0.5", "output.threshhold: unknown key; did you mean 'threshold'?"),
    "versions": ('[versions]\nserves = "all"', "versions.serves: unknown key; did you mean 'serve'?"),
    "what only reading adds": ('labels_file = "a"', "labels_file: unknown key; did you mean 'labels'?"),
    "nothing near": ("[output]\nxyzzy = 1", "output.xyzzy: unknown key; known: head, threshold."),
}


@pytest.mark.parametrize(("text", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_key_is_refused_and_the_nearest_known_one_named(beside: Beside, text: str, message: str) -> None:
    assert beside.refusal(text) == f"model.toml: {message}"


BAD_VALUES = {
    "description": ("description = 5", "description: Not a valid string."),
    "labels": ('labels = ["a", 3]', "labels.1: Not a valid string."),
    "recipe": ('[preprocessing]\nrecipe = "magic"', "preprocessing.recipe: Must be one of: keras.load_img"),
    "color": (
        '[preprocessing]\ncolor = "RGB"',
        "preprocessing.color: Must be one of: rgb, bgr, grayscale, rgba.",
    ),
    "size of one number": ("[preprocessing]\nsize = [64]", "preprocessing.size: must be [height, width] in pixels"),
    "size of zero": ("[preprocessing]\nsize = [0, 64]", "preprocessing.size: must be [height, width] in pixels"),
    "size of a half": ("[preprocessing]\nsize = [64.5, 64]", "preprocessing.size: must be [height, width] in pixels"),
    "size of truth": ("[preprocessing]\nsize = [true, 64]", "preprocessing.size: must be [height, width] in pixels"),
    "size as text": ('[preprocessing]\nsize = "64x64"', "preprocessing.size: must be [height, width] in pixels"),
    "resize": (
        '[preprocessing]\nresize = "linear"',
        "preprocessing.resize: Must be one of: nearest, bilinear, bicubic, lanczos, box, hamming, area, lanczos3,",
    ),
    "fit": ('[preprocessing]\nfit = "squash"', "preprocessing.fit: Must be one of: stretch, crop, pad."),
    "scale": (
        '[preprocessing]\nscale = "0-1"',
        "preprocessing.scale: must be one of '0..255', '0..1', '-1..1', 'caffe', 'torch', "
        "or { mean = [..], std = [..] } or { factor = .., offset = .. } with numbers.",
    ),
    "scale without std": ("[preprocessing]\nscale = { mean = [0.5] }", "preprocessing.scale: must be one of '0..255'"),
    "scale of words": (
        '[preprocessing]\nscale = { mean = ["a"], std = [1] }',
        "preprocessing.scale: must be one of '0..255'",
    ),
    "scale of unequal length": (
        "[preprocessing]\nscale = { mean = [0.5, 0.5], std = [1] }",
        "preprocessing.scale: mean and std must have as many numbers each, and no std may be 0.",
    ),
    "scale by zero": (
        "[preprocessing]\nscale = { mean = [0.5], std = [0] }",
        "preprocessing.scale: mean and std must have as many numbers each, and no std may be 0.",
    ),
    "scale without end": (
        "[preprocessing]\nscale = { mean = [nan], std = [1] }",
        "preprocessing.scale: the numbers of a scale must be finite ones that a float holds.",
    ),
    "factor of zero": (
        "[preprocessing]\nscale = { factor = 0 }",
        "preprocessing.scale: factor and offset must be numbers, and factor not 0: x * factor + offset.",
    ),
    "factor of words": (
        '[preprocessing]\nscale = { factor = "1/255" }',
        "preprocessing.scale: factor and offset must be numbers",
    ),
    "factor without end": ("[preprocessing]\nscale = { factor = inf }", "preprocessing.scale: the numbers of a scale"),
    "factor and mean": (
        "[preprocessing]\nscale = { factor = 1.0, mean = [0] }",
        "preprocessing.scale: must be one of '0..255'",
    ),
    "shortest edge": (
        "[preprocessing]\nshortest_edge = 4097",
        "preprocessing.shortest_edge: must be a number of pixels, from 1 to 4096.",
    ),
    "shortest edge of two": (
        "[preprocessing]\nshortest_edge = [2, 2]",
        "preprocessing.shortest_edge: must be a number of pixels, from 1 to 4096.",
    ),
    "antialias": ('[preprocessing]\nantialias = "yes"', "preprocessing.antialias: Not a valid boolean."),
    "invert": ('[preprocessing]\ninvert = "yes"', "preprocessing.invert: Not a valid boolean."),
    "preprocessing": ('preprocessing = "raw"', "preprocessing: must be a table."),
    "head": (
        '[output]\nhead = "soft-max"',
        "output.head: Must be one of: softmax, logits, binary, binary-logit, sigmoid-exclusive, multi-label, scores.",
    ),
    "threshold": ("[output]\nthreshold = 1.5", "output.threshold: Must be greater than or equal to 0 and"),
    "threshold of nothing": ("[output]\nthreshold = nan", "output.threshold: "),
    "serve": (
        '[versions]\nserve = "lastest"',
        'versions.serve: must be "latest", "all", { latest = 2 }, or a list of versions such as [3, 4].',
    ),
    "serve none": ("[versions]\nserve = []", "versions.serve: must be"),
    "serve an empty table": ("[versions]\nserve = {}", "versions.serve: must be"),
    "serve a misspelt table": (
        "[versions]\nserve = { lates = 2 }",
        "versions.serve.lates: unknown key; did you mean 'latest'?",
    ),
    "serve the latest zero": ("[versions]\nserve = { latest = 0 }", "versions.serve.latest: Must be greater"),
    "serve the latest of truth": ("[versions]\nserve = { latest = true }", "versions.serve.latest: "),
    "serve version zero": ("[versions]\nserve = [0]", "versions.serve: must be"),
    "serve truth": ("[versions]\nserve = [true]", "versions.serve: must be"),
    "version label": ('[versions]\nlabels = { stable = "3" }', "versions.labels.stable"),
    "version label of zero": ("[versions]\nlabels = { stable = 0 }", "versions.labels.stable"),
    "version label that is a number": ("[versions]\nlabels = { 3 = 4 }", "versions.labels.3.key: an address with"),
    "version label latest": ("[versions]\nlabels = { latest = 4 }", "versions.labels.latest.key: an address with"),
    "provenance": ('provenance = "mine"', "provenance: Not a valid mapping type."),
}


@pytest.mark.parametrize(("text", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_cannot_be_used_is_refused_and_its_key_named(beside: Beside, text: str, message: str) -> None:
    assert beside.refusal(text).startswith(f"model.toml: {message}")


def test_every_complaint_is_made_at_once(beside: Beside) -> None:
    assert beside.refusal('description = 5\n[output]\nhaed = "scores"') == (
        "model.toml: description: Not a valid string.; output.haed: unknown key; did you mean 'head'?"
    )


def test_a_syntax_error_says_where_it_is(beside: Beside) -> None:
    message = beside.refusal('description = "pets"\nlabels = [')
    assert message.startswith("model.toml is no TOML: ")
    assert "line 2" in message or "end of document" in message


HOSTILE = {
    "a number of 5000 digits": "[provenance]\nseed = " + "7" * 5000,
    "nested too deeply": "[provenance]\nseed = " + "[" * 100_000,
    "a number no float holds": "[preprocessing]\nscale = { mean = [" + "7" * 400 + "], std = [1] }",
    "an impossible date": "[provenance]\nday = 2026-13-45",
    "a key given twice": "description = 'a'\ndescription = 'b'",
    "zeros of no meaning": "[preprocessing]\nsize = [064, 64]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_sidecar_that_breaks_its_reader_is_refused_like_any_other(beside: Beside, text: str) -> None:
    assert beside.refusal(text).startswith("model.toml")


def test_text_that_is_not_utf_8_is_refused(beside: Beside) -> None:
    assert beside.refusal('description = "Gänse"'.encode("latin-1")) == "model.toml is not UTF-8 text."


def test_a_byte_order_mark_is_no_part_of_the_text(beside: Beside) -> None:
    assert beside.read(near=b'\xef\xbb\xbfdescription = "pets"') == {"description": "pets"}


def test_a_sidecar_of_unreasonable_size_is_refused(beside: Beside) -> None:
    message = beside.refusal("#" * (4 * 2**20 + 1))
    assert message == f"model.toml is larger than {4 * 2**20} bytes."


# ------------------------------------------------------------------------------------------------ the nearer one wins


def test_the_nearer_sidecar_wins_key_by_key(beside: Beside) -> None:
    sidecar = beside.parsed(
        far='description = "far"\nlabels = ["a", "b"]\n[preprocessing]\nscale = "0..1"\nfit = "crop"',
        near='description = "near"\n[preprocessing]\nscale = "torch"',
    )
    assert (sidecar.description, sidecar.labels) == ("near", ("a", "b"))
    assert sidecar.preprocessing[""] == {"scale": "torch", "fit": "crop"}


def test_the_farther_sidecar_counts_alone_too(beside: Beside) -> None:
    assert beside.parsed(far='description = "far"').description == "far"


def test_nearer_labels_replace_the_farther_ones_whole(beside: Beside) -> None:
    assert beside.parsed(far='labels = ["a", "b", "c"]', near='labels = ["x"]').labels == ("x",)


def test_a_nearer_scale_replaces_the_farther_one_whole(beside: Beside) -> None:
    far = "[preprocessing]\nscale = { mean = [0.1, 0.2, 0.3], std = [1, 1, 1] }"
    sidecar = beside.parsed(far=far, near="[preprocessing]\nscale = { mean = [0.5], std = [0.25] }")
    assert sidecar.preprocessing[""]["scale"] == MeanStd((0.5,), (0.25,))


def test_nearer_values_of_one_input_leave_those_of_another(beside: Beside) -> None:
    sidecar = beside.parsed(
        far='[preprocessing.left]\nfit = "crop"\n[preprocessing.right]\nfit = "crop"',
        near='[preprocessing.right]\nfit = "pad"',
    )
    assert (sidecar.recipe_values("left"), sidecar.recipe_values("right")) == ({"fit": "crop"}, {"fit": "pad"})


def test_the_farther_sidecar_is_checked_as_well(beside: Beside) -> None:
    assert beside.refusal('description = "fine"', far="nonsense = 1").startswith("model.toml: nonsense: unknown key")


# --------------------------------------------------------------------------------------------------- labels by file

LABEL_FILES = {
    "one a line": ("names.txt", "cat\ndog\n"),
    "numbered lines": ("anything", "0 cat\n1 dog\n"),
    "list": ("names.json", '["cat", "dog"]'),
    "class_indices of Keras": ("my_index.json", '{"dog": 1, "cat": 0}'),
    "index of ImageNet": ("my_index.json", '{"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]}'),
    "configuration of Hugging Face": ("config.json", '{"id2label": {"0": "cat", "1": "dog"}}'),
}


@pytest.mark.parametrize(("name", "content"), LABEL_FILES.values(), ids=LABEL_FILES)
def test_labels_can_be_in_a_file(beside: Beside, name: str, content: str) -> None:
    beside.near.with_name(name).write_text(content)
    sidecar = beside.parsed(f'labels = "{name}"')
    assert (sidecar.labels, sidecar.labels_file) == (("cat", "dog"), name)


def test_a_label_file_lies_beside_the_sidecar_that_names_it(beside: Beside) -> None:
    beside.far.with_name("labels.txt").write_text("far")
    beside.near.with_name("labels.txt").write_text("near")
    assert beside.parsed(far='labels = "labels.txt"').labels == ("far",)


def test_labels_read_from_a_file_travel_as_a_list_with_its_name(beside: Beside) -> None:
    beside.near.with_name("labels.txt").write_text("cat\ndog")
    assert beside.read(near='labels = "labels.txt"') == {"labels": ["cat", "dog"], "labels_file": "labels.txt"}


def test_nearer_labels_bring_the_name_of_their_file(beside: Beside) -> None:
    beside.far.with_name("names.txt").write_text("far")
    assert beside.parsed(far='labels = "names.txt"', near='labels = ["near"]').labels_file == "model.toml"


@pytest.mark.parametrize("name", ["missing.txt", "../model.toml", "/etc/passwd", "", ".", ".."])
def test_a_label_file_that_does_not_lie_beside_is_refused(beside: Beside, name: str) -> None:
    beside.far.write_text("")
    assert beside.refusal(f'labels = "{name}"') == (
        f"model.toml: labels names {name!r}, and no file of that name lies beside it."
    )


BAD_LABEL_FILES = {
    "no JSON": ("names.json", "cat, dog", "model.toml: names.json is no JSON."),
    "text": ("names.json", '"cat"', "model.toml: names.json must hold a list of labels"),
    "a configuration without labels": ("config.json", '{"size": {}}', "model.toml: config.json must hold a list of"),
    "empty": ("labels.txt", "\n\n", "model.toml: labels.txt holds no labels; give one per class, or remove it."),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD_LABEL_FILES.values(), ids=BAD_LABEL_FILES)
def test_a_label_file_that_cannot_be_used_is_refused(beside: Beside, name: str, content: str, message: str) -> None:
    beside.near.with_name(name).write_text(content)
    assert beside.refusal(f'labels = "{name}"').startswith(message)
