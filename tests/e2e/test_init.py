"""`convoy init`: a `model.toml` to start from."""

import json
import shutil
from pathlib import Path

import pytest

from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import find_sources
from tests.commands import Convoy

pytest.importorskip("keras")


@pytest.fixture
def mnist(tmp_path: Path, bundled_models: Path) -> Path:
    """A copy of `mnist` in a models folder, without its sidecar."""
    path = tmp_path / "models/mnist/1/model.keras"
    path.parent.mkdir(parents=True)
    shutil.copy(bundled_models / "mnist/1/model.keras", path)
    return path


def test_what_it_writes_is_read_by_the_server_and_changes_no_answer(
    convoy: Convoy, mnist: Path, examples: Path
) -> None:
    question = ("predict", "mnist", examples / "seven-light-on-dark.png", "--json")
    before = convoy(*question).stdout

    done = convoy("init", mnist)

    assert done.returncode == 0, done.stderr
    assert str(mnist.with_name("model.toml")) in done.stdout
    (source,) = find_sources(mnist.parents[2])
    assert set(read_sidecar(source)) == {"preprocessing", "output"}
    assert json.loads(convoy(*question).stdout) == json.loads(before)


def test_a_line_taken_out_of_its_comment_is_in_force(convoy: Convoy, mnist: Path) -> None:
    convoy("init", mnist)
    written = mnist.with_name("model.toml")
    written.write_text(written.read_text("utf-8").replace('# scale = "0..1"', 'scale = "-1..1"'), "utf-8")

    (source,) = find_sources(mnist.parents[2])
    assert parse_sidecar(read_sidecar(source)).recipe_values("image") == {"scale": "-1..1"}


def test_a_file_that_is_there_is_only_replaced_by_force(convoy: Convoy, mnist: Path) -> None:
    there = mnist.with_name("model.toml")
    there.write_text("no TOML at all")

    refused = convoy("init", mnist)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "--force" in refused.stderr
    assert there.read_text() == "no TOML at all"

    assert convoy("init", "mnist", "--force").returncode == 0
    assert "# scale = " in there.read_text()


def test_it_can_be_printed_instead(convoy: Convoy, mnist: Path) -> None:
    printed = convoy("init", mnist, "--stdout").stdout
    as_json = json.loads(convoy("init", mnist, "--stdout", "--json").stdout)

    assert as_json == {"file": str(mnist.with_name("model.toml")), "written": False, "text": printed}
    assert "[preprocessing]\n# scale = " in printed
    assert not mnist.with_name("model.toml").exists()


def test_a_place_that_cannot_be_written_is_told_in_one_line(convoy: Convoy, mnist: Path) -> None:
    mnist.with_name("model.toml").mkdir()

    done = convoy("init", mnist, "--force")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("--stdout prints the text.")
    assert "Traceback" not in done.stderr
