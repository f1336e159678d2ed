"""Settings: command line over environment over default, and values that are refused."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from service.errors import SettingsError
from service.settings import Settings, misspelt_settings, setting_help, usable_cores


def read(environ: dict[str, str] | None = None, **overrides: Any) -> Settings:
    return Settings.read(overrides, environ=environ or {})


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        read(environ)
    return caught.value.message


# ------------------------------------------------------------------------------------------------- which one wins


def test_without_anything_the_defaults_hold() -> None:
    settings = read()
    assert (settings.host, settings.port, settings.ready, settings.log_level) == ("127.0.0.1", 8000, "all", "info")


def test_the_environment_wins_over_the_default() -> None:
    assert read({"CONVOY_PORT": "9000"}).port == 9000


def test_the_command_line_wins_over_the_environment() -> None:
    assert read({"CONVOY_PORT": "9000"}, port="9001").port == 9001


def test_an_option_that_was_not_given_leaves_the_environment() -> None:
    assert read({"CONVOY_PORT": "9000"}, port=None).port == 9000


def test_an_option_may_already_be_parsed() -> None:
    assert read(port=9001, models_dir=Path("/srv/models")) == read(port="9001", models_dir="/srv/models")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read({"CONVOY_PORT": "", "CONVOY_RUNTIME_DIR": ""}) == read()


@pytest.mark.parametrize("name", ["keys", "keys_file", "admin_key"])
def test_what_guards_the_server_must_not_be_empty(name: str) -> None:
    variable = f"CONVOY_{name.upper()}"
    message = f"{variable} is set but empty; give it a value, or do not set it at all."

    assert refusal({variable: ""}) == message
    with pytest.raises(SettingsError, match="set but empty"):
        Settings.read({name: ""}, environ={})
    assert Settings.read({name: None}, environ={}) == read()


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_PORT", "9000")
    assert Settings.read().port == 9000


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Settings)])
def test_every_setting_has_a_line_of_help_that_names_its_variable(name: str) -> None:
    assert setting_help(name).endswith(f". [CONVOY_{name.upper()}]")


# --------------------------------------------------------------------------------------------------------- parsing


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20MiB", 20 * 1024**2),
        ("20 MiB", 20 * 1024**2),
        ("20mib", 20 * 1024**2),
        ("20MB", 20 * 1024**2),
        ("20M", 20 * 1024**2),
        ("64KiB", 64 * 1024),
        ("64k", 64 * 1024),
        ("8GiB", 8 * 1024**3),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("0.5k", 512),
        (" 100 ", 100),
        ("100B", 100),
        ("20971520", 20971520),
    ],
)
def test_bytes_can_be_given_with_a_unit(text: str, number: int) -> None:
    assert read({"CONVOY_MAX_IMAGE_BYTES": text}).max_image_bytes == number


def test_a_path_is_made_absolute_and_a_tilde_is_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    settings = read({"CONVOY_CACHE_DIR": "~/bundles", "CONVOY_MODELS_DIR": "my/models"})
    assert (settings.cache_dir, settings.models_dir) == (Path("/home/ada/bundles"), tmp_path / "my/models")


def test_the_models_folder_is_models_here_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read().models_dir == tmp_path / "models"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/var/cache", "HOME": "/home/ada"}, "/var/cache/convoy"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/convoy"),
    ],
)
def test_the_cache_is_in_the_users_cache_folder_by_default(environ: dict[str, str], folder: str) -> None:
    assert read(environ).cache_dir == Path(folder)


def test_there_is_a_worker_per_usable_core_by_default() -> None:
    assert read().workers == usable_cores()


def test_at_least_one_and_at_most_all_cores_are_usable() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("text", "level"), [("INFO", "info"), ("Debug", "debug"), ("warning", "warning")])
def test_the_log_level_is_taken_in_any_case(text: str, level: str) -> None:
    assert read({"CONVOY_LOG_LEVEL": text}).log_level == level


@pytest.mark.parametrize(
    ("text", "is_on"), [("1", True), ("true", True), ("Yes", True), (" on ", True), ("0", False), ("no", False)]
)
def test_a_switch_is_taken_in_the_words_people_use(text: str, is_on: bool) -> None:
    assert read({"CONVOY_ALLOW_SAVED_MODEL": text}).allow_saved_model is is_on


# --------------------------------------------------------------------------------------------------------- refused

BAD = {
    "a switch half on": ("ALLOW_SAVED_MODEL", "maybe", "must be 1 or 0 (or true, yes, on, false, no, off)."),
    "port over": ("PORT", "65536", "must be a port, 0 to 65535."),
    "port under": ("PORT", "-1", "must be a port, 0 to 65535."),
    "port in words": ("PORT", "http", ""),
    "no workers": ("WORKERS", "0", "must be at least 1."),
    "half a worker": ("WORKERS", "1.5", ""),
    "no threads": ("THREADS", "0", "must be at least 1."),
    "no seconds": ("POLL_SECONDS", "0", "must be a number over 0."),
    "past": ("POLL_SECONDS", "-1", "must be a number over 0."),
    "no number": ("REQUEST_TIMEOUT", "nan", "must be a number over 0."),
    "for ever": ("REQUEST_TIMEOUT", "inf", "must be a number over 0."),
    "seconds in words": ("BUILD_TIMEOUT", "5 minutes", ""),
    "unknown unit": ("MAX_IMAGE_BYTES", "20MiX", ""),
    "half a unit": ("MAX_IMAGE_BYTES", "20iB", "must be a number of bytes such as 20MiB."),
    "unit alone": ("MAX_IMAGE_BYTES", "MiB", ""),
    "no bytes": ("MAX_BODY_BYTES", "0", "must be at least 1."),
    "fewer bytes than none": ("MAX_BODY_BYTES", "-1MiB", "must be at least 1."),
    "less than a byte": ("MAX_BODY_BYTES", "0.5", "must be at least 1."),
    "bytes without end": ("MAX_BODY_BYTES", "inf", ""),
    "bytes no float holds": ("MAX_BODY_BYTES", "1e400MiB", ""),
    "bytes that are no number": ("BUILD_MEMORY", "nan", ""),
    "log level": ("LOG_LEVEL", "loud", "must be debug, info, warning or error."),
    "blank readiness": ("READY", "  ", "must be all, any, or model names separated by commas."),
    "a model in a folder": ("DEFAULT_MODEL", "a/b", "must be the name of a model, as GET /api/models lists it."),
    "a route without a slash": ("PREDICT_ROUTE", "predict", "must be an address such as /predict, without < and >."),
    "a route with a variable": ("HEALTH_ROUTE", "/<name>", "must be an address such as /predict, without < and >."),
    "home of nobody": ("CACHE_DIR", "~nobody-of-that-name/x", ""),
}


@pytest.mark.parametrize(("name", "text", "reason"), BAD.values(), ids=BAD)
def test_a_value_that_cannot_be_used_is_refused_naming_variable_option_and_value(
    name: str, text: str, reason: str
) -> None:
    option = "--" + name.lower().replace("_", "-")
    message = refusal({f"CONVOY_{name}": text})
    assert message.startswith(f"CONVOY_{name} (or {option}) is {text!r}: {reason}")
    assert message.endswith(".")


def test_a_bad_option_is_refused_like_a_bad_variable() -> None:
    with pytest.raises(SettingsError, match=r"^CONVOY_PORT \(or --port\) is '99999': must be a port, 0 to 65535\.$"):
        read(port="99999")


def test_a_bad_variable_does_no_harm_where_an_option_overrides_it() -> None:
    assert read({"CONVOY_PORT": "http"}, port="9000").port == 9000


# ---------------------------------------------------------------------------------- what an orchestrator puts there

KUBERNETES = {
    "CONVOY_PORT": "tcp://10.0.0.1:8000",
    "CONVOY_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "CONVOY_PORT_8000_TCP_ADDR": "10.0.0.1",
    "CONVOY_PORT_8000_TCP_PORT": "8000",
    "CONVOY_PORT_8000_TCP_PROTO": "tcp",
    "CONVOY_SERVICE_HOST": "10.0.0.1",
    "CONVOY_SERVICE_PORT": "8000",
    "CONVOY_SERVICE_PORT_HTTP": "8000",
}


def test_variables_of_a_kubernetes_service_named_convoy_change_nothing() -> None:
    assert read(KUBERNETES) == read()


def test_variables_of_a_kubernetes_service_are_not_called_misspelt() -> None:
    assert misspelt_settings(KUBERNETES) == {}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CONVOY_MODEL_DIR", "CONVOY_MODELS_DIR"),
        ("CONVOY_WORKER", "CONVOY_WORKERS"),
        ("CONVOY_MAX_IMAGES_BYTES", "CONVOY_MAX_IMAGE_BYTES"),
        ("CONVOY_LOGLEVEL", "CONVOY_LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_probably_meant(written: str, meant: str) -> None:
    assert misspelt_settings({written: "1", "PATH": "/bin", "CONVOY_HOST": "::"}) == {written: meant}


VERTEX = {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": "/health", "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict"}


def test_what_vertex_sets_counts_where_nothing_of_ours_is_set() -> None:
    settings = read(VERTEX)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert (settings.health_route, settings.predict_route) == ("/health", "/v1/endpoints/1:predict")


def test_our_own_settings_win_over_what_vertex_sets() -> None:
    settings = read(VERTEX | {"CONVOY_PORT": "9000", "CONVOY_HOST": "127.0.0.1"}, health_route="/ping")
    assert (settings.host, settings.port, settings.health_route) == ("127.0.0.1", 9000, "/ping")


@pytest.mark.parametrize(("name", "text"), [("AIP_HTTP_PORT", "http"), ("AIP_PREDICT_ROUTE", "predict/<name>")])
def test_a_bad_variable_of_vertex_is_refused_by_its_own_name(name: str, text: str) -> None:
    assert refusal({name: text}).startswith(f"{name} (or --")


# ------------------------------------------------------------------------------------------------ the runtime folder


def test_a_runtime_folder_is_made_where_none_was_set() -> None:
    settings = read().with_runtime_dir()
    assert settings.runtime_dir is not None
    assert settings.runtime_dir.is_dir()
    settings.runtime_dir.rmdir()


def test_the_runtime_folder_that_was_set_is_made_and_kept(tmp_path: Path) -> None:
    settings = read({"CONVOY_RUNTIME_DIR": str(tmp_path / "a" / "b")}).with_runtime_dir()
    assert settings.runtime_dir == tmp_path / "a" / "b"
    assert settings.runtime_dir.is_dir()
