"""What a `models.lock` allows while it comes, changes, breaks and goes."""

from pathlib import Path

import pytest

from service.repository.bundles import fingerprint_of
from service.repository.models_lock import LOCK_FILE, ModelsLock, hashes_of, lock_text, read_lock
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources
from service.serving import supply as supply_module
from service.serving.supply import Supply


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "net.keras").write_bytes(b"one")
    return tmp_path


def write_lock(models: Path) -> Path:
    fresh = models / "fresh.lock"
    fresh.write_text(lock_text(hashes_of(find_sources(models), models)))
    return fresh.rename(models / LOCK_FILE)


def look(supply: Supply) -> list[str]:
    """Look until a lock that changed has stood still."""
    supply.look()
    return supply.look()


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
    assert look(supply) == []
    assert diagnosis(supply, models) is None

    (models / "net.keras").write_bytes(b"another")
    assert str(diagnosis(supply, models)).startswith("net.keras of version 1 is not the one in models.lock")
    write_lock(models)
    look(supply)
    assert diagnosis(supply, models) is None


def test_a_lock_that_is_written_line_by_line_counts_once_it_stands_still(models: Path) -> None:
    lock = write_lock(models)
    supply, whole = Supply(models), lock.read_text()
    supply.look()
    lock.write_text(f"{'ab' * 32}  another.keras\n")
    assert supply.look() == []
    assert diagnosis(supply, models) is None

    lock.write_text(f"{'ab' * 32}  another.keras\n{whole}")
    look(supply)
    assert diagnosis(supply, models) is None

    lock.write_text(f"{'ab' * 32}  another.keras\n")
    look(supply)
    assert "is not in models.lock" in str(diagnosis(supply, models))


def test_a_lock_that_is_written_to_while_it_is_read_is_read_again(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = write_lock(models)
    supply = Supply(models)
    supply.look()
    lock.write_text(f"{'ab' * 32}  another.keras\n")
    supply.look()

    def overtaken(path: Path, base: Path) -> ModelsLock:
        found = read_lock(path, base)
        lock.write_text(f"{'ab' * 32}  another.keras\n{'cd' * 32}  more.keras\n")
        return found

    monkeypatch.setattr(supply_module, "read_lock", overtaken)
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
    assert look(supply) == []


def test_a_lock_that_is_named_must_be_there(models: Path) -> None:
    elsewhere = models / "safe" / LOCK_FILE
    supply = Supply(models, path=elsewhere)

    assert supply.look()[0].startswith("models.lock is not there.")
    elsewhere.parent.mkdir()
    elsewhere.write_text(f"{'ab' * 32}  another.keras\n")
    assert supply.look()[0].startswith("models.lock is not there.")  # until it has stood still
    assert supply.look() == []
    assert "is not in models.lock" in str(diagnosis(supply, models))


# --------------------------------------------------------------------------------------- what is live already


def test_what_is_live_may_go_on_under_the_name_it_was_locked_with(models: Path) -> None:
    supply = Supply(models)
    _, locked = only(models)
    assert supply.revocation("net", "any-1") is None
    write_lock(models)
    look(supply)
    (models / "net.keras").unlink()

    told = [supply.revocation(*key) for key in (("net", locked), ("net", "any-1"), ("other", locked), ("net", None))]
    assert [one is None for one in told] == [True, False, False, False]


def test_where_one_file_is_served_any_name_will_do(models: Path) -> None:
    supply = Supply(models / "net.keras")
    _, locked = only(models)
    write_lock(models)
    supply.look()

    assert supply.revocation("called otherwise", locked) is None
    assert supply.revocation("called otherwise", "any-1") is not None
