"""Models that others trained give the answers their authors stated, through the whole service."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import Server

# The author trained on 0..1 and predicted on raw pixels; the answers in his README are those of raw pixels, resized by
# scipy.misc.imresize, which is Pillow's bilinear.
DOGCAT = """\
labels = ["cat", "dog"]

[preprocessing]
recipe = "keras.load_img"
resize = "bilinear"
scale = "0..255"

[output]
head = "multi-label"
"""
STATED = {"test_dog.jpg": [0.04618423, 0.92035621], "test_cat.jpg": [0.90135497, 0.09642436]}


@pytest.fixture
def dogcat(shared: Path, tmp_path: Path) -> Path:
    """A models folder with the old two-file form: `model.json` beside weights of Keras 2.0.4."""
    folder = tmp_path / "models/dogcat"
    folder.mkdir(parents=True)
    for name in ("model.json", "weights.h5"):
        shutil.copy(shared / "wild/dogcat_64_json_plus_weights" / name, folder / name)
    (folder / "model.toml").write_text(DOGCAT)
    return folder.parent


def test_the_authors_stated_outputs_come_out(serve: Callable[..., Server], dogcat: Path, shared: Path) -> None:
    server = serve(dogcat, workers=1).wait_ready()
    pictures = shared / "wild/dogcat_64_json_plus_weights/sample_images"
    for name, stated in STATED.items():
        answer = server.predict("dogcat", (pictures / name).read_bytes()).json()["predictions"][0]
        assert answer["probabilities"] == pytest.approx(stated, abs=1e-3), name
        assert [one["label"] for one in answer["labels"]] == [name.removeprefix("test_").removesuffix(".jpg")]

    source = server.get("/api/models/dogcat").json()["source"]
    assert source["written_by"] == "Keras 2.0.4"
    assert "the layers of a Sequential were a bare list" in source["repairs"]
