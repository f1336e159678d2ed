"""`convoy classify`, run as a user runs it: every picture has its row, whatever happens on the way."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.archives import write_corners
from tests.commands import Convoy
from tests.prebuilt import prebuild
from tests.ready_made import CORNERS, ReadyMade, corner
from tests.servers import children, wait_for
from tests.shades import LABELS, save_shade_model, write_shades, write_sidecar

COUNT = 1_500
TOP = ("top_labels", "top_indices", "top_probabilities")
Classify = Callable[..., "subprocess.CompletedProcess[str]"]


class Archive:
    """A folder of many pictures, and a model that is built already."""

    def __init__(self, folder: Path) -> None:
        self.ready_made = ReadyMade(folder)
        self.ready_made.add("corners", 1)
        self.pictures = folder / "pictures"
        self.labels = write_corners(self.pictures, COUNT)

    @property
    def words(self) -> tuple[object, ...]:
        return ("--model", "corners", "--models-dir", self.ready_made.models)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def convoy(archive: Archive, tmp_path: Path) -> Convoy:
    return Convoy(archive.ready_made.cache, tmp_path)


@pytest.fixture
def classify(convoy: Convoy, archive: Archive) -> Classify:
    """Classify with the tiny model: `classify(folder, out="x.csv", …)`."""

    def run(pictures: object, *words: object, out: object = "out.jsonl") -> "subprocess.CompletedProcess[str]":
        return convoy("classify", pictures, *archive.words, "--out", out, *words)

    return run


@pytest.fixture(scope="module")
def whole(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What comes out where nothing happens on the way."""
    folder = tmp_path_factory.mktemp("whole")
    done = Convoy(archive.ready_made.cache, folder)("classify", archive.pictures, *archive.words, "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    return folder / "out.jsonl"


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def start(archive: Archive, folder: Path, *words: object, out: str = "out.jsonl") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "service.cli", "classify", archive.pictures, *archive.words, "--out", out, *words]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONVOY_")}
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env=environ | {"CONVOY_CACHE_DIR": str(archive.ready_made.cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def await_parts(process: "subprocess.Popen[str]", folder: Path, count: int, *, out: str = "out.jsonl") -> None:
    noted = folder / f"{out}.parts/_done.jsonl"
    wait_for(lambda: noted.exists() and noted.read_bytes().count(b"\n") >= count, what=f"{count} parts")
    assert process.poll() is None, "it was over too soon to be broken off"


def test_every_picture_has_its_row_in_the_order_of_the_paths(archive: Archive, whole: Path) -> None:
    rows = rows_of(whole)

    paths = [str(one.relative_to(archive.pictures)) for one in sorted(archive.pictures.glob("*/*.png"))]
    assert [one["path"] for one in rows] == paths
    assert [one["label"] for one in rows] == archive.labels
    assert list(rows[0]) == [
        *("path", "label", "index", "probability", *TOP),
        *("width", "height", "format", "error"),
    ]
    assert rows[5] | {"probability": 0} | {name: [] for name in TOP} == {
        "path": "00/00005.png", "label": "top right", "index": 1, "probability": 0,
        "top_labels": [], "top_indices": [], "top_probabilities": [],
        "width": 64, "height": 64, "format": "PNG", "error": None,
    }  # fmt: skip
    assert not whole.with_name("out.jsonl.parts").exists()


def test_the_numbers_are_those_of_a_server(convoy: Convoy, archive: Archive, whole: Path) -> None:
    files = sorted(archive.pictures.glob("02/*.png"))[:40]

    done = convoy("predict", "corners", *files, "--models-dir", archive.ready_made.models, "--top-k", 3, "--json")

    rows = {one["path"]: one for one in rows_of(whole)}
    for file, expected in zip(files, json.loads(done.stdout)["predictions"], strict=True):
        row = rows[f"02/{file.name}"]
        assert (row["label"], row["probability"]) == (expected["label"], expected["probability"])
        assert row["top_probabilities"] == [one["probability"] for one in expected["top"]]


def test_the_three_forms_hold_the_same(classify: Classify, tmp_path: Path, archive: Archive, whole: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = [one for one in rows_of(whole) if one["path"].startswith("00/")]
    pictures = archive.pictures / "00"

    for out in ("out.parquet", "out.csv"):
        assert classify(pictures, out=out).returncode == 0

    found = parquet.read_table(tmp_path / "out.parquet")
    for row, one in zip(found.to_pylist(), expected, strict=True):
        assert row["path"] == one["path"].removeprefix("00/")
        assert (row["label"], row["index"], row["error"]) == (one["label"], one["index"], None)
        assert np.float32(row["probability"]) == np.float32(one["probability"])
        assert row["top_labels"] == one["top_labels"]
    assert json.loads(found.schema.metadata[b"convoy"])["model"] == "corners"
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        for line, one in zip(csv.DictReader(file), expected, strict=True):
            assert (line["label"], float(line["probability"])) == (one["label"], one["probability"])
            assert json.loads(line["top_labels"]) == one["top_labels"]


def test_killed_half_way_it_goes_on_and_ends_with_the_same_bytes(
    classify: Classify, tmp_path: Path, archive: Archive, whole: Path
) -> None:
    process = start(archive, tmp_path, "--workers", 2)
    await_parts(process, tmp_path, 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out.jsonl").exists()
    (tmp_path / "out.jsonl.parts/part-000001.jsonl").write_text("cut off", "utf-8")  # as a power cut may leave it

    done = classify(archive.pictures, "--json")

    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["resumed"] < COUNT
    assert (tmp_path / "out.jsonl").read_bytes() == whole.read_bytes()
    assert not (tmp_path / "out.jsonl.parts").exists()


def test_a_signal_ends_it_cleanly_and_says_how_to_go_on(classify: Classify, tmp_path: Path, archive: Archive) -> None:
    pytest.importorskip("pyarrow")
    process = start(archive, tmp_path, "--workers", 1, out="out.parquet")
    await_parts(process, tmp_path, 2, out="out.parquet")
    (worker,) = children(process.pid)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert "run the same command again to go on" in told
    assert not Path(f"/proc/{worker}").exists()
    other = classify(archive.pictures, "--top-k", 2, out="out.parquet")
    assert other.returncode == 2
    assert "--top-k 3, now 2" in other.stderr
    assert classify(archive.pictures, out="out.parquet").returncode == 0


def test_a_process_that_is_killed_is_replaced(tmp_path: Path, archive: Archive, whole: Path) -> None:
    process = start(archive, tmp_path, "--workers", 1)
    await_parts(process, tmp_path, 2)
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)

    _, told = process.communicate(timeout=60)

    assert process.returncode == 0, told
    assert (tmp_path / "out.jsonl").read_bytes() == whole.read_bytes()


def test_two_at_work_on_the_same_output_are_one_too_many(tmp_path: Path, classify: Classify, archive: Archive) -> None:
    process = start(archive, tmp_path, "--workers", 1)
    await_parts(process, tmp_path, 1)
    process.send_signal(signal.SIGSTOP)
    try:
        second = classify(archive.pictures)
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)

    assert second.returncode == 2
    assert "Another convoy classify is at work on out.jsonl" in second.stderr
    assert process.returncode == 0


def test_bad_files_have_rows_with_their_error_and_stop_nothing(classify: Classify, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(corner(number))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(corner(2))

    done = classify("mixed")

    assert done.returncode == 1
    rows = {one["path"]: one for one in rows_of(tmp_path / "out.jsonl")}
    assert sorted(rows) == ["0.png", "1.png", "2.png", "3.png", "broken.png", "caf\\xe9.png", "gone.png"]
    assert [rows[f"{number}.png"]["label"] for number in range(4)] == list(CORNERS)
    assert rows["caf\\xe9.png"]["label"] == CORNERS[2]
    assert rows["gone.png"]["error"] == "The file cannot be read: No such file or directory."
    assert rows["broken.png"]["error"].startswith("The bytes are no image of a kind that is read here.")
    assert {rows["broken.png"][name] for name in ("label", "index", "probability", "top_labels", "width")} == {None}
    assert "7 pictures" in done.stdout
    assert "2 could not be answered" in done.stdout
    assert "broken.png: The bytes are no image" in done.stdout
    assert "1 .txt" in done.stdout


def test_a_pattern_takes_what_fits_and_a_folder_of_parts_is_left_where_asked(
    classify: Classify, tmp_path: Path, archive: Archive
) -> None:
    done = classify(archive.pictures / "**/0001?.png", "--no-join", "--top-k", 0, "--probabilities")

    assert done.returncode == 0, done.stderr
    (part,) = (tmp_path / "out.jsonl").glob("part-*.jsonl")
    rows = rows_of(part)
    assert [one["path"] for one in rows] == [f"00/000{number}.png" for number in range(10, 20)]
    assert "top_labels" not in rows[0]
    assert len(rows[0]["probabilities"]) == len(CORNERS)
    assert sorted(one.name for one in (tmp_path / "out.jsonl").iterdir() if one != part) == ["_done.jsonl", "_job.json"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("empty",), "holds no pictures, but 1 other files"),
        (("empty/*.png",), "fits the pattern"),
        (("empty", "other"), "put it in quotes"),
        (("empty", "--out", "out.xlsx"), "expected .parquet, .csv or .jsonl"),
        (("empty", "--out", "there.csv"), "there.csv is there already"),
        (("empty", "--out", "nowhere/out.csv"), "is no folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(classify: Classify, tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.txt").touch()
    (tmp_path / "there.csv").touch()

    done = classify(*words)

    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("*.parts"))


def test_a_saved_file_is_taken_as_predict_takes_it(tmp_path: Path, cache: Path) -> None:
    save_shade_model(tmp_path / "models/shades.keras", sharpness=2.0)
    write_sidecar(tmp_path / "models/shades.toml", "[preprocessing]", 'scale = "0..1"')
    prebuild(tmp_path / "models", cache)
    folder = write_shades(tmp_path / "pictures", per_class=3)
    (folder / LABELS[0] / "000.png").write_bytes(b"no picture")
    convoy = Convoy(cache, tmp_path)

    done = convoy("classify", folder, "--model", "models/shades.keras", "--out", "out.csv", "--json")

    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["pictures"] == 12
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [one["path"] for one in rows] == sorted(f"{label}/00{number}.png" for label in LABELS for number in range(3))
    assert all(one["label"] == Path(one["path"]).parent.name for one in rows if not one["error"])
