"""What the dialects' tests share: an application of Keras models of a module's own, asked through Flask's client."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.app import create_app
from service.settings import Settings
from tests.prebuilt import prebuild

AppOf = Callable[..., Flask]


@pytest.fixture(scope="module")
def nets(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The Keras models that the module's MODELS makes, by name."""
    return {name: make() for name, make in request.module.MODELS.items()}


@pytest.fixture(scope="module")
def app_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppOf]:
    """Start an application of Keras models: `app_of(nets, files={"cat.toml": …}, broken=b"…", max_images=5)`.

    `files` lie beside the saved models, a folder of a model's name takes that model in, and `broken.keras` is no model.
    """
    started: list[Flask] = []

    def start(
        nets: Mapping[str, Any], *, files: Mapping[str, str] | None = None, broken: bytes | None = None, **settings: Any
    ) -> Flask:
        paths = {name: tmp_path_factory.mktemp(name) for name in ("models_dir", "cache_dir", "runtime_dir")}
        _save(nets, files or {}, paths["models_dir"])
        prebuild(paths["models_dir"], paths["cache_dir"])
        if broken is not None:
            (paths["models_dir"] / "broken.keras").write_bytes(broken)
        started.append(create_app(Settings.read({"tune": 0, **paths, **settings}, environ={})))
        return started[-1]

    yield start
    for app in started:
        app.extensions["convoy"].stop()


def _save(nets: Mapping[str, Any], files: Mapping[str, str], folder: Path) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name, net in nets.items():
        net.save(folder / name / "model.keras" if (folder / name).is_dir() else folder / f"{name}.keras")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
