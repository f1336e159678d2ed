"""`live.json`: what the workers of one server share."""

import json
import threading
from pathlib import Path

import pytest

from service.model.tuning import Choice
from service.serving.live import LIVE_FILE, LiveFile, LiveView, VersionState

VIEW = LiveView(
    models={
        "mnist": {
            3: VersionState("building", step="exporting"),
            2: VersionState("live", "ab-1", {"labels": ["0", "1"]}, choice=Choice("openvino", threads=2, chunk=1)),
            1: VersionState("failed", "cd-1", diagnosis="It holds a Lambda."),
        },
        "cats": {10: VersionState("live", "ef-1"), 9: VersionState("live", "gh-1")},
    },
    ready=True,
    awaited=("mnist",),
    warnings=("The models folder is empty all at once; what was live stays live.",),
)


@pytest.fixture
def file(tmp_path: Path) -> LiveFile:
    return LiveFile(tmp_path)


def test_before_anything_was_written_there_is_no_view(file: LiveFile) -> None:
    assert file.read() is None
    assert file.stamp() is None


def test_an_empty_view_is_not_ready() -> None:
    assert not LiveView().ready


def test_a_view_is_read_as_it_was_written(file: LiveFile) -> None:
    file.write(VIEW)
    assert file.read() == VIEW


def test_versions_keep_their_order(file: LiveFile) -> None:
    file.write(VIEW)
    view = file.read()
    assert view is not None
    assert list(view.models["mnist"]) == [3, 2, 1]


def test_a_view_replaces_the_one_before(file: LiveFile) -> None:
    file.write(VIEW)
    file.write(LiveView())
    assert file.read() == LiveView()


def test_the_stamp_changes_with_every_write(file: LiveFile) -> None:
    file.write(VIEW)
    first = file.stamp()
    file.write(VIEW)
    assert first is not None
    assert file.stamp() != first


def test_the_stamp_stays_while_nothing_is_written(file: LiveFile) -> None:
    file.write(VIEW)
    assert file.stamp() == file.stamp()


def test_writing_leaves_one_file_of_plain_json(file: LiveFile, tmp_path: Path) -> None:
    file.write(VIEW)
    assert [path.name for path in tmp_path.iterdir()] == [LIVE_FILE]
    assert json.loads((tmp_path / LIVE_FILE).read_text())["models"]["cats"]["10"]["fingerprint"] == "ef-1"


def test_a_reader_never_sees_half_a_view(file: LiveFile) -> None:
    big = LiveView(models={f"model{n}": {1: VersionState("live", "ab-1")} for n in range(100)})
    file.write(big)

    def write() -> None:
        for _ in range(30):
            file.write(big)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert file.read() == big
    writer.join()


def test_live_versions_come_highest_first() -> None:
    assert VIEW.live_versions("cats") == [10, 9]


@pytest.mark.parametrize(("name", "versions"), [("mnist", [2]), ("unknown", [])])
def test_only_live_versions_are_live(name: str, versions: list[int]) -> None:
    assert VIEW.live_versions(name) == versions
