"""`preprocessor_config.json` of Hugging Face: what it says, where it may lie, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import SidecarError
from service.model.recipe import MeanStd, Rescale
from service.repository.hugging_face import preprocessing_of
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source, find_sources

VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 192},
}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}


def said(config: dict[str, Any]) -> dict[str, Any]:
    return preprocessing_of(json.dumps(config))


def refusal(config: Any) -> str:
    with pytest.raises(SidecarError) as caught:
        preprocessing_of(config if isinstance(config, str) else json.dumps(config))
    return caught.value.message


def without(key: str, config: dict[str, Any] = VIT) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


def test_a_configuration_becomes_a_recipe() -> None:
    assert said(VIT) == {"recipe": "huggingface", "resize": "bilinear", "scale": HALF, "size": [224, 192]}


SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one number": ({"size": 224}, {"size": [224, 224]}),
    "a list": ({"size": [200, 224]}, {"size": [200, 224]}),
    "one number of the shorter side": (
        {"size": 224, "image_processor_type": "MobileNetV2ImageProcessor"},
        {"shortest_edge": 224},
    ),
    "as older files say it": (
        {"size": 224, "image_processor_type": None, "feature_extractor_type": "CLIPFeatureExtractor", "crop_size": 200},
        {"shortest_edge": 224, "size": [200, 200]},
    ),
    "the shorter side, then the centre": (
        {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 200}},
        {"shortest_edge": 256, "size": [224, 200]},
    ),
    "a crop that is off": (
        {"size": {"shortest_edge": 256}, "do_center_crop": False, "crop_size": 224},
        {"shortest_edge": 256},
    ),
    "a crop to the same sides": (
        {"size": {"height": 224, "width": 224}, "do_center_crop": True, "crop_size": 224},
        {"size": [224, 224]},
    ),
    "ConvNeXt": (
        {"size": {"shortest_edge": 224}, "crop_pct": 0.875, "image_processor_type": "ConvNextImageProcessor"},
        {"shortest_edge": 256, "size": [224, 224]},
    ),
    "ConvNeXt without its share": (
        {"size": 224, "image_processor_type": "ConvNextFeatureExtractor"},
        {"shortest_edge": 256, "size": [224, 224]},
    ),
    "ConvNeXt of large pictures": (
        {"size": {"shortest_edge": 384}, "crop_pct": 0.875, "image_processor_type": "ConvNextImageProcessor"},
        {"size": [384, 384]},
    ),
    "PoolFormer": (
        {"size": {"shortest_edge": 224}, "crop_pct": 0.9, "crop_size": {"height": 224, "width": 224}},
        {"shortest_edge": 248, "size": [224, 224]},
    ),
    "LeViT": (
        {"size": {"shortest_edge": 224}, "crop_size": 224, "image_processor_type": "LevitImageProcessor"},
        {"shortest_edge": 256, "size": [224, 224]},
    ),
    "no resize": ({"do_resize": False}, {}),
}


@pytest.mark.parametrize(("config", "sizes"), SIZES.values(), ids=SIZES)
def test_sizes(config: dict[str, Any], sizes: dict[str, Any]) -> None:
    found = said(VIT | config)
    assert {key: value for key, value in found.items() if key in ("size", "shortest_edge")} == sizes


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "nearest"), (1, "lanczos"), (2, "bilinear"), (3, "bicubic"), (4, "box"), (5, "hamming")],
)
def test_filters(number: int, name: str) -> None:
    assert said(VIT | {"resample": number})["resize"] == name


def test_without_a_filter_the_default_stays() -> None:
    assert "resize" not in said(without("resample"))


SCALES: dict[str, dict[str, Any]] = {
    "normalized": {},
    "of one number": {"image_mean": 0.4, "image_std": 0.2},
    "rescaled alone": {"do_normalize": False},
    "rescaled by another factor": {"do_normalize": False, "rescale_factor": 1 / 127.5},
    "rescaled to -1..1": {"do_normalize": False, "rescale_factor": 1 / 127.5, "rescale_offset": True},
    "another factor, then normalized": {"rescale_factor": 1 / 128},
    "-1..1, then normalized": {"rescale_factor": 1 / 127.5, "rescale_offset": True},
    "normalized alone": {"do_rescale": False, "image_mean": [120, 110.0, 100], "image_std": [60, 50, 40]},
    "EfficientNet": {"include_top": True, "image_std": [0.47853944, 0.4732864, 0.47434163]},
    "as it is": {"do_rescale": False, "do_normalize": False},
}


@pytest.mark.parametrize("config", SCALES.values(), ids=SCALES)
def test_scales_are_those_that_transformers_computes(config: dict[str, Any]) -> None:
    config = {**VIT, **config}
    pixels: Any = np.arange(256.0)[:, np.newaxis] * np.ones(3)
    expected: Any = pixels.copy()
    if config["do_rescale"]:
        expected = expected * config["rescale_factor"] - (1 if config.get("rescale_offset") else 0)
    if config["do_normalize"]:
        expected = (expected - config["image_mean"]) / config["image_std"]
        expected = expected / config["image_std"] if config.get("include_top") else expected

    np.testing.assert_allclose(scaled(pixels, said(config)["scale"]), expected, rtol=0, atol=1e-6)


def scaled(pixels: Any, scale: Any) -> Any:
    parsed = parse_sidecar({"preprocessing": {"scale": scale}}).recipe_values("image")["scale"]
    if isinstance(parsed, MeanStd):
        return (pixels / 255 - np.array(parsed.mean)) / np.array(parsed.std)
    return pixels * parsed.factor + parsed.offset if isinstance(parsed, Rescale) else pixels


def test_what_older_files_leave_out_is_done_as_they_meant_it() -> None:
    old = {"do_resize": True, "do_normalize": True, "size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    assert said(old)["scale"] == HALF


def test_flipped_channels_are_bgr() -> None:
    assert said(VIT | {"do_flip_channel_order": True})["color"] == "bgr"


@pytest.mark.parametrize("config", [{}, {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True}])
def test_a_configuration_that_is_not_of_pictures_is_passed_over(config: dict[str, Any]) -> None:
    assert said(config) == {}


REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "it is no JSON."),
    "no number of JSON": ('{"size": NaN}', "it is no JSON."),
    "nested too deeply": ("[" * 100_000, "it is no JSON."),
    "a list": ("[]", "it must hold one JSON object."),
    "padding": (VIT | {"do_pad": True}, "do_pad is more than a recipe can say. Remove the file, and say in model.toml"),
    "the longer side": (VIT | {"size": {"longest_edge": 512}}, "size is {'longest_edge': 512}, where a number of"),
    "a crop of stretched pictures": (
        VIT | {"do_center_crop": True, "crop_size": 200},
        "do_center_crop after a resize to other sides is more than a recipe can say.",
    ),
    "a crop alone": (
        VIT | {"do_resize": False, "do_center_crop": True, "crop_size": 200},
        "do_center_crop without do_resize is more than a recipe can say.",
    ),
    "no size": (without("size"), "do_resize is true and there is no size."),
    "a size of words": (VIT | {"size": "224"}, "size is '224', where a number of pixels,"),
    "no pixels": (VIT | {"size": 0}, "size is 0, where a number of pixels,"),
    "another filter": (VIT | {"resample": 7}, "resample is 7, where a filter of Pillow's was expected, 0 to 5."),
    "a filter of truth": (VIT | {"resample": True}, "resample is True"),
    "no deviation": (VIT | {"image_std": [1, 0, 1]}, "image_mean and image_std must have as many numbers each"),
    "too few": (VIT | {"image_std": [1]}, "image_mean and image_std must have as many numbers each"),
    "words": (VIT | {"image_mean": ["a"]}, "image_mean is ['a'], where a list of numbers was expected."),
    "none": (without("image_std"), "image_std is None, where a list"),
    "no factor": (VIT | {"rescale_factor": 0}, "rescale_factor is 0, where a number other than 0 was expected."),
    "a huge factor": (VIT | {"rescale_factor": 10**400}, "rescale_factor is 1000"),
    "an offset of any size": (VIT | {"rescale_offset": True}, "rescale_offset with another rescale_factor than"),
    "a share above all": (VIT | {"size": {"shortest_edge": 9}, "crop_pct": 2}, "crop_pct is 2, and must be"),
    "a flag of words": (VIT | {"do_resize": "yes"}, "do_resize is 'yes', where true or false was expected."),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused(config: Any, message: str) -> None:
    assert refusal(config).startswith(message)


# ---------------------------------------------------------------------------------------------------- beside a model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "pets/2/model.keras"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    return path


def found(root: Path) -> Source:
    (source,) = find_sources(root)
    return source


def put(folder: Path, config: Any = VIT, *, name: str = "preprocessor_config.json") -> None:
    (folder / name).write_text(config if isinstance(config, str) else json.dumps(config), "utf-8")


def test_it_is_read_beside_the_saved_file(model: Path, tmp_path: Path) -> None:
    put(model.parent)
    assert parse_sidecar(read_sidecar(found(tmp_path))).recipe_values("image") == {
        "recipe": "huggingface",
        "resize": "bilinear",
        "scale": MeanStd((0.5,) * 3, (0.5,) * 3),
        "size": (224, 192),
    }


def test_the_nearer_one_wins_whole(model: Path, tmp_path: Path) -> None:
    put(model.parents[1], VIT | {"resample": 3})
    put(model.parent, without("resample"))
    assert "resize" not in read_sidecar(found(tmp_path))["preprocessing"]


def test_one_named_after_the_file_is_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "pets.keras").write_bytes(b"")
    put(tmp_path, VIT | {"resample": 3})
    put(tmp_path, VIT | {"resample": 0}, name="pets.preprocessor_config.json")
    assert read_sidecar(found(tmp_path))["preprocessing"]["resize"] == "nearest"


def test_beside_several_models_it_is_nobodys(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / f"{name}.keras").write_bytes(b"")
    put(tmp_path)
    assert [read_sidecar(source) for source in find_sources(tmp_path)] == [{}, {}]


def test_model_toml_wins_over_it_key_by_key(model: Path, tmp_path: Path) -> None:
    put(model.parent)
    model.with_name("model.toml").write_text('[preprocessing]\nscale = "torch"\n[preprocessing.left]\nfit = "crop"')
    sidecar = parse_sidecar(read_sidecar(found(tmp_path)))
    assert (sidecar.recipe_values("left")["scale"], sidecar.recipe_values("left")["size"]) == ("torch", (224, 192))
    assert (sidecar.recipe_values("left")["fit"], "fit" in sidecar.recipe_values("right")) == ("crop", False)


def test_it_is_set_aside_where_model_toml_names_another_recipe(model: Path, tmp_path: Path) -> None:
    put(model.parent, "no JSON")
    model.with_name("model.toml").write_text('[preprocessing]\nrecipe = "tf.image"')
    assert read_sidecar(found(tmp_path)) == {"preprocessing": {"recipe": "tf.image"}}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "preprocessor_config.json: it is no JSON."),
        (VIT | {"size": 5000}, "preprocessor_config.json: preprocessing.size: must be [height, width] in pixels"),
        (" " * (4 * 2**20 + 1), f"preprocessor_config.json is larger than {4 * 2**20} bytes."),
    ],
)
def test_one_that_cannot_be_used_is_refused_by_its_name(model: Path, tmp_path: Path, config: Any, message: str) -> None:
    put(model.parent, config)
    with pytest.raises(SidecarError) as caught:
        read_sidecar(found(tmp_path))
    assert caught.value.message.startswith(message)
