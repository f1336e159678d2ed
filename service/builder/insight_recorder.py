"""Owns running a Keras model so that what each of its layers gives is kept, and the numbers before each head.

Each layer's `call` is wrapped on the instance while a recording is open, in Keras 3 and tf_keras alike.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from service.builder.inspect import call_numbers, walk
from service.builder.inspect.graph import is_nested, operations_of
from service.builder.tap import head_attribute
from service.model.insight import LayerTap

_INPUTS = "InputLayer"
MAPS_RANK = 4
"""Axes of maps: the batch, two sides and the channels."""


@dataclass(frozen=True, slots=True)
class Place:
    """A call of a layer whose input maps are kept: the layer, which of its calls it is, counted from 0."""

    operation: Any
    call: int


@dataclass(slots=True)
class Recording:
    """What one run gave: each layer's outputs, the maps at each place by its number, the numbers before each head.

    The values are tensors: of numbers where the model is run eagerly, symbolic where it is traced. `before_heads` is by
    the identity of the head's layer. `numbers` has for each layer those of its calls, in the order of the run.
    """

    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    outputs: dict[LayerTap, Any] = field(default_factory=dict)
    maps: dict[int, Any] = field(default_factory=dict)
    before_heads: dict[int, Any] = field(default_factory=dict)
    prefix: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    calls_of_operations: Counter[int] = field(default_factory=Counter)


@contextmanager
def recording(
    model: Any, *, places: Sequence[Place] = (), heads: Sequence[Any] = (), watch: Callable[[Any], None] | None = None
) -> Iterator[Recording]:
    """While open, one run of `model` is recorded; `watch` is told of the maps at each of `places` before they are used.

    `heads` are the layers whose softmax or sigmoid is looked behind.
    """
    found = Recording(call_numbers(model))
    with ExitStack() as stack:
        for head in heads:
            stack.enter_context(_wrapped(head, head_attribute(head), _before_head(found, head)))
        for nested in _nested_in(model):
            stack.enter_context(_wrapped(nested, "call", _in_nested(found, nested.name)))
        for operation in _operations_in(model):
            numbered = {place.call: number for number, place in enumerate(places) if place.operation is operation}
            stack.enter_context(_wrapped(operation, "call", _keeping(found, operation, numbered, watch)))
        yield found


def _operations_in(model: Any) -> list[Any]:
    found = {id(operation): operation for _, operation, _ in walk(model)}
    return [one for one in found.values() if type(one).__name__ != _INPUTS]


def _nested_in(model: Any) -> list[Any]:
    found: dict[int, Any] = {}
    waiting = operations_of(model)
    while waiting:
        one = waiting.pop()
        if is_nested(one) and id(one) not in found:
            found[id(one)] = one
            waiting += operations_of(one)
    return list(found.values())


_Around = Callable[[Callable[..., Any]], Callable[..., Any]]


@contextmanager
def _wrapped(owner: Any, name: str, around: _Around) -> Iterator[None]:
    import tensorflow as tf

    original = getattr(owner, name)
    # NOTE: tf_keras would turn it into a graph's code anew, statement by statement.
    setattr(owner, name, tf.autograph.experimental.do_not_convert(around(original)))
    try:
        yield
    finally:
        setattr(owner, name, original)


def _before_head(found: Recording, head: Any) -> _Around:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def applied(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            found.before_heads[id(head)] = inputs
            return original(inputs, *args, **kwargs)

        return applied

    return around


def _in_nested(found: Recording, name: str) -> _Around:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            outside, found.prefix = found.prefix, f"{found.prefix}{name}/"
            try:
                return original(*args, **kwargs)
            finally:
                found.prefix = outside

        return called

    return around


def _keeping(found: Recording, operation: Any, places: dict[int, int], watch: Callable[[Any], None] | None) -> _Around:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            place = places.get(found.calls_of_operations[id(operation)])
            found.calls_of_operations[id(operation)] += 1
            if place is not None:
                args, kwargs, found.maps[place] = _with_maps(args, kwargs, watch)
            given = original(*args, **kwargs)
            _keep(found, f"{found.prefix}{operation.name}", given)
            return given

        return called

    return around


def _with_maps(args: Any, kwargs: Any, watch: Callable[[Any], None] | None) -> tuple[Any, Any, Any]:
    """Return the arguments of a call with a copy in place of the first maps among them, and that copy."""
    import tensorflow as tf

    flat = tf.nest.flatten((args, kwargs))
    number = next(number for number, one in enumerate(flat) if tf.is_tensor(one) and len(one.shape) == MAPS_RANK)
    flat[number] = maps = tf.identity(flat[number])
    if watch:
        watch(maps)
    return *tf.nest.pack_sequence_as((args, kwargs), flat), maps


def _keep(found: Recording, path: str, given: Any) -> None:
    import tensorflow as tf

    known, call = found.numbers.get(path, ()), found.calls[path]
    found.calls[path] += 1
    call = known[call] if call < len(known) else call
    for part, tensor in enumerate(tf.nest.flatten(given)):
        if isinstance(tensor, tf.Tensor) and len(tensor.shape):
            found.outputs[LayerTap(path, call, part)] = tensor
