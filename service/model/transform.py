"""Owns the functions that a caller may have applied to raw outputs, by the names `transformers` gives them."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from service.model.head import to_class_values

Transform = Literal["softmax", "sigmoid", "none"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)


def transformed(outputs: NDArray[np.float32], transform: Transform) -> NDArray[np.float32]:
    """Return raw outputs of shape (N, units), float32, after `transform`; same shape.

    As the pipelines of `transformers` do it: also on outputs that went through a softmax or sigmoid in the model.
    """
    if transform == "softmax":
        return to_class_values(outputs, "logits")
    values = to_class_values(outputs, "scores")
    return _sigmoid(values) if transform == "sigmoid" else values


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values)), np.float32)
