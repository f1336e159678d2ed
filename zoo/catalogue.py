"""Owns the table of bundled models: how each is trained and what its sidecar says. To add one, add an entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from zoo.augmentation import Augmentation
from zoo.datasets import MNIST, Dataset

SidecarTable = Mapping[str, str | bool]


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One bundled model; `preprocessing` and `output` go into its sidecar as they are."""

    name: str
    description: str
    architecture: str
    dataset: Dataset
    labels: tuple[str, ...]
    preprocessing: SidecarTable
    output: SidecarTable
    epochs: int
    seed: int = 1
    batch_size: int = 128
    learning_rate: float = 2e-3
    augmentation: Augmentation = field(default_factory=Augmentation)


CATALOGUE: Mapping[str, ZooModel] = MappingProxyType(
    {
        "mnist": ZooModel(
            name="mnist",
            description="Handwritten digits 0 to 9, light on dark, 28x28",
            architecture="mnist",
            dataset=MNIST,
            labels=tuple("0123456789"),
            preprocessing={
                "recipe": "keras.load_img",
                "color": "grayscale",
                "resize": "bilinear",
                "scale": "0..1",
                "invert": False,
            },
            output={"head": "softmax"},
            epochs=15,
            augmentation=Augmentation(turn=10, zoom=0.1, shear=0.1, shift=2),
        ),
    }
)
