"""Owns looking inside a model while it runs: what each layer gives, and gradients of a score by the maps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.builder.insight_plan import CamPlace, Plan
from service.builder.insight_recorder import Recording, recording
from service.model.insight import LayerTap

Gradients = Callable[[Any, list[Any]], list[Any]]
"""Takes a score and maps; gives its gradient by each of these, None where it does not hang on them."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a run gives, as tensors: layers by tap; channels last, maps and gradients for each of the plan's cams."""

    layers: Mapping[LayerTap, Any]
    maps: list[Any]
    gradients: list[Any]


def run_eagerly(plan: Plan, fed: Sequence[Any], weights: Mapping[str, Any]) -> Inside:
    """Run a model on tensors of numbers; `weights` (N, units) are by output name. TensorFlow's own gradients."""
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        found, score = _recorded(plan, fed, weights, watch=tape.watch)
    return _inside(plan, found, score, tape.gradient)


def trace(plan: Plan, fed: Sequence[Any], weights: Mapping[str, Any]) -> Inside:
    """Add a model to the graph that is traced, with gradients out of what LiteRT has."""
    import tensorflow as tf

    from service.builder.insight_gradients import plain_gradients

    with plain_gradients():
        found, score = _recorded(plan, fed, weights)
        return _inside(plan, found, score, tf.gradients)


def _recorded(
    plan: Plan, fed: Sequence[Any], weights: Mapping[str, Any], *, watch: Callable[[Any], None] | None = None
) -> tuple[Recording, Any]:
    """Return what a run gave, and the score: the sum of weights times the numbers before the heads."""
    import tensorflow as tf

    heads = [head.layer for head in plan.heads if head.layer is not None]
    places = [one.place for one in plan.cams]
    with recording(plan.layered.model, places=places, heads=heads, watch=watch) as found:
        answers = plan.layered.called(*fed)
        numbers = {head: found.before_heads.get(id(head.layer), answers[head.number]) for head in plan.heads}
        weighed = [
            tf.reduce_sum(tf.reshape(tf.cast(numbers[head], tf.float32), (-1, head.units)) * weights[head.name])
            for head in plan.heads
            if plan.cams
        ]
        return found, tf.add_n(weighed) if weighed else None


def _inside(plan: Plan, found: Recording, score: Any, gradients: Gradients) -> Inside:
    known = set(plan.layers)
    layers = {tap: _plain(tensor) for tap, tensor in found.outputs.items() if tap.layer in known}
    if not plan.cams:
        return Inside(layers, [], [])
    maps = [found.maps[number] for number in range(len(plan.cams))]
    slopes = gradients(score, maps)
    shown = [[_channels_last(*pair) for pair in zip(plan.cams, some, strict=True)] for some in (maps, slopes)]
    return Inside(layers, *shown)


def _channels_last(cam: CamPlace, tensor: Any) -> Any:
    import tensorflow as tf

    if tensor is None:
        return None
    tensor = _plain(tensor)
    return tf.transpose(tensor, (0, 2, 3, 1)) if cam.order == "channels_first" else tensor


def _plain(tensor: Any) -> Any:
    """Return numbers of half the usual width, which NumPy or LiteRT may not have, as usual ones."""
    import tensorflow as tf

    return tf.cast(tensor, tf.float32) if tensor.dtype in (tf.float16, tf.bfloat16) else tensor
