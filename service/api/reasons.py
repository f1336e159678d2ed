"""Owns what every dialect says of an explanation: how a query asks for one, and its numbers in JSON."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flask import Request

from service.api.forms import MOST_NUMBERS, NPY, PNG
from service.api.queries import ExplainQuery, ReasonQuery
from service.api.read_query import single_values
from service.errors import MisfitError
from service.explain.explainer import Asked, Explanation, HeatMap

_QUERY = ExplainQuery()
_UNSHOWN_QUERY = ReasonQuery()


def explain_query(request: Request) -> dict[str, Any]:
    """Return the query of an explanation as ExplainQuery loads it; raises marshmallow's ValidationError."""
    return dict(_QUERY.load(single_values(request)))


def reason_query(request: Request) -> dict[str, Any]:
    """Return the query of an explanation that is answered in numbers alone: how it is shown is not asked."""
    return dict(_UNSHOWN_QUERY.load(single_values(request)))


def asked_in(query: dict[str, Any]) -> Asked:
    """Return what a loaded query asks to be explained."""
    return Asked(query["label"], query["output"], query["input"], query["method"])


def check_json(found: Iterable[Explanation]) -> None:
    """Raise MisfitError where the heat maps of an answer hold more numbers than JSON takes."""
    count = sum(one.raw.size for explanation in found for one in explanation.maps)
    if count > MOST_NUMBERS:
        raise MisfitError(
            f"The heat maps hold {count:,} numbers, and JSON takes {MOST_NUMBERS:,}; send fewer or smaller pictures, "
            f"or ask …/explain with Accept: {NPY} or {PNG}."
        )


def explanation_body(found: Explanation) -> dict[str, Any]:
    """Return an explanation in JSON, without the model and where the example came from."""
    target = found.target
    value = "probability" if target.is_probability else "score"
    return {
        "output": target.output.spec.name,
        "class": {
            "label": target.label,
            "index": target.index,
            value: None if target.value is None else np.float32(target.value),
        },
        "method": found.method,
        "passes": found.passes,
        "tensors": [_tensor(one) for one in found.maps],
        "warnings": list(found.warnings),
    }


def _tensor(found: HeatMap) -> dict[str, Any]:
    return {
        "name": found.canvas.name,
        "size": found.canvas.size,
        "heatmap": found.heat,
        "maximum": np.float32(found.raw.max()),
        "minimum": np.float32(found.raw.min()),
    }
