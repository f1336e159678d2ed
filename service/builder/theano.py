"""Owns turning the convolution kernels of files that Keras with Theano wrote.

Theano's convolution turns the kernel by 180 degrees before it multiplies, TensorFlow's does not. Keras 2 turned the
kernels of such a file at load (`preprocess_weights_for_loading`), also inside TimeDistributed and nested models;
Keras 3 and tf_keras no longer do.
"""

from collections.abc import Iterator
from typing import Any

from service.builder.inspect.graph import is_nested, walk
from service.errors import UnsupportedModelError

# How many of a layer's weights, the first ones, are kernels to be turned.
_KERNELS = {"Conv1D": 1, "Conv2D": 1, "Conv3D": 1, "Conv2DTranspose": 1, "ConvLSTM2D": 2}
_CHANNEL_AXES = 2
_TRANSPARENT = "TimeDistributed"


def turn_kernels(model: Any) -> tuple[str, ...]:
    """Turn the kernels of every convolution of `model` by 180 degrees; return what was done, in words.

    Raises UnsupportedModelError where one is wrapped in a layer of which it is not known how Theano's was kept.
    """
    layers = {id(layer): layer for layer in _layers(model) if type(layer).__name__ in _KERNELS}
    for layer in layers.values():
        count = _KERNELS[type(layer).__name__]
        weights = layer.get_weights()
        layer.set_weights([*map(_turned, weights[:count]), *weights[count:]])
    return ("the kernels of Theano's convolutions were turned",) if layers else ()


def _layers(model: Any) -> Iterator[Any]:
    for _, layer, _ in walk(model):
        inner = getattr(layer, "layer", None)
        if inner is None:
            yield layer
        elif type(layer).__name__ == _TRANSPARENT:
            yield from _layers(inner) if is_nested(inner) else (inner,)
        elif "Conv" in type(inner).__name__:
            raise UnsupportedModelError(
                f"A convolution of Theano inside {type(layer).__name__} cannot be converted; load the file with "
                "Keras 2 on TensorFlow, and save it again."
            )


def _turned(kernel: Any) -> Any:
    import numpy as np

    return np.flip(kernel, tuple(range(kernel.ndim - _CHANNEL_AXES)))
