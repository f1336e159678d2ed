"""Owns the row format that clouds took over from TensorFlow Serving: `{"instances"}` in, `{"predictions"}` out.

The predictions are the model's own outputs, whatever its head.
"""

from collections.abc import Sequence
from typing import Any

from flask import Response

from service.api.bodies import check_input_names
from service.api.encoded import b64_image, is_b64
from service.api.numbers import nested_array
from service.api.render import json_response
from service.api.room import Room
from service.errors import ConvoyError, MisfitError
from service.serving.examples import Example, Numbers, Part, Picture
from service.serving.inference import BadExampleError, Inference, Inferrer
from service.serving.live_model import LiveModel

_FORMS = 'An instance is nested lists of numbers, {"b64": "…"} with an encoded image, or an object with one per input.'


def is_rows(data: Any) -> bool:
    """Return whether JSON data is of the row format."""
    return isinstance(data, dict) and "instances" in data


def predicted(data: Any, model: LiveModel, inferrer: Inferrer, *, room: Room, deadline: float) -> Response:
    """Return the answer to a request in the row format; other members than `instances` change nothing.

    Raises MisfitError, the error of the first instance that cannot be answered with its place, or what `infer` raises.
    """
    instances = data.get("instances") if isinstance(data, dict) else None
    if not isinstance(instances, list) or not instances:
        raise MisfitError(f'Send {{"instances": [ … ]}} with at least one instance. {_FORMS}')
    room.check_examples(len(instances))
    room.check_images(sum(isinstance(one, dict) for one in instances))
    inputs = [one.spec.name for one in model.card.inputs]
    try:
        found = inferrer.infer(model, _examples(instances, inputs), deadline=deadline)
    except BadExampleError as error:
        raise _with_place(error.error, error.index) from error
    if found.count != len(instances):
        raise MisfitError(f"{len(instances)} instances came and hold {found.count} examples; send one in each.")
    return json_response({"predictions": _rows(found)})


def _examples(instances: Sequence[Any], inputs: Sequence[str]) -> list[Example]:
    examples = []
    for index, instance in enumerate(instances):
        try:
            examples.append(_example(instance, inputs))
        except ConvoyError as error:
            raise _with_place(error, index) from error
    return examples


def _with_place(error: ConvoyError, index: int) -> ConvoyError:
    return type(error)(f"instances[{index}]: {error.message}")


def _example(instance: Any, inputs: Sequence[str]) -> Example:
    if isinstance(instance, dict) and not is_b64(instance):
        check_input_names(instance, inputs)
        return Example({name: _part(value) for name, value in instance.items()})
    return Example.of(_part(instance))


def _part(value: Any) -> Part:
    if is_b64(value):
        return Picture(b64_image(value))
    if isinstance(value, int | float):
        return Numbers(nested_array([value]).reshape(()))
    if isinstance(value, list):
        return Numbers(nested_array(value))
    raise MisfitError(_FORMS)


def _rows(found: Inference) -> Any:
    if len(found.outputs) == 1:
        return next(iter(found.outputs.values()))
    return [{name: output[row] for name, output in found.outputs.items()} for row in range(found.count)]
