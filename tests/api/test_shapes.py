"""The native answers of models with every kind of head fit the schemas that the API is described by."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema

from service.api.openapi.shapes import CardAnswer, LayersAnswer, ModelsAnswer, NoneAnswered, PreviewsAnswer
from service.api.schemas import PredictAnswer
from tests.api.conftest import AppOf
from tests.api.test_native import MODELS, NUMBERS
from tests.pictures import npy

pytest.importorskip("keras")


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    return app_of(nets, broken=b"PK\x03\x04 and nothing more")


def check(shape: type[Schema], body: Any) -> None:
    assert shape().validate(body) == {}


@pytest.mark.parametrize("query", ["", "?layers=full", "?layers=none&probabilities=false"])
@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"two-inputs"}))
def test_a_prediction_fits(client: FlaskClient, name: str, query: str) -> None:
    response = client.post(f"/api/models/{name}/predict{query}", data=npy(NUMBERS))
    assert response.status_code == 200
    check(PredictAnswer, response.get_json())


@pytest.mark.parametrize("name", [*sorted(MODELS), "broken"])
def test_a_card_fits(client: FlaskClient, name: str) -> None:
    card = client.get(f"/api/models/{name}")
    assert card.status_code == 200
    check(CardAnswer, card.get_json())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_layers_fit(client: FlaskClient, name: str) -> None:
    check(LayersAnswer, client.get(f"/api/models/{name}/layers").get_json())


def test_the_list_fits(client: FlaskClient) -> None:
    check(ModelsAnswer, client.get("/api/models").get_json())


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"two-inputs"}))
def test_an_account_of_a_preview_fits(client: FlaskClient, name: str) -> None:
    headers = {"Accept": "application/json"}
    check(PreviewsAnswer, client.post(f"/api/models/{name}/preview", data=npy(NUMBERS), headers=headers).get_json())


@pytest.mark.parametrize("verb", ["predict", "preview"])
@pytest.mark.parametrize("images", [["%"], ["%", "%"], ["%", NUMBERS.tolist()]])
def test_errors_fit(client: FlaskClient, verb: str, images: list[Any]) -> None:
    headers = {"Accept": "application/json"}
    response = client.post(f"/api/models/softmax/{verb}", json={"images": images}, headers=headers)
    whole = {"predict": PredictAnswer, "preview": PreviewsAnswer}[verb]
    check(whole if response.status_code == 200 else NoneAnswered, response.get_json())
