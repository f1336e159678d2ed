"""Owns what is known beforehand: the formats, and of each architecture what Convoy must find, written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tests.compatibility import architectures as nets

if TYPE_CHECKING:
    from service.model.head import Head  # a writer's environment has nothing of Convoy

Format = Literal["keras", "h5", "saved_model", "json + weights.h5", "json + h5"]
FORMATS: tuple[Format, ...] = get_args(Format)
WHOLE: tuple[Format, ...] = ("keras", "h5", "saved_model")
WEIGHTS_FILES: Mapping[Format, str] = {"json + weights.h5": "model.weights.h5", "json + h5": "weights.h5"}
_SUFFIXES: Mapping[Format, str] = {"keras": ".keras", "h5": ".h5"}
Shape = tuple[int | None, ...]

_DIGIT: Mapping[str, Shape] = {"image": (28, 28, 1)}
_GRAY: Mapping[str, Shape] = {"image": (64, 64, 1)}
_PAIR: Mapping[str, Shape] = {"gray": (64, 64, 1), "color": (32, 32, 3)}
_MOBILENET: Mapping[str, Shape] = {"image": (96, 96, 3)}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A net and what must be found in its files.

    `inputs` are the shapes without the batch axis, in the model's order; `weighted` counts the layers that have
    weights, nested ones too; `high` is the top of the values it takes; `without_loss` is the head where a format
    does not keep the loss, if it is another one.
    """

    build: Callable[[Any], Any]
    head: "Head"
    classes: int
    inputs: Mapping[str, Shape]
    weighted: int
    high: float = 1.0
    without_loss: "Head | None" = None
    formats: tuple[Format, ...] = WHOLE

    def head_found(self, *, with_loss: bool) -> "Head":
        """Return the head to be found in a file that keeps the loss, or does not."""
        return self.head if with_loss else self.without_loss or self.head


ARCHITECTURES: Mapping[str, Architecture] = {
    "mnist": Architecture(nets.mnist, "softmax", 10, _DIGIT, 4, formats=FORMATS),
    "mnist-dense": Architecture(
        nets.mnist_dense, "sigmoid-exclusive", 10, {"image": (28, 28)}, 1, without_loss="multi-label"
    ),
    "mnist-gap": Architecture(nets.mnist_gap, "softmax", 10, {"image": (None, None, 1)}, 4),
    "fashion-mnist": Architecture(nets.fashion_mnist, "softmax", 10, _DIGIT, 2),
    "cats-dogs": Architecture(nets.cats_dogs, "binary", 2, {"image": (64, 64, 3)}, 4),
    "cats-dogs-gray": Architecture(nets.cats_dogs_gray, "binary", 2, _GRAY, 4),
    "cats-dogs-shared-input": Architecture(nets.cats_dogs_shared_input, "binary", 2, _GRAY, 4),
    "cats-dogs-two-inputs": Architecture(nets.cats_dogs_two_inputs, "binary", 2, _PAIR, 7, formats=FORMATS),
    "normalised": Architecture(nets.normalised, "softmax", 10, _DIGIT, 5),
    "augmented": Architecture(nets.augmented, "logits", 5, {"image": (32, 32, 3)}, 3, high=255.0),
    # MobileNetV2: the first and the last convolution (2 + 2), 4 in the first block, 6 in each of the other 16.
    "transfer": Architecture(nets.transfer, "softmax", 4, _MOBILENET, 104 + 1, high=255.0, formats=FORMATS),
    "transfer-caffe": Architecture(nets.transfer_caffe, "binary-logit", 2, _MOBILENET, 104 + 1, high=255.0),
    "nested": Architecture(nets.nested, "softmax", 3, {"image": (48, 48, 3)}, 7, formats=FORMATS),
}
"""The first eight are those of the zoo."""

_WITH_LAYERS: tuple[Format, ...] = ("keras", "h5")
SMALL: Mapping[str, Architecture] = {
    "small-augmented": Architecture(
        nets.small_augmented, "logits", 3, {"image": (8, 8, 3)}, 2, high=255.0, formats=_WITH_LAYERS
    ),
    "small-transfer": Architecture(
        nets.small_transfer, "binary", 2, {"image": (8, 8, 3)}, 5, high=255.0, formats=_WITH_LAYERS
    ),
    "small-dense": Architecture(
        nets.small_dense, "sigmoid-exclusive", 4, {"image": (8, 8)}, 1, without_loss="multi-label", formats=FORMATS
    ),
}
"""Small enough to lie in the repository, as written by Keras of the past (tests/data/compatibility)."""


def models_folder(written: Path, form: Format) -> Path:
    """Return the models folder that holds one writer's files of one format, `<architecture>.keras` and so on."""
    return written / form.replace(" + ", "-")


def saved_path(written: Path, form: Format, name: str) -> Path:
    """Return the saved file, or the folder, of one architecture in one format."""
    return models_folder(written, form) / (name + _SUFFIXES.get(form, ""))


def keeps_loss(saved: Path) -> bool:
    """Return whether a saved file or folder keeps the loss: neither JSON of Keras 2 does, nor what Keras 3 exports."""
    architecture = saved / "model.json"
    if architecture.is_file():
        return '"compile_config"' in architecture.read_text(encoding="utf-8")
    return saved.is_file() or (saved / "keras_metadata.pb").is_file()


def predictions_file(written: Path, name: str) -> Path:
    """Return the `.npz` with the inputs by name and the writer's own `predictions`."""
    return written / "predictions" / f"{name}.npz"
