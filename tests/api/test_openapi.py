"""What the API says of itself: every route is there and described, and the page loads nothing from elsewhere."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.api.openapi.document import OPERATIONS, UNLISTED, operations_of, path_of
from service.app import create_app
from service.settings import Settings

VERTEX = {"AIP_HEALTH_ROUTE": "/vertex/health", "AIP_PREDICT_ROUTE": "/vertex/predict"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("models_dir", "cache_dir", "runtime_dir")}
    app = create_app(Settings.read({**folders, "poll_seconds": 0.1, "tune": 0}, environ=VERTEX))
    yield app
    app.extensions["convoy"].stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    return dict(response.get_json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, several in document["paths"].items() for method, one in several.items()]


# --------------------------------------------------------------------------------------------------------------- routes


def test_every_route_is_in_the_document(app: Flask, document: dict[str, Any]) -> None:
    routes = {(path_of(rule), method.lower()) for rule, method in operations_of(app)}
    assert routes == {(path, method) for path, method, _ in operations(document)}


def test_every_route_is_described(app: Flask) -> None:
    missing = {rule.endpoint for rule in app.url_map.iter_rules()} - OPERATIONS.keys() - set(UNLISTED)
    assert not missing, f"say what {sorted(missing)} do in service/api/openapi/native.py or dialects.py"


def test_nothing_is_described_that_is_not_there(app: Flask) -> None:
    assert {rule.endpoint for rule in app.url_map.iter_rules()} >= {*OPERATIONS, *UNLISTED}


def test_every_address_names_its_variables(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        said = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert said == re.findall(r"{(\w+)}", path)


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


# -------------------------------------------------------------------------------------------------------------- schemas


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        part: Any = document
        for name in reference.split("/"):
            part = part[name]
        assert part


@pytest.mark.parametrize("name", ["predict", "preview"])
def test_images_are_taken_in_every_form(document: dict[str, Any], name: str) -> None:
    taken = document["paths"][f"/api/models/{{name}}/{name}"]["post"]["requestBody"]["content"]
    assert {"image/png", "image/jpeg", "application/json", "multipart/form-data", "application/x-npy"} <= taken.keys()


def test_the_query_is_that_of_the_schema(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/api/models/{name}/predict"]["post"]["parameters"]
    assert [one["name"] for one in parameters if one["in"] == "query"] == ["top_k", "layers", "probabilities"]


def test_native_errors_are_problems_and_others_are_error_objects(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        kinds = {
            kind for status, one in operation["responses"].items() if int(status) >= 400 for kind in one["content"]
        }
        if path.startswith("/api/"):
            assert kinds == {"application/problem+json"}
        elif path.startswith(("/v1", "/v2", "/hf", "/vertex")):
            assert kinds == {"application/json"}


def test_every_example_is_shown_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name, example in json.loads(files("service.api.openapi").joinpath("examples.json").read_text("utf-8")).items():
        for part in example.values():
            assert json.dumps(part) in text, name


# ----------------------------------------------------------------------------------------------------------------- page


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script_of_its_own(client: FlaskClient) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    assert "//" not in response.text
    assert re.findall(r"<script[^>]*>(.*?)</script>", response.text) == ["", ""]
    assert not re.search(r"\son\w+=|\sstyle=", response.text)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_every_file_of_the_page_is_there(client: FlaskClient) -> None:
    for address in re.findall(r'(?:src|href)="([^"]+)"', client.get("/docs").text):
        response = client.get(address)
        assert response.status_code == 200, address
        assert response.content_length
        response.close()


@pytest.mark.parametrize("name", ["index.html", "..%2f__init__.py", "swagger-ui.js", "docs.html"])
def test_no_other_file_is_given_away(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404


def test_behind_a_prefix_the_addresses_have_it(client: FlaskClient) -> None:
    environ = {"SCRIPT_NAME": "/convoy"}
    assert client.get("/openapi.json", environ_overrides=environ).get_json()["servers"] == [{"url": "/convoy"}]
    assert 'src="/convoy/docs/start.js"' in client.get("/docs", environ_overrides=environ).text


# ----------------------------------------------------------------------------------------------------------------- docs

DOCS = Path(__file__).resolve().parents[2] / "docs/clients"


@pytest.mark.parametrize(
    ("page", "endpoints"),
    [("hugging-face", "huggingface"), ("cloud", "cloud"), ("openapi", "openapi")],
)
def test_every_route_is_on_its_page(app: Flask, page: str, endpoints: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{endpoints}.")]
    for rule in rules:
        if rule.endpoint not in UNLISTED and rule.rule not in VERTEX.values():
            assert path_of(rule) in text, rule
