"""Owns the ladder of a SavedModel: rebuilt by tf_keras where Keras 2 left its layers beside it, else as it is.

The rebuilt model is taken only where it gives the numbers of the saved graph: the graph is what was trained.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from service.builder.exhaustion import is_out_of_memory
from service.builder.inspect.outputs import check_answers
from service.builder.legacy_program import LegacyProgram
from service.builder.load import NextLoader
from service.builder.order import BuildOrder
from service.builder.program import Program
from service.builder.reason import one_line
from service.builder.saved_model.endpoint import endpoint_of, input_specs
from service.builder.saved_model.flat import FlatGraph, flattened
from service.builder.saved_model.program import SavedModelProgram, called
from service.builder.scan import ScanReport
from service.builder.verify import Case, cases_for
from service.errors import BrokenModelError, UnsupportedModelError
from service.model.agreement import largest_difference
from service.model.description import InputFacts
from service.model.tensors import TensorSpec

log = logging.getLogger(__name__)

_DESCRIBED = "Keras 2 wrote it, and left its layers beside it"
_CHECKPOINT = "variables/variables"
_CASES = 3
_UNSTEADY = (
    "The saved graph answers the same input differently each time: something random is at work in it. Keras 3 writes "
    "augmentation layers into what `model.export` saves; save the model as .keras, or export it without them."
)
_STATEFUL = "The saved graph needs more than fixed weights, such as variables that it changes while it answers: "


def load_saved_model(
    path: Path,
    report: ScanReport,
    *,
    order: BuildOrder,
    custom: Mapping[str, Any],
    progress: Callable[[str], None],
) -> Program:
    """Load a scanned SavedModel folder by the step of the ladder that the order is at.

    Raises NextLoader where tf_keras may know its layers, BrokenModelError where TensorFlow cannot load it,
    UnsupportedModelError where it has no signature that answers one picture after the other.
    """
    if report.config and order.loader == "keras":
        raise NextLoader(_DESCRIBED)
    progress("loading with TensorFlow")
    program = _as_saved(path)
    if not report.config:
        return program
    progress("loading with tf_keras")
    return _rebuilt(path, report, custom, program) or program


def _as_saved(path: Path) -> SavedModelProgram:
    import tensorflow as tf

    saved = _loaded(path)
    endpoint = endpoint_of(saved.signatures)
    signature = saved.signatures[endpoint]
    inputs = input_specs(signature)
    _check_steady(signature, inputs)
    loaded_by = f"TensorFlow {tf.__version__}"
    return SavedModelProgram(saved, endpoint, graph=_flat(signature), inputs=inputs, loaded_by=loaded_by)


def _loaded(path: Path) -> Any:
    import tensorflow as tf
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    is_alone = len(parse_saved_model(path).meta_graphs) == 1
    try:
        return tf.saved_model.load(path, tags=None if is_alone else ["serve"])
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise BrokenModelError(
            f"TensorFlow {tf.__version__} cannot load the SavedModel: {one_line(error)}. Copy the whole folder, "
            "`variables` too, or export the model again."
        ) from error


def _flat(signature: Any) -> FlatGraph:
    try:
        return flattened(signature)
    except ValueError as error:
        raise UnsupportedModelError(_STATEFUL + one_line(error)) from error


def _check_steady(signature: Any, inputs: tuple[TensorSpec, ...]) -> None:
    for case in _cases(inputs):
        try:
            first, second = called(signature, case.inputs), called(signature, case.inputs)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise UnsupportedModelError(f"TensorFlow cannot run the saved graph: {one_line(error)}") from error
        for name, array in first.items():
            check_answers(TensorSpec(name, array.shape, signature.structured_outputs[name].dtype.name))
        if not largest_difference(first, second).is_allowed:
            raise UnsupportedModelError(_UNSTEADY)


def _rebuilt(
    path: Path, report: ScanReport, custom: Mapping[str, Any], program: SavedModelProgram
) -> LegacyProgram | None:
    """Return the model of layers that tf_keras makes of what Keras 2 left, None where it is not the same model."""
    import tf_keras

    try:
        model = tf_keras.models.model_from_json(json.dumps(report.config), custom_objects=dict(custom))
        model.load_weights(path / _CHECKPOINT).assert_existing_objects_matched().expect_partial()
        rebuilt = LegacyProgram(model, loaded_by=f"tf_keras {tf_keras.__version__}")
        return rebuilt if rebuilt.is_callable and _agree(rebuilt, program) else None
    except Exception as error:
        if is_out_of_memory(error):
            raise
        log.warning("tf_keras cannot rebuild the layers: %s", one_line(error))
        return None


def _agree(rebuilt: Program, program: SavedModelProgram) -> bool:
    """Return whether two programs answer alike; what their outputs are called may differ."""
    for case in _cases(program.inputs):
        given, expected = rebuilt.run(case.inputs), program.run(case.inputs)
        if set(given) != set(expected):
            given = dict(zip(expected, given.values(), strict=True))
        if not largest_difference(given, expected).is_allowed:
            return False
    return True


def _cases(inputs: tuple[TensorSpec, ...]) -> Iterator[Case]:
    return islice(cases_for(tuple(InputFacts(one) for one in inputs)), _CASES)
