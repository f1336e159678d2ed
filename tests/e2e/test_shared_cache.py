"""Two servers on one cache share what is built and do not disturb each other."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests import toys
from tests.servers import Server, wait_for

Serve = Callable[..., Server]
PICTURE = np.linspace(0, 1, 64, dtype="float32").reshape(1, 8, 8, 1)


def npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def test_two_servers_build_a_file_once_and_both_serve_it(serve: Serve, tmp_path: Path) -> None:
    model = toys.save_small_cnn(tmp_path / "models/toy.keras", seed=11)
    cache = tmp_path / "shared-cache"
    servers = [serve(tmp_path / "models", workers=1, cache_dir=cache) for _ in range(2)]
    for server in servers:
        server.wait_ready()
    expected = model.predict(PICTURE, verbose=0)[0]
    for server in servers:
        answer = server.predict("toy", npy(PICTURE)).json()["predictions"][0]
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)

    assert sum(server.log.count("exporting to LiteRT") for server in servers) == 1
    assert len(list((cache / "toy").glob("*/bundle.json"))) == 1


def test_one_server_stops_or_removes_a_model_and_the_other_goes_on(serve: Serve, tmp_path: Path) -> None:
    for name in ("left", "right"):
        toys.save_small_cnn(tmp_path / name / "toy.keras", seed=12)
    cache = tmp_path / "shared-cache"
    left, right = (serve(tmp_path / name, workers=1, cache_dir=cache) for name in ("left", "right"))
    for server in (left, right):
        server.wait_ready()
    (tmp_path / "left/toy.keras").unlink()
    toys.save_small_cnn(tmp_path / "left/other.keras", seed=13)
    wait_for(lambda: left.states().get("other", {}).get(1) == "live", what="the other model of the left server")

    assert right.predict("toy", npy(PICTURE)).status_code == 200
    left.stop()
    assert right.predict("toy", npy(PICTURE)).status_code == 200
