"""Owns turning the convolution kernels of files that Keras with Theano wrote.

Theano's convolution turns the kernel by 180 degrees before it multiplies, TensorFlow's does not. Keras 2 turned the
kernels of such a file at load (`preprocess_weights_for_loading`); Keras 3 and tf_keras no longer do.
"""

from typing import Any

from service.builder.inspect.graph import walk

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")
_CHANNEL_AXES = 2


def turn_kernels(model: Any) -> tuple[str, ...]:
    """Turn the kernel of every convolution of `model` by 180 degrees; return what was done, in words."""
    layers = {id(layer): layer for _, layer, _ in walk(model) if type(layer).__name__ in _CONVOLUTIONS}
    for layer in layers.values():
        kernel, *others = layer.get_weights()
        spatial = tuple(range(kernel.ndim - _CHANNEL_AXES))
        layer.set_weights([_flipped(kernel, spatial), *others])
    return ("the kernels of Theano's convolutions were turned",) if layers else ()


def _flipped(kernel: Any, axes: tuple[int, ...]) -> Any:
    import numpy as np

    return np.flip(kernel, axes)
