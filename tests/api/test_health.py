"""Readiness: what it says to whom."""

from typing import cast

import pytest
from flask import Flask

from service.api import health
from service.serving.live import LiveView
from service.serving.registry import Registry


class Waiting:
    """Stands for a registry whose models are still being built."""

    view = LiveView(awaited=("secret-name",))

    def refresh(self, *, wait: bool) -> None:
        """Stay as it is."""


@pytest.mark.parametrize("is_guarded", [True, False])
def test_what_is_waited_for_is_named_where_no_keys_are_asked_for(is_guarded: bool) -> None:
    app = Flask("test")
    app.register_blueprint(health.blueprint(cast("Registry", Waiting()), is_guarded=is_guarded, page=lambda sent: None))

    answer = app.test_client().get("/readyz")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert ("secret-name" in answer.text) is not is_guarded
