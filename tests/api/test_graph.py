"""`GET …/graph.svg` through Flask's client: its forms, its caching, what it says where something is wrong."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.app import create_app
from service.explain.graph import STYLE_SOURCE
from service.model.layers import Layer
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.settings import Settings
from tests.fakes import add_bundle, describe
from tests.stacks import nested


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application of two models that are built already: `plain` of three layers, `nest` with nested models."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("models_dir", "cache_dir", "runtime_dir")}
    layers: dict[str, tuple[Layer, ...] | None] = {"plain": None, "nest": nested()}
    for name, one in layers.items():
        saved = folders["models_dir"] / name / "1" / "model.keras"
        saved.parent.mkdir(parents=True)
        saved.write_text(name)
        facts = describe(name, layers=one)
        add_bundle(BundleStore(folders["cache_dir"]), fingerprint_of(sha256_of(saved)), facts=facts)
    app = create_app(Settings.read({**folders, "poll_seconds": 0.1, "tune": 0}, environ={}))
    yield app
    app.extensions["convoy"].stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def layers_of(text: str) -> set[str]:
    return {one.attrib["data-layer"] for one in ET.fromstring(text).iter() if "data-layer" in one.attrib}


@pytest.mark.parametrize("path", ["/api/models/plain/graph.svg", "/api/models/plain/versions/1/graph.svg"])
def test_it_is_an_svg_of_every_layer_that_may_bring_its_own_style_and_nothing_else(
    client: FlaskClient, path: str
) -> None:
    response = client.get(path)

    assert (response.status_code, response.mimetype) == (200, "image/svg+xml")
    assert layers_of(response.text) == {"pixels", "flatten", "corners"}
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith(f"; style-src {STYLE_SOURCE}")
    assert "unsafe" not in policy


def test_who_has_it_is_told_that_it_is_still_the_same(client: FlaskClient) -> None:
    first = client.get("/api/models/plain/graph.svg")
    again = client.get("/api/models/plain/graph.svg", headers={"If-None-Match": first.headers["ETag"]})
    other = client.get("/api/models/nest/graph.svg", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.data) == (304, b"")
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"picture", "rescaling", "flatten", "kind", "any"}),
        ("?open=outer", {"outer/conv", "outer/pool"}),
        ("?open=outer&open=outer/inner", {"outer/inner/conv"}),
        ("?open=all", {one.name for one in nested()}),
    ],
)
def test_nested_models_open_where_they_are_asked_to(client: FlaskClient, query: str, shown: set[str]) -> None:
    assert shown <= layers_of(client.get(f"/api/models/nest/graph.svg{query}").text)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("nest/graph.svg?open=kind", 422, "no nested model 'kind'; it has outer, outer/inner. Send one of them"),
        ("plain/graph.svg?open=outer", 422, "has no nested models that could be opened; leave `open` out"),
        ("plain/graph.svg?closed=outer", 422, "closed: Unknown field."),
        ("none/graph.svg", 404, "'none'"),
        ("plain/versions/2/graph.svg", 404, "2"),
    ],
)
def test_what_cannot_be_drawn_is_a_problem(client: FlaskClient, path: str, status: int, said: str) -> None:
    response = client.get(f"/api/models/{path}")

    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert said in response.get_json()["detail"]


def test_other_methods_are_not_taken(client: FlaskClient) -> None:
    assert client.post("/api/models/plain/graph.svg").status_code == 405
