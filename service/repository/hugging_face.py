"""Owns Hugging Face's `preprocessor_config.json`: found beside a model, and said as the values of a recipe.

What the file asks for and a recipe cannot say exactly is refused. Keys as in transformers 4 (`BaseImageProcessor`).
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from service.errors import SidecarError
from service.repository.beside import files_beside, read_text
from service.repository.sources import Source

PREPROCESSOR_CONFIG = "preprocessor_config.json"
RECIPE = "huggingface"
_OF_PICTURES = {"crop_size", "do_rescale", "do_resize", "image_mean", "image_std", "resample", "rescale_factor", "size"}
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # PIL.Image.Resampling
_DONE = {
    *("do_center_crop", "do_convert_rgb", "do_flip_channel_order", "do_normalize", "do_rescale", "do_resize"),
    "do_reduce_labels",  # for maps of labels, not for pictures
}
_SHORTEST_BY_NUMBER = ("Bit", "CLIP", "ChineseCLIP", "ConvNext", "Levit", "MobileNetV", "MobileViT", "PoolFormer")
"""Processors that take a `size` of one number as that of the shorter side; the others stretch to a square."""
_CROPPED_BELOW = 384
_CROPPED_SHARE = 224 / 256
_BYTE = 255
_SAME = 1e-6
_LARGEST = 1e30

Config = Mapping[str, Any]


def find_preprocessor(source: Source) -> dict[str, Any]:
    """Return what the nearest `preprocessor_config.json` beside a source says, as `[preprocessing]`; {} without one.

    Raises SidecarError where it cannot be read, or asks for what a recipe cannot say.
    """
    for paths in files_beside(source, [PREPROCESSOR_CONFIG]):
        for path in paths:
            try:
                return preprocessing_of(read_text(path))
            except SidecarError as error:
                name = "" if error.message.startswith(path.name) else f"{path.name}: "
                raise SidecarError(f"{name}{error.message}") from error
    return {}


def preprocessing_of(text: str) -> dict[str, Any]:
    """Return the values of `[preprocessing]` that the text of a configuration stands for; {} if it is of no pictures.

    Raises SidecarError where it is no JSON object, or asks for what a recipe cannot say.
    """
    config = _object(text)
    if not _OF_PICTURES & config.keys():
        return {}
    for key in config:
        if key.startswith("do_") and key not in _DONE and config[key]:
            _refuse(f"{key} is more than a recipe can say")
    color = {"color": "bgr"} if _flag(config, "do_flip_channel_order", default=False) else {}
    return {"recipe": RECIPE, **color, **_sizes(config), **_resample(config), "scale": _scale(config)}


def _object(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SidecarError("it is no JSON.") from error
    if not isinstance(config, dict):
        raise SidecarError("it must hold one JSON object.")
    return config


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(what: str) -> NoReturn:
    raise SidecarError(f"{what}. Remove the file, and say in model.toml under [preprocessing] what can be said.")


def _sizes(config: Config) -> dict[str, Any]:
    crop = _crop(config)
    if not _flag(config, "do_resize", default="size" in config):
        return _refuse("do_center_crop without do_resize is more than a recipe can say") if crop else {}
    if "size" not in config:
        _refuse("do_resize is true and there is no size")
    size = _size(config)
    if isinstance(size, int):
        return _by_shortest_edge(size, crop, config)
    if crop not in (None, size):
        _refuse("do_center_crop after a resize to other sides is more than a recipe can say")
    return {"size": size}


def _by_shortest_edge(edge: int, crop: list[int] | None, config: Config) -> dict[str, Any]:
    kind = _kind(config)
    if kind.startswith("ConvNext") or (config.get("crop_pct") and crop is None):
        # ConvNextImageProcessor.resize: stretched from 384 on, else cut out of a larger picture.
        if edge >= _CROPPED_BELOW:
            return {"size": [edge, edge]}
        return {"shortest_edge": int(edge / _share(config)), "size": [edge, edge]}
    if config.get("crop_pct"):
        edge = int(edge / _share(config))
    elif kind.startswith("Levit"):
        edge = int(256 / 224 * edge)
    return {"shortest_edge": edge} | ({"size": crop} if crop else {})


def _share(config: Config) -> float:
    share = config.get("crop_pct") or _CROPPED_SHARE
    if not _is_number(share) or not 0 < share <= 1:
        _refuse(f"crop_pct is {share!r}, and must be a number above 0 and at most 1")
    return float(share)


def _size(config: Config) -> int | list[int]:
    """Return the number of pixels of the shorter side, or [height, width]."""
    size = config["size"]
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return _pixels(size["shortest_edge"], "size")
    if _is_whole(size) and (_crop(config) or _kind(config).startswith(_SHORTEST_BY_NUMBER)):
        return _pixels(size, "size")
    return _sides(size, "size")


def _crop(config: Config) -> list[int] | None:
    if not _flag(config, "do_center_crop", default="crop_size" in config):
        return None
    return _sides(config.get("crop_size", config.get("size")), "crop_size")


def _sides(value: Any, key: str) -> list[int]:
    if isinstance(value, Mapping) and set(value) == {"height", "width"}:
        return [_pixels(value["height"], key), _pixels(value["width"], key)]
    if isinstance(value, list) and len(value) == len(("height", "width")):
        return [_pixels(one, key) for one in value]
    return [_pixels(value, key)] * 2


def _pixels(value: Any, key: str) -> int:
    if not _is_whole(value) or value <= 0:
        _refuse(
            f'{key} is {value!r}, where a number of pixels, {{"height": 224, "width": 224}} or '
            '{"shortest_edge": 224} was expected'
        )
    return int(value)


def _resample(config: Config) -> dict[str, Any]:
    resample = config.get("resample")
    if resample is None:
        return {}
    if not _is_whole(resample) or resample not in _FILTERS:
        _refuse(f"resample is {resample!r}, where a filter of Pillow's was expected, 0 to 5")
    return {"resize": _FILTERS[resample]}


def _scale(config: Config) -> Any:
    """Return (x * factor + offset - mean) / std as a scale of `model.toml`."""
    factor = _number(config, "rescale_factor", 1 / _BYTE) if _flag(config, "do_rescale", default=True) else 1.0
    offset = _offset(config, factor)
    if not _flag(config, "do_normalize", default="image_mean" in config):
        return "0..255" if (factor, offset) == (1.0, 0.0) else {"factor": factor, "offset": offset}
    mean, std = _channels(config, "image_mean"), _channels(config, "image_std")
    if len(mean) != len(std) or not all(std):
        _refuse("image_mean and image_std must have as many numbers each, and none of image_std may be 0")
    if config.get("include_top"):  # EfficientNetImageProcessor divides twice, by roots of the deviation
        std = [one * one for one in std]
    # `model.toml` counts in shares of 255.
    share = 1.0 if abs(factor * _BYTE - 1) < _SAME else factor * _BYTE
    return {"mean": [(one - offset) / share for one in mean], "std": [one / share for one in std]}


def _offset(config: Config, factor: float) -> float:
    if not _flag(config, "rescale_offset", default=False):
        return 0.0
    if abs(factor * _BYTE / 2 - 1) > _SAME:
        _refuse("rescale_offset with another rescale_factor than 1/127.5 differs between releases of transformers")
    return -1.0


def _channels(config: Config, key: str) -> list[float]:
    value = config.get(key)
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(map(_is_number, values)):
        _refuse(f"{key} is {value!r}, where a list of numbers was expected")
    return list(map(float, values))


def _number(config: Config, key: str, default: float) -> float:
    value: Any = default if config.get(key) is None else config[key]
    if not _is_number(value) or not value:
        _refuse(f"{key} is {value!r}, where a number other than 0 was expected")
    return float(value)


def _flag(config: Config, key: str, *, default: bool) -> bool:
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        _refuse(f"{key} is {value!r}, where true or false was expected")
    return default if value is None else value


def _kind(config: Config) -> str:
    return str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _LARGEST
