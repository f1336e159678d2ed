"""What a `models.lock` allows while it comes, changes, breaks and goes."""

from pathlib import Path

import pytest

from service.repository.bundles import fingerprint_of
from service.repository.models_lock import LOCK_FILE, hashes_of, lock_text
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources
from service.serving.supply import Supply


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "net.keras").write_bytes(b"one")
    return tmp_path


def write_lock(models: Path) -> Path:
    fresh = models / "fresh.lock"
    fresh.write_text(lock_text(hashes_of(find_sources(models), models)))
    return fresh.rename(models / LOCK_FILE)


def only(models: Path) -> tuple[Source, str]:
    (source,) = find_sources(models)
    return source, fingerprint_of(sha256_of(source.saved))


def diagnosis(supply: Supply, models: Path, *, held: str | None = None) -> str | None:
    source, fingerprint = only(models)
    refusal = supply.refusal(source, fingerprint, held=held)
    return refusal.diagnosis if refusal else None


def test_without_a_lock_everything_may_be_served(models: Path) -> None:
    supply = Supply(models)

    assert supply.look() == []
    assert not supply.is_locked
    assert diagnosis(supply, models) is None


def test_a_lock_that_comes_and_changes_is_followed(models: Path) -> None:
    supply = Supply(models)
    supply.look()
    write_lock(models)
    assert supply.look() == []
    assert diagnosis(supply, models) is None

    (models / "net.keras").write_bytes(b"another")
    assert str(diagnosis(supply, models)).startswith("net.keras of version 1 is not the one in models.lock")
    write_lock(models)
    supply.look()
    assert diagnosis(supply, models) is None


def test_only_the_bytes_that_are_locked_may_stay(models: Path) -> None:
    supply = Supply(models)
    _, locked = only(models)
    write_lock(models)
    supply.look()
    (models / "net.keras").write_bytes(b"another")
    source, fingerprint = only(models)

    stays = [supply.refusal(source, fingerprint, held=held) for held in (locked, "older-1", None)]

    assert [one is not None and one.may_stay for one in stays] == [True, False, False]


def test_a_lock_that_goes_and_comes_back_as_it_was_counts_again(models: Path) -> None:
    supply = Supply(models)
    path = write_lock(models)
    supply.look()

    path.rename(models / "aside")
    (problem,) = supply.look()
    assert problem.startswith("models.lock is not there. Nothing new is built or served until it is mended;")
    assert diagnosis(supply, models) == problem
    (models / "aside").rename(path)

    assert supply.look() == []
    assert diagnosis(supply, models) is None


def test_a_broken_lock_stays_broken_until_it_is_mended(models: Path) -> None:
    supply = Supply(models)
    (models / LOCK_FILE).write_text("nonsense\n")
    assert supply.look() == supply.look() != []
    assert "line 1" in str(diagnosis(supply, models))
    write_lock(models)
    assert supply.look() == []


def test_a_lock_that_is_named_must_be_there(models: Path, tmp_path: Path) -> None:
    supply = Supply(models, path=tmp_path / "safe" / LOCK_FILE)

    assert supply.look()[0].startswith("models.lock is not there.")
