"""Where `convoy init` writes: a place the server looks at, alone or in a models folder."""

from pathlib import Path

import pytest

from service.cli.init import place_of
from service.repository.sources import find_sources

PLACES = {
    "flowers.keras": "flowers.toml",
    "mnist.weights.h5": "mnist.weights.toml",
    "flowers/model.h5": "flowers/model.toml",
    "flowers/final.h5": "flowers/model.toml",
    "flowers/2/model.keras": "flowers/2/model.toml",
    "flowers/2/final.keras": "flowers/2/model.toml",
    "flowers/saved_model.pb": "flowers/model.toml",
    "flowers/3/saved_model.pb": "flowers/3/model.toml",
}


def put(path: Path) -> Path:
    """Put a saved model there; return its path, that of the folder where it is a SavedModel."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"saved")
    return path.parent if path.name == "saved_model.pb" else path


@pytest.mark.parametrize(("saved", "place"), PLACES.items())
def test_in_a_models_folder_the_sidecar_lies_where_the_server_looks(tmp_path: Path, saved: str, place: str) -> None:
    put(tmp_path / "models" / saved)
    (source,) = find_sources(tmp_path / "models")

    assert place_of(source) == tmp_path / "models" / place


@pytest.mark.parametrize(
    ("saved", "place"),
    {name: place for name, place in PLACES.items() if name != "flowers/final.h5"}.items(),
)
def test_a_file_served_alone_has_its_sidecar_in_the_same_place(tmp_path: Path, saved: str, place: str) -> None:
    (source,) = find_sources(put(tmp_path / "models" / saved))

    assert place_of(source) == tmp_path / "models" / place


def test_a_file_of_its_own_name_in_a_folder_that_is_no_models_folder_has_it_beside_it(tmp_path: Path) -> None:
    (source,) = find_sources(put(tmp_path / "downloads/final.h5"))

    assert place_of(source) == tmp_path / "downloads/final.toml"
