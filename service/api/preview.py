"""Owns the preview's answer: a PNG of what the model saw, the very numbers as `.npy`, or an account of it in JSON."""

from collections.abc import Iterable
from typing import Any

from flask import Request, Response

from service.api.errors import problem, problem_response
from service.api.forms import JSON, NPY, PNG, wanted_form
from service.api.render import json_response
from service.errors import MisfitError
from service.model.card import ModelCard
from service.serving.preview import Failed, Preview

_NONE_SHOWN = {
    "type": "about:blank",
    "title": "No image could be shown",
    "status": 422,
    "detail": "None of the images could be shown; each entry of previews says why.",
}


def wants_account(request: Request) -> bool:
    """Return whether the client asks for JSON, which alone can tell of several examples."""
    return wanted_form(request) == JSON


def account(card: ModelCard, found: Iterable[Preview | Failed]) -> Response:
    """Return the account of every example in JSON; one that cannot be shown has its error, 422 where all have.

    `found` is gone through once, so that the arrays of no more than one example are held.
    """
    entries, errors = [], []
    for index, one in enumerate(found):
        entries.append(entry(index, one, card))
        errors += [one.error] if isinstance(one, Failed) else []
    if len(errors) == len(entries):
        if len(errors) == 1:
            raise errors[0]
        return problem_response(_NONE_SHOWN | {"previews": entries})
    return json_response({"model": {"name": card.name, "version": card.version}, "previews": entries})


def entry(index: int, found: Preview | Failed, card: ModelCard) -> dict[str, Any]:
    """Return one example's part of the account: where it came from, and what each input is given, or its error."""
    origin = found.origin
    about = {"index": index, "filename": origin.filename, "format": origin.format, "size": origin.size}
    if isinstance(found, Failed):
        return {"input": about, "error": problem(found.error)}
    return {"input": about, "tensors": [_tensor(one.spec.name, one.spec.dtype, found) for one in card.inputs]}


def _tensor(name: str, dtype: str, found: Preview) -> dict[str, Any]:
    seen = found.inputs[name]
    return {
        "name": name,
        "shape": [1, *seen.array.shape],
        "dtype": dtype,
        **seen.statistics(),
        "conversions": list(seen.conversions),
        "warnings": list(seen.warnings),
    }


def one_input(request: Request, found: Preview, *, name: str | None) -> Response:
    """Return one input of one example as PNG or `.npy`, whichever is asked for: the first, or the one of that name.

    Raises MisfitError where there is no input of that name, or it takes numbers and has no picture.
    """
    seen = found.input(name)
    if wanted_form(request) == NPY:
        return Response(seen.npy(), mimetype=NPY)
    png = seen.png()
    if png is None:
        raise MisfitError(f"This input takes no pictures, so there is none to show; ask with Accept: {JSON} or {NPY}.")
    return Response(png, mimetype=PNG)
