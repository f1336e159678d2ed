"""The wheel: all that lies in `service/`, under the one version there is."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import service
from tests.conftest import ROOT

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True
    )  # fmt: skip
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def test_it_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    there = {path for path in (ROOT / "service").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == {path.relative_to(ROOT).as_posix() for path in there}
    assert packed >= {"service/gunicorn.conf.py", "service/web/templates/page.html"}


def test_it_has_the_version_of_the_package_and_gives_the_command(wheel: zipfile.ZipFile) -> None:
    (folder,) = {Path(name).parts[0] for name in wheel.namelist() if ".dist-info/" in name}
    said = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())

    assert (said["Name"], said["Version"]) == ("convoy-serve", service.__version__)
    assert set(said.get_all("Provides-Extra") or ()) >= {"build", "offline", "openvino", "ray"}
    assert b"convoy = service.cli:main" in wheel.read(f"{folder}/entry_points.txt")
