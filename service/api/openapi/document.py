"""Owns the document: OpenAPI 3.1 made from the application's routes, the tables of operations and real examples."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from werkzeug.routing import Rule

import service
from service.access.keys import Scope
from service.api.access import guard_of
from service.api.errors import PROBLEM
from service.api.openapi.dialects import CLOUD, HUGGINGFACE, OPENINFERENCE, TFSERVING
from service.api.openapi.inside import INSIDE
from service.api.openapi.native import HEALTH, NATIVE
from service.api.openapi.operation import JSON, Answer, Content, Operation
from service.api.openapi.shapes import ErrorAnswer, NoneAnswered
from service.api.schemas import PredictBody

OPERATIONS: dict[str, Operation] = {**NATIVE, **INSIDE, **HEALTH, **TFSERVING, **OPENINFERENCE, **HUGGINGFACE, **CLOUD}
"""What is said of each endpoint; one that is missing here is listed with its name alone, and a test fails."""
UNLISTED = ("tfserving.other", "openapi.asset", "web.asset")
"""Endpoints that are no operations: `Malformed request` for the rest of `/v1`, and the files of the pages."""
_VARIABLE = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_DESCRIPTION = "Image classification by saved Keras models. Errors of the native API are RFC 9457 problems."
_ERRORS = {
    400: "The request is malformed, or the image cannot be decoded.",
    401: "The key is missing, wrong or revoked.",
    403: "The key lacks the scope, or this is switched off on this server.",
    404: "No such model, version or label.",
    408: "The rest of the request did not come.",
    413: "Too large.",
    415: "A body of this kind is not taken.",
    422: "It does not fit the model, or the query is wrong.",
    501: "Not there yet.",
    503: "Overloaded, or the model is not live; Retry-After where another try makes sense.",
    504: "Not answered in time.",
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PATH_PARAMETERS = {
    "name": "A model's name, as GET /api/models lists it.",
    "version": "A version's number; in the native API also `latest`, or a label such as `stable`.",
    "label": "A label that the model's sidecar gives a version.",
    "layer": "A layer's name, as `…/layers` lists it; one of a nested model has that model's name before it.",
    "index": "Which number of those that the layer gives for a picture, counted with the first axis slowest.",
}


def document(app: Flask, *, base: str) -> dict[str, Any]:
    """Return the OpenAPI document of an application whose addresses begin with `base`."""
    spec = APISpec(
        title="Convoy",
        version=service.__version__,
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": _DESCRIPTION},
        servers=[{"url": base}],
    )
    # What "exactly one of the two" is in JSON Schema; marshmallow has it as a function.
    spec.components.schema("PredictBody", {"minProperties": 1, "maxProperties": 1}, schema=PredictBody)
    listed = list(operations_of(app))
    guard = guard_of(app)
    for name, scheme in _SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    examples = json.loads(files(__package__).joinpath("examples.json").read_text("utf-8"))
    maker = _Maker(examples, {rule.endpoint for rule, _ in listed if "name" in rule.arguments})
    for rule, method in listed:
        operation = maker.operation(rule, method, guard.scope_of(rule.endpoint))
        spec.path(path=path_of(rule), operations={method.lower(): operation})
    return spec.to_dict()


def operations_of(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Yield each rule of the application with each method it was made for, in the order of addresses."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        if rule.endpoint not in UNLISTED:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def path_of(rule: Rule) -> str:
    """Return a rule's address with its variables in braces, as OpenAPI writes it."""
    return _VARIABLE.sub(r"{\g<name>}", rule.rule)


class _Maker:
    """Makes the OpenAPI form of operations: `examples` by name, `named` the endpoints that can name a model."""

    def __init__(self, examples: dict[str, Any], named: set[str]) -> None:
        self._examples = examples
        self._named = named

    def operation(self, rule: Rule, method: str, scope: Scope | None) -> dict[str, Any]:
        said = OPERATIONS.get(rule.endpoint) or Operation("native", rule.endpoint)
        made = {
            "operationId": self._id(rule),
            "tags": [said.tag],
            "summary": said.summary,
            "parameters": [*_path_parameters(rule), *_query(said)],
            "responses": self._responses(said, scope),
        }
        if scope:  # for schemes other than OAuth2 the list names the roles that are needed
            made["security"] = [{name: [scope]} for name in _SCHEMES]
        if said.description:
            made["description"] = said.description
        if said.body and method == "POST":
            made["requestBody"] = {"required": said.is_body_needed, "content": self._contents(said.body)}
        return made

    def _id(self, rule: Rule) -> str:
        suffixes = sorted(rule.arguments - {"name"})
        if rule.endpoint in self._named and "name" not in rule.arguments:
            suffixes = ["of_any"]
        return "_".join([rule.endpoint.replace(".", "_"), *suffixes])

    def _responses(self, said: Operation, scope: Scope | None) -> dict[str, Any]:
        answers = {str(status): self._answer(answer) for status, answer in said.answers.items()}
        form = _error_content(said)
        statuses = {*said.errors, *((401, 403) if scope else ())}
        errors = {str(one): self._answer(Answer(_ERRORS[one], (form,))) for one in sorted(statuses)}
        return answers | errors

    def _answer(self, answer: Answer) -> dict[str, Any]:
        return {"description": answer.description, "content": self._contents(answer.content)}

    def _contents(self, contents: tuple[Content, ...]) -> dict[str, Any]:
        return {one.kind: self._content(one) for one in contents}

    def _content(self, content: Content) -> dict[str, Any]:
        schema = {"type": "array", "items": content.shape} if content.is_list else content.shape
        if content.example is None:
            return {"schema": schema}
        name, _, part = content.example.partition(".")
        return {"schema": schema, "example": self._examples[name][part or "answer"]}


def _error_content(said: Operation) -> Content:
    if said.tag in ("native", "health"):
        return Content(PROBLEM, NoneAnswered)
    return Content(JSON, ErrorAnswer)


def _query(said: Operation) -> list[Any]:
    return [{"in": "query", "schema": said.query}] if said.query else []


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "in": "path",
            "name": found["name"],
            "required": True,
            "description": _PATH_PARAMETERS.get(found["name"], found["name"]),
            "schema": {"type": "integer", "minimum": 0} if found["name"] == "index" else {"type": "string"},
        }
        for found in _VARIABLE.finditer(rule.rule)
    ]
