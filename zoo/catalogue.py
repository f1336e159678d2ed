"""Owns the table of bundled models: how each is trained and what its sidecar says. To add one, add an entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from zoo.augmentation import Augmentation
from zoo.datasets import FASHION_MNIST, MNIST, Dataset
from zoo.photographs import CATS_DOGS
from zoo.pipeline import Variation
from zoo.views import View


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One bundled model.

    `views` has one entry per input, in the net's order, under the input's name; "" where there is but one. `head` is
    what the sidecar says; without one the saved file keeps the loss it was trained with, from which it follows.
    `warm_up` is the part of the steps in which the learning rate rises from 0: a narrow relu layer dies without it.
    `averaging` is the momentum of a moving average of the weights, which then are what is saved.
    """

    name: str
    description: str
    dataset: Dataset
    labels: tuple[str, ...]
    views: Mapping[str, View]
    head: Literal["softmax", "binary"] | None
    epochs: int
    seed: int = 1
    batch_size: int = 128
    learning_rate: float = 2e-3
    warm_up: float = 0.0
    weight_decay: float = 0.0
    averaging: float = 0.0
    variation: Variation = field(default_factory=lambda: Variation(Augmentation()))


DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
PETS = ("cat", "dog")

_LIGHT_ON_DARK = View("grayscale", (28, 28), is_light_on_dark=True)
_ANY_SIZE = View("grayscale", (28, 28), is_free=True, is_light_on_dark=True)
_WRITTEN = Augmentation(turn=10, zoom=0.1, shear=0.1, shift=2)
_WORN = Augmentation(is_mirrored=True)
_PHOTO = Augmentation(turn=15, zoom=0.2, shear=0.1, shift=6, edge="reflect", is_mirrored=True, light=0.2)

CATALOGUE: Mapping[str, ZooModel] = MappingProxyType(
    {
        one.name: one
        for one in (
            ZooModel(
                name="mnist",
                description="Handwritten digits 0 to 9, light on dark, 28x28",
                dataset=MNIST,
                labels=DIGITS,
                views={"": _LIGHT_ON_DARK},
                head="softmax",
                epochs=15,
                variation=Variation(_WRITTEN),
            ),
            ZooModel(
                name="mnist-dense",
                description="Handwritten digits 0 to 9, light on dark, 28x28: one layer of sigmoids, no convolution",
                dataset=MNIST,
                labels=DIGITS,
                views={"": _LIGHT_ON_DARK},
                head=None,
                epochs=15,
            ),
            ZooModel(
                name="mnist-gap",
                description="Handwritten digits 0 to 9, light on dark, of any size from 18x18",
                dataset=MNIST,
                labels=DIGITS,
                views={"": _ANY_SIZE},
                head="softmax",
                epochs=5,
                variation=Variation(_WRITTEN, sizes=(20, 24, 28, 32, 40, 48)),
            ),
            ZooModel(
                name="fashion-mnist",
                description="Clothing in ten kinds, light on dark, 28x28",
                dataset=FASHION_MNIST,
                labels=CLOTHES,
                views={"": _LIGHT_ON_DARK},
                head="softmax",
                epochs=15,
                variation=Variation(_WORN),
            ),
            ZooModel(
                name="cats-dogs",
                description="Cats and dogs, 64x64 in colour",
                dataset=CATS_DOGS,
                labels=PETS,
                views={"": View("rgb", (64, 64))},
                head="binary",
                epochs=120,
                batch_size=32,
                learning_rate=1e-3,
                warm_up=0.1,
                weight_decay=0.01,
                averaging=0.99,
                variation=Variation(_PHOTO, mixing=0.2),
            ),
            ZooModel(
                name="cats-dogs-gray",
                description="Cats and dogs, 64x64 in grey",
                dataset=CATS_DOGS,
                labels=PETS,
                views={"": View("grayscale", (64, 64))},
                head="binary",
                epochs=100,
                batch_size=32,
                learning_rate=1e-3,
                warm_up=0.1,
                weight_decay=0.01,
                averaging=0.99,
                variation=Variation(_PHOTO),
            ),
            ZooModel(
                name="cats-dogs-shared-input",
                description="Cats and dogs, 64x64 in grey, seen by a fine and a coarse branch",
                dataset=CATS_DOGS,
                labels=PETS,
                views={"": View("grayscale", (64, 64))},
                head="binary",
                epochs=100,
                batch_size=32,
                learning_rate=1e-3,
                warm_up=0.1,
                weight_decay=0.01,
                averaging=0.99,
                variation=Variation(_PHOTO),
            ),
            ZooModel(
                name="cats-dogs-two-inputs",
                description="Cats and dogs, seen twice: 64x64 in grey and 32x32 in colour",
                dataset=CATS_DOGS,
                labels=PETS,
                views={"gray": View("grayscale", (64, 64)), "color": View("rgb", (32, 32))},
                head="binary",
                epochs=60,
                batch_size=32,
                learning_rate=1e-3,
                warm_up=0.1,
                weight_decay=0.01,
                averaging=0.99,
                variation=Variation(_PHOTO),
            ),
        )
    }
)
