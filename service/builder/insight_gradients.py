"""Owns gradients out of operations that LiteRT has: TensorFlow's own are often operations that only TensorFlow has.

Each takes an operation and the gradient of what it gives, and returns that of what it takes, as TensorFlow does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_PREFIX = "Convoy"
_SELU = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@contextmanager
def plain_gradients() -> Iterator[None]:
    """While open, operations added to the graph that is traced are differentiated by plain ones."""
    import tensorflow as tf

    graph = tf.compat.v1.get_default_graph()
    with graph.gradient_override_map({kind: f"{_PREFIX}{kind}" for kind in _registered()}):
        yield


@cache
def _registered() -> tuple[str, ...]:
    import tensorflow as tf

    for kind, gradient in _GRADIENTS.items():
        tf.RegisterGradient(f"{_PREFIX}{kind}")(gradient)
    return tuple(_GRADIENTS)


def _where(is_so: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return gradient * tf.cast(is_so, gradient.dtype)


def _relu(op: Any, gradient: Any) -> Any:
    return _where(op.outputs[0] > 0, gradient)


def _relu6(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return _where(tf.logical_and(op.outputs[0] > 0, op.outputs[0] < 6), gradient)


def _leaky_relu(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return tf.where(op.inputs[0] > 0, gradient, gradient * op.get_attr("alpha"))


def _elu(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return tf.where(op.outputs[0] < 0, gradient * (op.outputs[0] + 1), gradient)


def _selu(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return tf.where(op.outputs[0] < 0, gradient * (op.outputs[0] + _SELU), gradient * _SELU_SCALE)


def _softplus(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return gradient * tf.sigmoid(op.inputs[0])


def _softsign(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    return gradient / tf.square(1 + tf.abs(op.inputs[0]))


def _tanh(op: Any, gradient: Any) -> Any:
    return gradient * (1 - op.outputs[0] * op.outputs[0])


def _sigmoid(op: Any, gradient: Any) -> Any:
    return gradient * op.outputs[0] * (1 - op.outputs[0])


def _sqrt(op: Any, gradient: Any) -> Any:
    return gradient * 0.5 / op.outputs[0]


def _rsqrt(op: Any, gradient: Any) -> Any:
    return gradient * -0.5 * op.outputs[0] * op.outputs[0] * op.outputs[0]


def _reciprocal(op: Any, gradient: Any) -> Any:
    return -gradient * op.outputs[0] * op.outputs[0]


def _sum(op: Any, gradient: Any) -> tuple[Any, None]:
    import tensorflow as tf

    return tf.ones_like(op.inputs[0]) * _kept(op, gradient), None


def _mean(op: Any, gradient: Any) -> tuple[Any, None]:
    import tensorflow as tf

    ones = tf.ones_like(op.inputs[0])
    return ones * _kept(op, gradient) / tf.reduce_sum(ones, _axes(op), keepdims=True), None


def _extreme(op: Any, gradient: Any) -> tuple[Any, None]:
    import tensorflow as tf

    chosen = tf.cast(tf.equal(op.inputs[0], _kept(op, op.outputs[0])), gradient.dtype)
    return chosen * _kept(op, gradient) / tf.reduce_sum(chosen, _axes(op), keepdims=True), None


def _axes(op: Any) -> list[int]:
    import tensorflow as tf

    axes = tf.get_static_value(op.inputs[1])
    if axes is None:
        raise NotImplementedError(f"the axes of a {op.type} are only known when it runs")
    return sorted(int(axis) % len(op.inputs[0].shape) for axis in axes.reshape(-1))


def _kept(op: Any, reduced: Any) -> Any:
    """Return a reduced tensor with the axes that were reduced, each of length 1."""
    import tensorflow as tf

    if op.get_attr("keep_dims"):
        return reduced
    for axis in _axes(op):
        reduced = tf.expand_dims(reduced, axis)
    return reduced


def _average_pool(op: Any, gradient: Any) -> Any:
    import tensorflow as tf

    _check_whole(op)
    rows, columns = op.inputs[0].shape[1:3]
    return tf.ones_like(op.inputs[0]) * gradient / (rows * columns)


def _max_pool(op: Any, gradient: Any) -> Any:
    """As TensorFlow does, give it all to the first of several largest numbers."""
    import tensorflow as tf

    _check_whole(op)
    rows, columns, channels = op.inputs[0].shape[1:]
    first = tf.argmax(tf.reshape(op.inputs[0], (-1, rows * columns, channels)), axis=1)
    chosen = tf.one_hot(first, rows * columns, axis=1, dtype=gradient.dtype)
    return tf.reshape(chosen, (-1, rows, columns, channels)) * gradient


def _check_whole(op: Any) -> None:
    """Raise where a window of the pooling is not the whole map, which a plain operation could not spread over it."""
    data_format = op.get_attr("data_format").decode()
    if data_format != "NHWC" or list(op.get_attr("ksize"))[1:3] != list(op.inputs[0].shape[1:3]):
        raise NotImplementedError(f"LiteRT has no gradient of a {op.type} over a part of the map")
    if list(op.outputs[0].shape[1:3]) != [1, 1]:
        raise NotImplementedError(f"LiteRT has no gradient of a padded {op.type}")


def _batch_norm(op: Any, gradient: Any, *_: Any) -> tuple[Any, ...]:
    import tensorflow as tf

    if op.get_attr("is_training") or op.get_attr("data_format") != b"NHWC":
        raise NotImplementedError(f"LiteRT has no gradient of a {op.type} of this form")
    _, scale, _, _, variance = op.inputs
    return gradient * scale * tf.math.rsqrt(variance + op.get_attr("epsilon")), None, None, None, None


_GRADIENTS: dict[str, Callable[..., Any]] = {
    "Relu": _relu,
    "Relu6": _relu6,
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Selu": _selu,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Tanh": _tanh,
    "Sigmoid": _sigmoid,
    "Sqrt": _sqrt,
    "Rsqrt": _rsqrt,
    "Reciprocal": _reciprocal,
    "Inv": _reciprocal,
    "Sum": _sum,
    "Mean": _mean,
    "Max": _extreme,
    "Min": _extreme,
    "AvgPool": _average_pool,
    "MaxPool": _max_pool,
    "FusedBatchNormV3": _batch_norm,
}
