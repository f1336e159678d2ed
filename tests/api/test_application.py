"""Flask as it runs here against Flask as it comes: the same routes, hooks and errors give the same answers."""

from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, request, url_for
from flask.testing import FlaskClient

from service.api.application import Application, ReadyResponse

LIMIT = 1_000
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/items/7", {}),
    ("GET", "/items/8?x=1", {"headers": {"Host": "other.example:81"}}),
    ("HEAD", "/items/7", {}),
    ("OPTIONS", "/items/7", {}),
    ("POST", "/items/7", {"data": b"body"}),
    ("POST", "/items/7", {"data": b"b" * (LIMIT + 1)}),
    ("PUT", "/items/7", {}),
    ("GET", "/items/not-a-number", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/n%C3%A4mes/%E2%82%AC", {}),
    ("GET", "/empty", {}),
    ("GET", "/moved", {}),
    ("GET", "/broken", {}),
    ("GET", "/text", {}),
    ("GET", "/stopped", {}),
    ("GET", "/link", {}),
    ("GET", "/link", {"environ_overrides": {"SCRIPT_NAME": "/under"}}),
]


def furnished(app: Flask) -> Flask:
    """Give an application hooks, routes and a handler of errors."""
    log: list[str] = []
    app.extensions["log"] = log

    @app.before_request
    def begin() -> Response | None:
        g.notes = ["begun"]
        return Response("stopped", 418) if request.path == "/stopped" else None

    @app.after_request
    def first(response: Response) -> Response:
        response.headers["X-First"] = f"{g.notes} {request.endpoint}"
        return response

    @app.after_request
    def second(response: Response) -> Response:
        assert "X-First" not in response.headers
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        log.append(f"{request.path} {type(error).__name__} {g.get('notes')}")

    @app.errorhandler(ValueError)
    def on_error(error: ValueError) -> tuple[str, int]:
        return str(error), 500

    app.register_blueprint(pages())
    return app


def pages() -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.route("/items/<int:number>", methods=["GET", "POST"])
    def item(number: int) -> Response:
        g.notes.append(str(number))
        return ReadyResponse(f"{number} {request.args.get('x')} {request.get_data()!r}", content_type="text/plain")

    @pages.get("/nämes/<name>")
    def named(name: str) -> Response:
        return ReadyResponse(name)

    @pages.get("/empty")
    def empty() -> Response:
        return ReadyResponse(b"", status=204)

    @pages.get("/moved")
    def moved() -> Response:
        return ReadyResponse(b"", status=302, headers={"Location": "/items/ü"})

    @pages.get("/broken")
    def broken() -> Response:
        raise ValueError("broken")

    @pages.get("/text")
    def text() -> tuple[str, int]:
        return "text", 201

    @pages.get("/link")
    def link() -> str:
        return url_for("pages.item", number=3)

    return pages


@pytest.fixture(scope="module")
def ours() -> FlaskClient:
    return furnished(Application("test", max_body=LIMIT)).test_client()


@pytest.fixture(scope="module")
def flasks() -> FlaskClient:
    app = Flask("test", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LIMIT
    return furnished(app).test_client()


@pytest.mark.parametrize(("method", "path", "options"), ASKED)
def test_answers_are_flasks(
    ours: FlaskClient, flasks: FlaskClient, method: str, path: str, options: dict[str, Any]
) -> None:
    for _ in range(2):  # what was remembered of the first one serves the second
        found, wanted = (one.open(path, method=method, **options) for one in (ours, flasks))
        assert (found.status, found.data) == (wanted.status, wanted.data)
        assert sorted(found.headers) == sorted(wanted.headers)
        assert ours.application.extensions["log"] == flasks.application.extensions["log"]


def test_nothing_of_a_request_is_left_for_the_next(ours: FlaskClient) -> None:
    assert ours.get("/items/1").headers["X-First"] == "['begun', '1'] pages.item"
    assert ours.get("/items/2").headers["X-First"] == "['begun', '2'] pages.item"
    with pytest.raises(RuntimeError, match="outside of"):
        _ = request.path


def test_the_context_can_be_kept_open_to_look_at(ours: FlaskClient) -> None:
    with ours:
        ours.get("/items/5")
        assert request.view_args == {"number": 5}
    with ours.application.test_request_context("/items/6"):
        assert request.endpoint == "pages.item"


def test_addresses_without_end_take_no_memory() -> None:
    app = Application("test", max_body=LIMIT)
    client = furnished(app).test_client()
    for number in range(3_000):
        client.get(f"/items/{number}")

    assert len(app.matched) <= 1_024
