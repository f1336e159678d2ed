"""What deploy/, the compose file and the Dockerfile say fits what the server does: limits, times, versions, names."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

import service
from service.settings import PREFIX, Settings
from tests.conftest import ROOT

NGINX = (ROOT / "deploy/nginx/nginx.conf").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SETTINGS = Settings.read(environ={})
MANIFESTS = sorted(path for folder in ("kubernetes", "kserve") for path in (ROOT / "deploy" / folder).glob("*.yaml"))
SHIPPED = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *MANIFESTS]


def graceful_seconds() -> int:
    return int(runpy.run_path(str(Path(service.__file__).with_name("gunicorn.conf.py")))["graceful_timeout"])


def nginx_says(name: str) -> str:
    (found,) = re.findall(rf"^\s*{name} ([^;]+);", NGINX, re.MULTILINE)
    return str(found)


def test_nginx_takes_bodies_of_the_size_that_the_server_takes() -> None:
    assert nginx_says("client_max_body_size") == f"{SETTINGS.max_body_bytes // 2**20}m"


def test_nginx_waits_longer_than_the_server_answers_and_asks_no_other_replica_after_such_a_wait() -> None:
    wait = int(nginx_says("proxy_read_timeout").removesuffix("s"))

    assert wait > SETTINGS.request_timeout
    assert wait > int(nginx_says("proxy_next_upstream_timeout").removesuffix("s"))


def test_nginx_writes_under_tmp_alone() -> None:
    paths = re.findall(r"^\s*(?:pid|\w+_temp_path) ([^;]+);", NGINX, re.MULTILINE)

    assert len(paths) == 6
    assert all(path.startswith("/tmp/") for path in paths)


def test_compose_and_kubernetes_give_a_stop_the_time_it_may_take() -> None:
    assert int(COMPOSE["services"]["convoy"]["stop_grace_period"].removesuffix("s")) > graceful_seconds()
    pod = yaml.safe_load((ROOT / "deploy/kubernetes/deployment.yaml").read_text("utf-8"))["spec"]["template"]["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + graceful_seconds()


@pytest.mark.parametrize("name", ["convoy", "nginx", "prometheus", "grafana"])
def test_every_service_of_the_compose_file_is_confined(name: str) -> None:
    said = COMPOSE["services"][name]

    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in said


def test_only_the_proxy_is_published_beyond_this_machine_and_convoy_has_no_way_out() -> None:
    assert [name for name, said in COMPOSE["services"].items() if "ports" in said] == ["nginx", "grafana"]
    assert COMPOSE["services"]["convoy"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_variable_named_is_a_setting(path: Path) -> None:
    text = re.sub(r"\$\{[^}]*\}", "", path.read_text("utf-8"))  # what compose itself reads
    named = set(re.findall(r"(?<![$.\w])CONVOY_[A-Z_]+", "\n".join(line.split(" # ")[0] for line in text.splitlines()
                                                             if not line.lstrip().startswith("#"))))  # fmt: skip

    assert named - {PREFIX + name.upper() for name in Settings.__slots__} == set()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_manifests_name_the_images_of_this_version(path: Path) -> None:
    tags = re.findall(r"(?:registry\.example/[\w-]+:|newTag: )\"?([^\s\"]+)", path.read_text("utf-8"))

    assert set(tags) <= {service.__version__}


def test_the_dockerfile_pulls_no_frontend() -> None:
    assert "# syntax" not in (ROOT / "Dockerfile").read_text("utf-8")
