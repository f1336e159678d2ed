"""The class that a row names, whichever way it was asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.description import OutputFacts
from service.model.head import Head, class_count, interpret
from service.model.tensors import TensorSpec
from service.serving.examples import Origin, Prediction
from service.serving.predicted import predicted_in_answers, predicted_in_outputs
from tests.fakes import card_of, describe

ROWS = np.array(
    [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [np.nan, 0.1, 0.3], [np.nan] * 3, [-np.inf, np.inf, 1]], np.float32
)


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("softmax", ROWS),
        ("scores", ROWS),
        ("multi-label", ROWS),
        ("logits", ROWS[:2]),
        ("binary", np.array([[0.2], [0.5], [0.9], [np.nan]], np.float32)),
        ("binary-logit", np.array([[-3], [0], [3]], np.float32)),
    ],
)
def test_raw_outputs_name_the_class_that_the_native_answer_names(head: Head, rows: NDArray[Any]) -> None:
    described = card_of(describe(outputs=[OutputFacts(TensorSpec("out", (None, rows.shape[1])))]))
    output = replace(described.outputs[0], head=head, labels=("a", "b", "c")[: class_count(head, rows.shape[1])])
    card = replace(described, outputs=(output,))
    answers = interpret(rows, head=output.head, labels=output.labels, top_k=1, threshold=output.threshold)
    native = [Prediction(Origin(), {"out": answer}) for answer in answers]

    found = list(predicted_in_outputs(card, {"out": rows}))

    assert found == list(predicted_in_answers(native))
    assert len(found) == len(rows)
