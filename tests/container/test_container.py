"""The images as their users run them: `make test-image` builds them and runs this; elsewhere the tests skip.

They need a Docker engine on this machine, for they bind-mount folders and ask published ports, and the names of the
images in CONVOY_TEST_IMAGE and CONVOY_TEST_SLIM_IMAGE.
"""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.conftest import Run
from tests.container.engine import IMAGE, SLIM, WITHOUT, Container, docker
from tests.servers import wait_for

WARM_SECONDS = 15.0
STOP_SECONDS = 5.0
Options = tuple[str, ...]
LOCKED_DOWN = ("--read-only", "--tmpfs", "/tmp:noexec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
IMAGES = [pytest.param(IMAGE, id="full"), pytest.param(SLIM, id="slim")]
if not IMAGE or not SLIM:
    pytest.skip(WITHOUT, allow_module_level=True)


def predict(name: str) -> str:
    return f"/api/models/{name}/predict"


@pytest.mark.parametrize("image", IMAGES)
def test_a_fresh_container_answers_the_curl_line_of_the_readme_without_a_build(run: Run, image: str) -> None:
    line = re.search(r"\$ curl --data-binary @(\S+) 'http://127\.0\.0\.1:8000(\S+)'", (ROOT / "README.md").read_text())
    assert line
    container = run(*LOCKED_DOWN, image=image)

    answer = container.until(line[2], data=(ROOT / line[1]).read_bytes()).json()

    assert answer["predictions"][0]["label"] == "7"
    assert answer["predictions"][0]["probability"] > 0.99
    assert [one["output_shape"] for one in answer["layers"]][-1] == [1, 10]
    assert "Convoy listens on http://127.0.0.1:8000." in container.log
    assert "building" not in container.log


@pytest.mark.parametrize("image", IMAGES)
def test_the_image_runs_as_a_numeric_user_in_exec_form(image: str) -> None:
    config = json.loads(docker("inspect", "--format", "{{json .Config}}", image))

    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", config["User"])
    assert config["Entrypoint"] == ["convoy"]
    assert config["Cmd"] == ["serve"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.title"] == "Convoy"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert "curl" not in config["Healthcheck"]["Test"]
    assert not (ROOT / "Dockerfile").read_text().startswith("# syntax=")


@pytest.mark.parametrize("port", ["8000", "9000"])
def test_a_container_turns_healthy(run: Run, port: str) -> None:
    container = run("--env", f"CONVOY_PORT={port}")

    wait_for(lambda: container.inspect(".State.Health.Status") == "healthy", what="healthy")


def test_a_container_that_speaks_https_turns_healthy(run: Run, folder: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        shutil.copyfile(ROOT / "tests/data/tls" / name, folder / name)
        (folder / name).chmod(0o644)
    tls = ("--env", "CONVOY_TLS_CERT=/tls/cert.pem", "--env", "CONVOY_TLS_KEY=/tls/key.pem")
    container = run("--volume", f"{folder}:/tls:ro", *tls)

    wait_for(lambda: container.inspect(".State.Health.Status") == "healthy", what="healthy")


def test_a_file_dropped_into_an_empty_read_only_folder_goes_live(
    run: Run, folder: Path, toy: Path, seven: bytes
) -> None:
    container = run("--volume", f"{folder}:/models:ro")
    assert container.until("/api/models").json()["models"] == []
    assert "/models holds no model yet: drop one into it." in container.log

    shutil.copy(toy, folder)

    answer = container.until(predict("toy"), data=seven).json()
    assert len(answer["predictions"][0]["probabilities"]) == 3


def test_a_file_copied_into_a_named_volume_goes_live_beside_the_bundled_models(
    run: Run, volume: Callable[[], str], toy: Path, seven: bytes
) -> None:
    container = run("--volume", f"{volume()}:/models")
    container.until(predict("mnist"), data=seven)

    docker("cp", str(toy), f"{container.name}:/models/toy.keras")

    container.until(predict("toy"), data=seven)


@pytest.mark.parametrize("options", [(), ("--init",)], ids=["as process 1", "with an init"])
def test_a_stop_right_after_the_first_answer_is_quick_and_clean(
    run: Run, seven: bytes, options: tuple[str, ...]
) -> None:
    container = run(*options)
    container.until(predict("mnist"), data=seven)

    status, seconds = container.stop()

    assert (status, seconds < STOP_SECONDS) == (0, True), f"{seconds:.1f} s\n{container.log}"
    assert "Traceback" not in container.log


def test_a_stop_in_the_middle_of_a_build_is_quick_and_clean(run: Run, unbuilt: Options) -> None:
    container = run(*unbuilt)
    wait_for(lambda: "loading with Keras" in container.log, what="a build at work")

    status, seconds = container.stop()

    assert (status, seconds < STOP_SECONDS) == (0, True), f"{seconds:.1f} s\n{container.log}"
    assert "Traceback" not in container.log


def test_another_container_on_the_same_cache_answers_at_once_without_a_build(
    run: Run, built: Options, seven: bytes
) -> None:
    container = run(*built)

    container.until(predict("toy"), data=seven)

    assert time.monotonic() - container.began < WARM_SECONDS
    assert "building" not in container.log


def test_a_restarted_container_keeps_what_it_built(run: Run, unbuilt: Options, seven: bytes) -> None:
    container = run(*unbuilt)
    container.until(predict("toy"), data=seven)

    docker("restart", container.name)
    container.url = ""  # a published free port is another one after a restart
    container.until(predict("toy"), data=seven)

    assert container.log.count("built toy version 1") == 1


def test_nothing_but_the_cache_and_tmp_need_be_writable_to_build(run: Run, unbuilt: Options, seven: bytes) -> None:
    container = run(*unbuilt, *LOCKED_DOWN)

    container.until(predict("toy"), data=seven)


def test_any_other_user_can_build_into_a_new_cache(
    run: Run, volume: Callable[[], str], unbuilt: Options, seven: bytes
) -> None:
    container = run("--user", "4321:4321", *unbuilt, "--volume", f"{volume()}:/cache")

    container.until(predict("toy"), data=seven)


def test_a_build_that_runs_out_of_memory_leaves_the_server_standing(run: Run, unbuilt: Options) -> None:
    container = run("--memory", "256m", "--memory-swap", "256m", *unbuilt)

    wait_for(lambda: "memory ran out" in container.log, what="a build ended for want of memory")

    assert container.until("/healthz").status_code == 200
    assert container.inspect(".State.Running")


def test_the_other_commands_run_in_the_image(built: Options) -> None:
    listed = json.loads(docker("run", "--rm", *built, IMAGE, "models", "--json"))["models"]
    assert {"name": "toy", "version": 1, "file": "toy.keras", "state": "built"} in listed
    assert "Conv2D" in docker("run", "--rm", *built, IMAGE, "layers", "toy")
    docker("run", "--rm", IMAGE, "build")  # nothing: all is built in


# ---------------------------------------------------------------------------------------------------- slim


def test_slim_has_no_tensorflow_and_says_what_to_do_about_a_saved_model(
    run: Run, folder: Path, toy: Path, seven: bytes
) -> None:
    shutil.copy(toy, folder)
    container = run("--volume", f"{folder}:/bundles:ro", image=SLIM)

    wait_for(lambda: "can serve bundles but not build them" in reason(container, "toy"), what="the diagnosis")

    assert container.until("/healthz").ok
    assert "ai_edge_litert" in (installed := docker("exec", container.name, "sh", "-c", "ls /opt/convoy/lib/*/*"))
    assert "tensorflow" not in installed


def test_slim_serves_a_folder_that_full_wrote_and_what_is_dropped_into_it(
    run: Run, volume: Callable[[], str], folder: Path, toy: Path, seven: bytes
) -> None:
    shutil.copy(toy, folder)
    (folder / "toy.toml").write_text('labels = ["ant", "bee", "cow"]')
    shipped = volume()
    docker(
        "run", "--rm", "--user", "0", "--volume", f"{folder}:/models:ro", "--volume", f"{shipped}:/shipped",
        IMAGE, "build", "--out", "/shipped",
    )  # fmt: skip
    container = run(*LOCKED_DOWN, "--volume", f"{shipped}:/bundles:ro", image=SLIM)

    answer = container.until(predict("toy"), data=seven).json()

    assert answer["predictions"][0]["label"] in ("ant", "bee", "cow")


def reason(container: Container, name: str) -> str:
    """Return why a model does not answer."""
    found = container.until("/v2/repository/index", data=b"{}").json()
    return str(next((one["reason"] for one in found if one["name"] == name), ""))
