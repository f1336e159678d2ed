"""Calls the function that each recipe is named after, and returns the tensor that a model was trained on."""

import io
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.model.recipe import Color, Fit, Resize
from tests.parity.pictures import Picture

Array = NDArray[Any]
Size = tuple[int, int]

CHANNELS: dict[Color, int] = {"grayscale": 1, "rgb": 3, "bgr": 3, "rgba": 4}
_OPENCV: dict[Resize, int] = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
_FLAGS: dict[Color, int] = {"bgr": cv2.IMREAD_COLOR, "grayscale": cv2.IMREAD_GRAYSCALE}


# ------------------------------------------------------------------------------------------------------ Pillow


def load_img(picture: Picture, *, color: Color, size: Size | None, **options: Any) -> Array:
    """Return what `keras.utils.load_img` and `img_to_array` give, (height, width, channels) in float32."""
    image = keras.utils.load_img(io.BytesIO(picture.data), color_mode=color, target_size=size, **options)
    return np.asarray(keras.utils.img_to_array(image))


def flow_from_directory(
    pictures: Sequence[Picture],
    *,
    color: Color,
    size: Size,
    resize: Resize = "nearest",
    generator: Any = None,
    **options: Any,
) -> list[Array]:
    """Return what `ImageDataGenerator(**options).flow_from_directory` yields for files of these pictures."""
    make = generator or ImageDataGenerator
    with tempfile.TemporaryDirectory() as folder:
        _written(pictures, Path(folder) / "only", ".png")
        flow = make(**options).flow_from_directory(
            folder,
            target_size=size,
            color_mode=color,
            interpolation=resize,
            class_mode=None,
            batch_size=len(pictures),
            shuffle=False,
        )
        return list(flow[0])


def teachable_machine(picture: Picture, *, size: Size = (224, 224)) -> Array:
    """Return what the snippet gives that Teachable Machine hands out with a Keras model."""
    image = Image.open(io.BytesIO(picture.data)).convert("RGB")
    image = ImageOps.fit(image, size[::-1], Image.Resampling.LANCZOS)
    return (np.asarray(image).astype(np.float32) / 127.5) - 1


def application(picture: Picture, module: str, *, size: Size) -> Array:
    """Return what `load_img` and `preprocess_input` of a module of `keras.applications` give."""
    loaded = load_img(picture, color="rgb", size=size)
    return np.asarray(getattr(keras.applications, module).preprocess_input(loaded))


# -------------------------------------------------------------------------------------------------- TensorFlow


@lru_cache(maxsize=512)
def decoded_by_tensorflow(data: bytes, color: Color) -> Array | None:
    """Return what `tf.io.decode_image` gives, uint8; None where TensorFlow refuses the file."""
    try:
        return np.asarray(tf.io.decode_image(data, channels=CHANNELS[color], expand_animations=False))
    except tf.errors.OpError:
        return None


def image_dataset(pictures: Sequence[Picture], *, color: Color, size: Size, resize: Resize, fit: Fit) -> list[Array]:
    """Return what `image_dataset_from_directory` yields for files of these pictures, all of which it must read."""
    with tempfile.TemporaryDirectory() as folder:
        _written(pictures, Path(folder), ".png")
        dataset = keras.utils.image_dataset_from_directory(
            folder,
            labels=None,
            color_mode=color,
            image_size=size,
            interpolation=resize,
            batch_size=None,
            shuffle=False,
            crop_to_aspect_ratio=fit == "crop",
            pad_to_aspect_ratio=fit == "pad",
            verbose=False,
        )
        return [np.asarray(one) for one in dataset]


def tf_image(pixels: Array, *, size: Size, resize: Resize, antialias: bool, is_padded: bool = False) -> Array | None:
    """Return what `tf.image.resize`, or `resize_with_pad`, makes of decoded pixels; None where TensorFlow refuses."""
    if is_padded:
        if not can_be_padded(pixels.shape, size):
            return None
        return np.asarray(tf.image.resize_with_pad(pixels, *size, method=resize, antialias=antialias))
    return np.asarray(tf.image.resize(pixels, size, method=resize, antialias=antialias))


def can_be_padded(shape: Sequence[int], size: Size) -> bool:
    """Return whether anything is left of a picture of `shape` within `size`; if not, TensorFlow raises an error."""
    ratio = max(shape[0] / size[0], shape[1] / size[1])
    return min(shape[0] / ratio, shape[1] / ratio) >= 1


# ------------------------------------------------------------------------------------------------------ OpenCV


@lru_cache(maxsize=512)
def decoded_by_opencv(data: bytes, color: Color) -> Array | None:
    """Return what `cv2.imread` reads from a file of these bytes, (height, width, channels) uint8; None if nothing."""
    with tempfile.NamedTemporaryFile(suffix=".image") as file:
        file.write(data)
        file.flush()
        found = cv2.imread(file.name, _FLAGS[color])
    return None if found is None else found.reshape(*found.shape[:2], -1)


def opencv(pixels: Array, *, size: Size, resize: Resize) -> Array:
    """Return what `cv2.resize` makes of decoded pixels."""
    found = cv2.resize(pixels, size[::-1], interpolation=_OPENCV[resize])
    return found.reshape(*size, -1)


# ------------------------------------------------------------------------------------------------ Hugging Face


def huggingface(
    picture: Picture, *, edge: int | None, size: Size, resample: Image.Resampling, mean: Array, std: Array
) -> Array:
    """Return what the slow image processors of transformers 4 give, by their formulas, channels last.

    `image_transforms`: `resize` (PIL), `center_crop`, `rescale` (image.astype(float64) * scale, then float32) and
    `normalize` ((image - mean) / std, with mean and std in the image's dtype).
    """
    image = Image.open(io.BytesIO(picture.data)).convert("RGB")
    pixels = np.asarray(
        image.resize(_shorter_to(image.size, edge) if edge else size[::-1], resample, reducing_gap=None)
    )
    if edge:
        pixels = _centre(pixels, size)
    scaled = (pixels.astype(np.float64) * (1 / 255)).astype(np.float32)
    return np.asarray((scaled - mean.astype(np.float32)) / std.astype(np.float32))


def _shorter_to(size: Size, edge: int) -> Size:
    width, height = size
    longest = int(edge * max(size) / min(size))
    return (edge, longest) if width <= height else (longest, edge)


def _centre(pixels: Array, size: Size) -> Array:
    """Return the centre; what is smaller than `size` lies on zeros, the odd one of them before it."""
    height, width = pixels.shape[:2]
    padded = np.zeros((max(size[0], height), max(size[1], width), 3), pixels.dtype)
    top, left = (-(-(after - before) // 2) for after, before in zip(padded.shape, (height, width), strict=False))
    padded[top : top + height, left : left + width] = pixels
    top, left = top + (height - size[0]) // 2, left + (width - size[1]) // 2
    top, left = max(0, top), max(0, left)
    return padded[top : top + size[0], left : left + size[1]]


def _written(pictures: Sequence[Picture], folder: Path, suffix: str) -> None:
    # Both loaders choose files by the ending of their names and read them by their bytes.
    folder.mkdir(exist_ok=True)
    for index, picture in enumerate(pictures):
        (folder / f"{index:04}{suffix}").write_bytes(picture.data)
