"""The command line, run as a user runs it."""

import json
import socket
from pathlib import Path

import pytest

from tests import toys
from tests.commands import Convoy
from tests.pictures import encoded, noise

pytest.importorskip("keras")

TLS = Path(__file__).parents[1] / "data/tls"
COMMANDS = [
    "serve", "build", "check", "init", "models", "layers", "predict", "preview", "evaluate", "calibrate", "diff",
]  # fmt: skip


def test_help_teaches_what_to_type_first(convoy: Convoy) -> None:
    text = convoy("--help").stdout

    for word in ("convoy serve models", *COMMANDS):
        assert word in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_and_names_its_variables(convoy: Convoy, command: str) -> None:
    done = convoy(command, "--help")

    assert done.returncode == 0
    assert "CONVOY_CACHE_DIR" in done.stdout


def test_a_file_is_classified_without_a_server(convoy: Convoy, bundled_models: Path, examples: Path) -> None:
    done = convoy("predict", bundled_models / "mnist/1/model.keras", *sorted(examples.glob("*-light-on-dark.*")))

    assert done.returncode == 0, done.stderr
    answers = {Path(line.split(":")[0]).name.split("-")[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert answers["seven"] == "7"
    assert answers["three"] == "3"


def test_a_name_is_classified_too_and_as_json(convoy: Convoy, bundled_models: Path, examples: Path) -> None:
    picture = examples / "seven-light-on-dark.png"
    done = convoy("predict", "mnist", picture, "--json", "--models-dir", bundled_models)

    body = json.loads(done.stdout)
    assert body["model"] == {"name": "mnist", "version": 1, "engine": "litert"}
    assert body["predictions"][0]["label"] == "7"
    assert body["predictions"][0]["input"]["filename"] == str(picture)


def test_a_picture_that_cannot_be_read_does_not_keep_others_from_being_answered(
    convoy: Convoy, bundled_models: Path, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = bundled_models / "mnist/1/model.keras"
    done = convoy("predict", model, tmp_path / "bad.png", examples / "seven-light-on-dark.png")

    assert done.returncode == 1
    assert "no image" in done.stdout.splitlines()[0]
    assert " 7 " in done.stdout.splitlines()[1]


def test_layers_are_shown_as_a_table(convoy: Convoy, bundled_models: Path) -> None:
    text = convoy("layers", bundled_models / "mnist/1/model.keras").stdout

    for row in ("26x26x32", "13x13x32", "11x11x64", "5x5x64", "1600", "225,034 parameters"):
        assert row in text


def test_build_shows_progress_and_a_second_build_costs_nothing(convoy: Convoy, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "folder/fresh.keras", seed=77)

    first, second = convoy("build", "folder"), convoy("build", "folder")

    assert first.returncode == second.returncode == 0
    assert "loading with Keras" in first.stderr
    assert "differs from Keras by at most" in first.stderr
    assert "loading with Keras" not in second.stderr


def test_build_says_what_failed_and_builds_the_rest(convoy: Convoy, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "folder/sound.keras", seed=78)
    toys.truncated(tmp_path / "folder/sound.keras", tmp_path / "folder/broken.keras")

    done = convoy("build", "folder", "--json")

    results = {one["name"]: one["diagnosis"] for one in json.loads(done.stdout)["builds"]}
    assert done.returncode == 1
    assert results["sound"] is None
    assert results["broken"]


def test_models_lists_what_is_there_and_what_is_built(convoy: Convoy, models: Path, tmp_path: Path) -> None:
    convoy("build", models)
    toys.save_small_cnn(tmp_path / "folder/never-built.keras", seed=79)

    built = json.loads(convoy("models", models, "--json").stdout)["models"]
    unbuilt = json.loads(convoy("models", "folder", "--json").stdout)["models"]

    assert built == [{"name": "mnist", "version": 1, "file": "model.keras", "state": "built"}]
    assert [one["state"] for one in unbuilt] == ["not built yet"]


def test_mistakes_are_one_line(convoy: Convoy, tmp_path: Path, bundled_models: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "fake.keras").write_text("hello")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        mistakes = {
            "nowhere does not exist": convoy("serve", "nowhere"),
            "notes.txt is no saved Keras model": convoy("serve", "notes.txt"),
            "fake.keras is no saved Keras model": convoy("serve", "fake.keras"),
            f"port {port}": convoy("serve", bundled_models, "--port", port),
            "CONVOY_PORT": convoy("serve", bundled_models, CONVOY_PORT="many"),
            "CONVOY_WORKERS": convoy("serve", bundled_models, "--workers", "0"),
            "set CONVOY_TLS_CERT": convoy("serve", bundled_models, "--tls-key", "key.pem"),
            "No such file": convoy("serve", bundled_models, "--tls-cert", "none.pem"),
            "cannot be used": convoy("serve", bundled_models, "--tls-cert", TLS / "cert.pem"),
            "no_layers.py is no Python file": convoy("build", bundled_models, "--trust-code", "no_layers.py"),
            "notes.txt is no Python file": convoy("build", bundled_models, "--trust-code", "notes.txt"),
            "'nope' is no saved model": convoy("layers", "nope", "--models-dir", bundled_models),
        }

    for expected, done in mistakes.items():
        assert expected in done.stderr, done.stderr
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr


def test_a_model_that_cannot_be_served_is_one_line_with_its_reason(convoy: Convoy, tmp_path: Path) -> None:
    toys.save_with_lambda(tmp_path / "toy.keras", marker=tmp_path / "marker")
    (tmp_path / "picture.png").write_bytes(encoded(noise(4, 4)))

    done = convoy("predict", "toy.keras", "picture.png")

    assert done.returncode == 2
    assert "Lambda" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "marker").exists()


def test_a_misspelt_variable_is_pointed_out(convoy: Convoy, bundled_models: Path) -> None:
    done = convoy("models", bundled_models, CONVOY_MODEL_DIR="elsewhere")

    assert "did you mean CONVOY_MODELS_DIR?" in done.stderr
    assert done.returncode == 0
