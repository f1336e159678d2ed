"""The models folder while a server runs: files come, are replaced, break and go."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests import toys
from tests.pictures import encoded, noise, npy
from tests.servers import Server, children, command_line, wait_for

pytest.importorskip("keras")

Serve = Callable[..., Server]
DIGIT = encoded(noise(28, 28))
SMALL = noise(8, 8, 1, seed=5).astype(np.float32) / np.float32(255)


def probabilities(server: Server, name: str) -> Any:
    return server.predict(name, npy(SMALL)).json()["predictions"][0]["probabilities"]


def expected(model: Any) -> Any:
    return model.predict(SMALL[np.newaxis], verbose=0)[0]


def test_a_file_dropped_into_an_empty_folder_goes_live_in_every_worker(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    server = serve(folder, workers=2).wait_ready()
    assert server.states() == {}

    model = toys.save_small_cnn(tmp_path / "elsewhere.keras")
    shutil.copy(tmp_path / "elsewhere.keras", folder / "toy.keras")
    server.wait_state("toy", 1, "live")

    for _ in range(20):  # fresh connections, spread over both workers
        np.testing.assert_allclose(probabilities(server, "toy"), expected(model), atol=1e-5)


def test_a_file_that_grows_while_it_is_copied_is_built_once_it_is_whole(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    toys.save_small_cnn(tmp_path / "whole.keras", seed=1)
    data = (tmp_path / "whole.keras").read_bytes()
    server = serve(folder, workers=1).wait_ready()

    with (folder / "slow.keras").open("wb") as file:
        for start in range(0, len(data), len(data) // 12 + 1):
            file.write(data[start : start + len(data) // 12 + 1])
            file.flush()
            time.sleep(0.1)  # the pace of the copy is what is tested
    server.wait_state("slow", 1, "live")

    assert "failed" not in server.log


def test_a_new_version_replaces_the_old_one_without_a_failed_request(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    old = toys.save_small_cnn(folder / "toy/1/model.keras", seed=1)
    server = serve(folder, workers=2).wait_ready()
    answers: list[tuple[int, int]] = []
    stop = threading.Event()

    def ask() -> None:
        session = requests.Session()
        while not stop.is_set():
            answer = session.post(f"{server.url}/api/models/toy/predict", npy(SMALL), timeout=30)
            answers.append((answer.status_code, answer.json()["model"]["version"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    new = toys.save_small_cnn(tmp_path / "new.keras", seed=2)
    (folder / "toy/2").mkdir()
    shutil.copy(tmp_path / "new.keras", folder / "toy/2/model.keras")
    wait_for(lambda: [version for _, version in answers[-20:]] == [2] * 20, what="version 2 everywhere")
    stop.set()
    for thread in threads:
        thread.join()

    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} == {1, 2}
    np.testing.assert_allclose(probabilities(server, "toy"), expected(new), atol=1e-5)
    assert not np.allclose(expected(old), expected(new), atol=1e-3)
    assert server.states() == {"toy": {2: "live"}}


def test_a_removed_model_goes_and_the_others_stay(serve: Serve, models: Path) -> None:
    toys.copy_small_cnn(models / "toy.keras")
    server = serve(models, workers=1).wait_ready()
    assert server.predict("toy", npy(SMALL)).status_code == 200

    (models / "toy.keras").unlink()
    wait_for(lambda: "toy" not in server.states(), what="toy gone")

    assert server.predict("toy", npy(SMALL)).status_code == 404
    assert server.predict("mnist", DIGIT).status_code == 200


def test_a_folder_that_vanishes_or_empties_at_once_keeps_serving(serve: Serve, models: Path) -> None:
    toys.copy_small_cnn(models / "toy.keras")
    server = serve(models, workers=1).wait_ready()

    models.rename(models.with_name("unmounted"))
    wait_for(lambda: "cannot be read" in server.log, what="a warning")
    assert server.predict("mnist", DIGIT).status_code == 200
    models.mkdir()
    wait_for(lambda: "empty all at once" in server.log, what="a warning")

    assert server.predict("mnist", DIGIT).status_code == 200
    assert server.predict("toy", npy(SMALL)).status_code == 200


def test_hostile_and_broken_files_fail_with_their_reason_while_others_are_served(
    serve: Serve, models: Path, tmp_path: Path
) -> None:
    sound = tmp_path / "sound.keras"
    marker = tmp_path / "code-was-run"
    toys.copy_small_cnn(sound)
    toys.save_with_lambda(models / "lambda.keras", marker=marker)
    toys.save_with_lambda(models / "lambda-h5.h5", marker=marker)
    toys.with_extra_member(sound, models / "climbing.keras", name="../../evil.py")
    toys.truncated(sound, models / "truncated.keras")
    (models / "empty.keras").write_bytes(b"")
    (models / "picture.keras").write_bytes(DIGIT)
    (models / "pointer.keras").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    toys.with_config(sound, models / "foreign.keras", lambda config: config.update(module="os", class_name="system"))

    server = serve(models, workers=1, ready="mnist").wait_ready()
    names = ["lambda", "lambda-h5", "climbing", "truncated", "empty", "picture", "pointer", "foreign"]
    for name in names:
        server.wait_state(name, 1, "failed")

    def diagnosis(name: str) -> str:
        card = server.get(f"/api/models/{name}").json()
        assert card["state"] == "failed"
        return str(card["diagnosis"])

    assert "Lambda" in diagnosis("lambda")
    assert "sneaky" in diagnosis("lambda")
    assert "Lambda" in diagnosis("lambda-h5")
    assert "evil.py" in diagnosis("climbing")
    assert "LFS" in diagnosis("pointer")
    assert "empty" in diagnosis("empty").lower()
    for name in names:
        assert str(tmp_path) not in diagnosis(name)
        answer = server.predict(name, DIGIT)
        assert answer.status_code == 503
        assert "Retry-After" not in answer.headers
        assert diagnosis(name) in answer.json()["detail"]
    assert not marker.exists()
    assert server.predict("mnist", DIGIT).status_code == 200


def test_a_broken_new_version_leaves_the_old_one_serving(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras")
    server = serve(folder, workers=1).wait_ready()

    (folder / "toy/2").mkdir()
    toys.truncated(folder / "toy/1/model.keras", folder / "toy/2/model.keras")
    server.wait_state("toy", 2, "failed")

    assert server.states() == {"toy": {1: "live", 2: "failed"}}
    assert "Version 2 cannot be served: " in server.get("/api/models/toy").json()["warnings"][-1]
    assert server.predict("toy", npy(SMALL)).json()["model"]["version"] == 1
    assert server.is_ready()


def test_a_request_whose_version_is_replaced_during_its_upload_is_answered_by_that_version(
    serve: Serve, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras", seed=1)
    server = serve(folder, workers=1, read_timeout=60).wait_ready()
    body = npy(SMALL)
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest("POST", "/api/models/toy/predict")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:100])

    toys.copy_small_cnn(folder / "toy/2/model.keras", seed=2)
    wait_for(lambda: server.states() == {"toy": {2: "live"}}, what="version 2 alone")
    connection.send(body[100:])

    with contextlib.closing(connection):
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["model"]["version"] in (1, 2)


def test_a_mistake_in_the_sidecar_leaves_every_served_version_as_it_was(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for version in (1, 2):
        toys.copy_small_cnn(folder / f"toy/{version}/model.keras", seed=version)
    (folder / "toy/model.toml").write_text('[versions]\nserve = "all"\nlabels = { stable = 1 }\n')
    server = serve(folder, workers=1).wait_ready()
    wait_for(lambda: server.states() == {"toy": {1: "live", 2: "live"}}, what="both versions")
    assert server.get("/api/models/toy/versions/stable").json()["version"] == 1

    (folder / "toy/model.toml").write_text('[versions]\nserv = "all"\n')
    wait_for(lambda: "serve" in server.get("/api/models/toy").json().get("diagnosis", ""), what="a diagnosis")

    assert server.states() == {"toy": {1: "live", 2: "live"}}


def test_a_labelled_version_is_served_beside_the_latest(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for version in (3, 4):
        toys.copy_small_cnn(folder / f"toy/{version}/model.keras", seed=version - 2)
    (folder / "toy/model.toml").write_text("[versions]\nlabels = { stable = 3, canary = 4 }\n")
    server = serve(folder, workers=1).wait_ready()
    wait_for(lambda: server.states() == {"toy": {3: "live", 4: "live"}}, what="both versions")

    def answered_by(path: str) -> int:
        return int(server.post(f"/api/models/toy{path}/predict", npy(SMALL)).json()["model"]["version"])

    assert [answered_by(path) for path in ("/versions/stable", "/versions/canary", "/versions/3", "")] == [3, 4, 3, 4]


def test_a_kept_runtime_folder_does_not_make_a_new_server_ready(serve: Serve, models: Path, tmp_path: Path) -> None:
    kept = tmp_path / "run"
    serve(models, workers=1, runtime_dir=kept).wait_ready().stop()
    assert (kept / "live.json").exists()

    server = serve(models, workers=1, runtime_dir=kept, cache_dir=tmp_path / "fresh-cache")

    assert server.get("/readyz").status_code == 503


def test_a_damaged_bundle_in_the_read_only_store_is_replaced_by_one_in_the_cache(
    serve: Serve, models: Path, tmp_path: Path
) -> None:
    baked = tmp_path / "baked"
    serve(models, workers=1, cache_dir=baked).wait_ready().stop()
    next(baked.glob("mnist/*/model.tflite")).write_bytes(b"broken")

    server = serve(models, workers=2, bundles_dir=baked, cache_dir=tmp_path / "own").wait_ready()

    assert [server.predict("mnist", DIGIT).status_code for _ in range(10)] == [200] * 10
    assert server.log.count("built mnist") == 1


def test_a_corrected_label_is_live_without_a_build(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras")
    server = serve(folder, workers=2).wait_ready()
    builds = server.log.count("built toy")

    (folder / "toy/model.toml").write_text('labels = ["ant", "bee", "cow"]\n')

    def label() -> str:
        return str(server.predict("toy", npy(SMALL)).json()["predictions"][0]["label"])

    wait_for(lambda: all(label() in ("ant", "bee", "cow") for _ in range(10)), what="the labels everywhere")
    assert server.log.count("built toy") == builds


def test_a_sidecar_that_is_wrong_is_diagnosed_and_the_old_one_stays(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras")
    (folder / "toy/model.toml").write_text('labels = ["ant", "bee", "cow"]\n')
    server = serve(folder, workers=1).wait_ready()

    (folder / "toy/model.toml").write_text('labels = ["ant", "bee"]\n')
    wait_for(lambda: "diagnosis" in server.get("/api/models/toy").json(), what="a diagnosis")

    assert "2 labels were given for 3 classes" in server.get("/api/models/toy").json()["diagnosis"]
    assert server.predict("toy", npy(SMALL)).json()["predictions"][0]["label"] in ("ant", "bee", "cow")


def test_a_model_that_is_being_built_answers_503_with_retry_after(serve: Serve, models: Path, tmp_path: Path) -> None:
    server = serve(models, workers=1, cache_dir=tmp_path / "fresh-cache")

    early = server.predict("mnist", DIGIT)

    assert early.status_code == 503
    assert int(early.headers["Retry-After"]) > 0
    assert server.get("/readyz").status_code == 503
    assert server.get("/healthz").status_code == 200
    server.wait_ready()
    assert server.predict("mnist", DIGIT).status_code == 200


def test_a_killed_builder_is_tried_again(serve: Serve, models: Path, tmp_path: Path) -> None:
    server = serve(models, workers=1, cache_dir=tmp_path / "fresh-cache")

    builder = wait_for(lambda: builders(server), what="a builder")[0]
    os.kill(builder, signal.SIGKILL)

    server.wait_ready()
    assert "killed" in server.log
    assert server.predict("mnist", DIGIT).status_code == 200


def test_a_builder_ends_with_its_worker_and_another_worker_takes_over(
    serve: Serve, models: Path, tmp_path: Path
) -> None:
    server = serve(models, workers=2, cache_dir=tmp_path / "fresh-cache")
    builder = wait_for(lambda: builders(server), what="a builder")[0]
    watcher = next(pid for pid in server.workers() if builder in children_of_all_threads(pid))

    os.kill(watcher, signal.SIGKILL)

    wait_for(lambda: not Path(f"/proc/{builder}").exists(), seconds=10, what="the builder's end")
    server.wait_ready()
    assert server.predict("mnist", DIGIT).status_code == 200


def test_a_build_that_takes_too_long_is_ended_and_said_so(serve: Serve, models: Path, tmp_path: Path) -> None:
    server = serve(models, workers=1, cache_dir=tmp_path / "fresh-cache", build_timeout=0.5)

    wait_for(lambda: "took longer" in server.log, what="the time-out")

    assert server.get("/api/models/mnist").json()["state"] == "building"
    wait_for(lambda: not builders(server), seconds=10, what="the builder's end")


def test_a_damaged_bundle_is_built_again(serve: Serve, models: Path, tmp_path: Path) -> None:
    own = tmp_path / "own-cache"
    serve(models, workers=1, cache_dir=own).wait_ready().stop()
    graph = next(own.glob("mnist/*/model.tflite"))
    graph.write_bytes(b"broken")

    server = serve(models, workers=1, cache_dir=own).wait_ready()

    assert server.predict("mnist", DIGIT).status_code == 200
    assert "damaged" in server.log


def test_a_server_with_bundles_answers_without_building_anything(
    serve: Serve, models: Path, mnist_server: Server
) -> None:
    server = serve(models)
    wait_for(lambda: server.predict("mnist", DIGIT).status_code == 200, what="the first answer")

    assert "building mnist" not in server.log


def test_it_stops_cleanly_and_leaves_no_process_behind(serve: Serve, models: Path, tmp_path: Path) -> None:
    server = serve(models, workers=2, cache_dir=tmp_path / "fresh-cache")
    builder = wait_for(lambda: builders(server), what="a builder")[0]
    workers = server.workers()

    assert server.stop() == 0

    left = [Path(f"/proc/{pid}") for pid in [*workers, builder]]
    wait_for(lambda: not any(one.exists() for one in left), seconds=10, what="the end of every process")


def test_each_worker_that_dies_is_replaced_and_answers(serve: Serve, models: Path) -> None:
    server = serve(models, workers=2).wait_ready()
    before = server.workers()

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(server.workers()) == 2 and not set(server.workers()) & set(before), what="new workers")

    wait_for(lambda: is_answered(server), what="an answer")


def test_a_reload_and_the_end_of_one_worker_leave_the_server_serving(serve: Serve, models: Path) -> None:
    server = serve(models, workers=2).wait_ready()
    first = server.workers()

    os.kill(first[0], signal.SIGTERM)
    wait_for(lambda: len(server.workers()) == 2 and first[0] not in server.workers(), what="a replacement")
    assert server.predict("mnist", DIGIT).status_code == 200
    second = server.workers()
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: len(server.workers()) == 2 and not set(second) & set(server.workers()), what="a reload")

    wait_for(lambda: is_answered(server), what="an answer")
    toys.save_small_cnn(models / "toy.keras", seed=91)
    server.wait_state("toy", 1, "live")


def test_things_that_are_no_files_are_passed_over(serve: Serve, models: Path) -> None:
    os.mkfifo(models / "pipe.keras")
    (models / "folder.keras").mkdir()
    (models / "lost+found").mkdir()

    server = serve(models, workers=1).wait_ready()

    assert server.states() == {"mnist": {1: "live"}}


def is_answered(server: Server) -> bool:
    try:
        return server.predict("mnist", DIGIT).status_code == 200
    except requests.ConnectionError:
        return False


def children_of_all_threads(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(one) for one in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def builders(server: Server) -> list[int]:
    """Return the builder processes of a server: children of its workers, started by whatever thread."""
    found = [child for worker in children(server.pid) for child in children_of_all_threads(worker)]
    return [pid for pid in found if "service.builder" in command_line(pid)]
