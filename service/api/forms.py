"""Owns the forms that a look into a model comes in: PNG, JSON or `.npy`, whichever the Accept header asks for."""

import io
from typing import Any

import numpy as np
from flask import Request, Response
from numpy.typing import NDArray

from service.errors import MisfitError
from service.serving.examples import Example, Origin

PNG, NPY, JSON = "image/png", "application/x-npy", "application/json"
MOST_NUMBERS = 2_000_000
"""Numbers that an answer in JSON may hold: some 20 MB."""
_OFFERED = (PNG, JSON, NPY)


def wanted_form(request: Request) -> str:
    """Return PNG, JSON or NPY: what the client likes best, PNG where it does not say."""
    return request.accept_mimetypes.best_match(_OFFERED, default=PNG) or PNG


def npy_response(array: NDArray[Any]) -> Response:
    """Return an array as `.npy`."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return Response(buffer.getvalue(), mimetype=NPY)


def only_example(examples: list[Example]) -> Example:
    """Return the one example of a request; raises MisfitError where there are several."""
    if len(examples) > 1:
        raise MisfitError(f"{len(examples)} images came, and one at a time can be looked into; send one.")
    return examples[0]


def origin_body(origin: Origin) -> dict[str, Any]:
    """Return where the one example of a request came from."""
    return {"index": 0, "filename": origin.filename, "format": origin.format, "size": origin.size}
