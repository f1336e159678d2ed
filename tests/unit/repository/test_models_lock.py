"""`models.lock`: its form is that of sha256sum, and it knows the files of every kind of source."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.errors import LockError
from service.repository.bundles import fingerprint_of
from service.repository.models_lock import LOCK_FILE, ModelsLock, base_of, hashes_of, lock_path, lock_text, read_lock
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources

DIGEST = "ab" * 32


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """One model of each kind: a file, weights with their architecture, a SavedModel."""
    put(tmp_path / "loose.keras", b"loose")
    put(tmp_path / "pair/1/model.weights.h5", b"weights")
    put(tmp_path / "pair/1/model.json", b'{"class_name": "Sequential"}')
    put(tmp_path / "program/2/saved_model.pb", b"program")
    put(tmp_path / "program/2/variables/variables.index", b"index")
    put(tmp_path / "program/2/assets/a word", b"asset")
    return tmp_path


def locked(models: Path) -> ModelsLock:
    (models / LOCK_FILE).write_text(lock_text(hashes_of(find_sources(models), models)))
    return read_lock(models / LOCK_FILE, models)


def source(models: Path, name: str) -> Source:
    return next(one for one in find_sources(models) if one.name == name)


def test_a_lock_has_every_file_of_every_source_sorted(models: Path) -> None:
    assert list(locked(models).hashes) == [
        "loose.keras",
        "pair/1/model.json",
        "pair/1/model.weights.h5",
        "program/2/assets/a word",
        "program/2/saved_model.pb",
        "program/2/variables/variables.index",
    ]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_checks_what_was_written_and_what_it_writes_is_read(models: Path) -> None:
    put(models / "program/2/assets/back\\slash\nand line", b"odd")
    lock = locked(models)
    subprocess.run(["sha256sum", "--strict", "-c", LOCK_FILE], cwd=models, check=True, capture_output=True)

    paths = [str(models / name) for name in lock.hashes]
    relative = [str(Path(path).relative_to(models)) for path in paths]
    written = subprocess.run(["sha256sum", *relative], cwd=models, check=True, capture_output=True).stdout
    (models / LOCK_FILE).write_bytes(written)

    assert read_lock(models / LOCK_FILE, models) == lock


@pytest.mark.parametrize("name", ["loose", "pair", "program"])
def test_a_source_that_is_locked_has_the_fingerprint_of_its_bytes(models: Path, name: str) -> None:
    saved = source(models, name).saved

    assert locked(models).fingerprint(saved) == fingerprint_of(sha256_of(saved))


def test_what_can_be_built_is_known_without_the_files(models: Path) -> None:
    lock, sources = locked(models), find_sources(models)
    built = {(one.name, fingerprint_of(sha256_of(one.saved))) for one in sources}
    shutil.rmtree(models)

    assert len(built) == 3
    assert lock.buildable() >= built
    assert {name for name, _ in lock.buildable()} == {"loose", "pair", "program"}
    kept = {path: digest for path, digest in lock.hashes.items() if not path.endswith("a word")}
    assert {name for name, _ in built - ModelsLock(models, kept).buildable()} == {"program"}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("loose", "loose.keras"),
        ("pair", "pair/1/model.json"),
        ("program", "program/2/variables/variables.index"),
        ("program", "program/2/assets/a word"),
    ],
)
def test_other_bytes_in_any_of_its_files_make_it_another(models: Path, name: str, file: str) -> None:
    lock = locked(models)
    put(models / file, b'{"class_name": "Other"}')
    saved = source(models, name).saved

    assert lock.fingerprint(saved) != fingerprint_of(sha256_of(saved))


@pytest.mark.parametrize("name", ["pair/1/model.json", "program/2/assets/new"])
def test_a_file_more_is_one_that_is_not_locked(models: Path, name: str) -> None:
    (models / "pair/1/model.json").unlink()
    lock = locked(models)
    put(models / name, b'{"class_name": "Sequential"}')

    assert lock.fingerprint(source(models, name.split("/")[0]).saved) is None


def test_a_file_that_went_from_a_saved_model_makes_it_another(models: Path) -> None:
    lock = locked(models)
    (models / "program/2/assets/a word").unlink()
    saved = source(models, "program").saved

    assert lock.fingerprint(saved) != fingerprint_of(sha256_of(saved))


def test_a_source_that_is_not_in_the_lock_has_none(models: Path) -> None:
    lock = locked(models)
    put(models / "new.keras", b"loose")

    assert lock.fingerprint(source(models, "new").saved) is None


def test_binary_marks_comments_dots_and_capitals_are_taken(tmp_path: Path) -> None:
    text = f"# reviewed\n\n{DIGEST.upper()} *./a.keras\r\n{DIGEST}  b.keras\n"
    (tmp_path / LOCK_FILE).write_text(text, newline="")

    assert read_lock(tmp_path / LOCK_FILE, tmp_path).hashes == {"a.keras": DIGEST, "b.keras": DIGEST}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "models.lock is empty, or its last line has no end: is it still being written?"),
        (f"{DIGEST}  a.ker", "models.lock is empty, or its last line has no end"),
        (f"{DIGEST}  a.keras\nnonsense\n", "models.lock, line 2: expected a SHA-256 of 64 digits, two spaces and"),
        (f"{DIGEST[:-1]}  a.keras\n", "models.lock, line 1: "),
        ("\udcff\n", "models.lock is not UTF-8 text."),
    ],
)
def test_what_is_no_lock_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text, "utf-8", "surrogateescape")

    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / LOCK_FILE, tmp_path)
    assert caught.value.message.startswith(message)


def test_paths_start_at_the_models_folder_or_at_that_of_the_one_model(models: Path) -> None:
    assert base_of(models) == base_of(models / "loose.keras") == models
    assert base_of(models / "program/2") == models / "program"
    assert lock_path(models, None) == models / "models.lock"
    assert lock_path(models, Path("/etc/convoy.lock")) == Path("/etc/convoy.lock")
