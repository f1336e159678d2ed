"""The keys file is looked at while the server runs: a change holds at once, a broken file changes nothing."""

import logging
from pathlib import Path

import pytest

from service.access.keyring import Keyring
from service.access.keys import Key, digest_of
from service.access.keys_file import SPARE
from service.errors import SettingsError

ADA, BOB = "convoy_ada-ada-ada", "convoy_bob-bob-bob"


def line(name: str, text: str) -> str:
    return Key(name, frozenset({"predict"}), digest_of(text)).line() + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text(line("ada", ADA))
    return path


def ring_of(file: Path, *, spare: Path | None = None, look_seconds: float = 1e-9) -> Keyring:
    return Keyring(file=file, spare=spare, look_seconds=look_seconds)


def known(ring: Keyring) -> list[str]:
    return [found.name for text in (ADA, BOB) if (found := ring.find(text))]


def test_a_new_key_and_a_revoked_one_hold_from_the_next_look(file: Path) -> None:
    ring = ring_of(file)
    assert known(ring) == ["ada"]

    file.write_text(line("ada", ADA) + line("bob", BOB))
    assert known(ring) == ["ada", "bob"]

    file.write_text(line("bob", BOB))
    assert known(ring) == ["bob"]


def test_a_file_that_is_replaced_by_rename_holds_too(file: Path) -> None:
    ring = ring_of(file)
    fresh = file.with_suffix(".new")
    fresh.write_text(line("bob", BOB))
    fresh.replace(file)

    assert known(ring) == ["bob"]


def test_between_two_looks_the_file_is_not_read(file: Path) -> None:
    ring = ring_of(file, look_seconds=3600)
    file.unlink()

    assert known(ring) == ["ada"]


def vanish(file: Path) -> None:
    file.unlink()


def become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def lose_a_digit(file: Path) -> None:
    file.write_text(line("bob", BOB)[:-2])


def become_binary(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")


def grow(file: Path) -> None:
    file.write_text(line("bob", BOB) + "#" * 2**20)


def be_garbage(file: Path) -> None:
    file.write_text("no line of a key")


BREAKS = [vanish, become_a_folder, lose_a_digit, become_binary, grow, be_garbage]


@pytest.mark.parametrize("harm", BREAKS)
def test_a_broken_file_leaves_the_keys_before_and_is_said_once(
    file: Path, harm: object, caplog: pytest.LogCaptureFixture
) -> None:
    ring = ring_of(file)
    assert callable(harm)
    harm(file)

    assert known(ring) == ["ada"]
    assert known(ring) == ["ada"]
    said = [one.message for one in caplog.records if one.levelno == logging.ERROR]
    assert len(said) == 1
    assert "the keys before stay in force" in said[0]


@pytest.mark.parametrize("harm", BREAKS)
def test_a_server_does_not_start_with_a_broken_file(file: Path, harm: object) -> None:
    assert callable(harm)
    harm(file)

    with pytest.raises(SettingsError, match="cannot be used"):
        ring_of(file)


@pytest.mark.parametrize("text", ["", "\n", "# none yet\n"])
def test_an_empty_file_is_refused_at_start_and_revokes_all_later(file: Path, text: str) -> None:
    ring = ring_of(file)
    file.write_text(text)

    assert known(ring) == []
    assert ring.guards_all
    with pytest.raises(SettingsError, match="holds no key"):
        ring_of(file)


def test_a_worker_that_starts_while_the_file_is_broken_has_the_keys_of_the_others(file: Path, tmp_path: Path) -> None:
    spare = tmp_path / SPARE
    first = ring_of(file, spare=spare)
    file.write_text(line("bob", BOB))
    assert known(first) == ["bob"]
    file.write_text("broken")

    second = ring_of(file, spare=spare)

    assert known(second) == ["bob"]
    file.write_text(line("ada", ADA))
    assert known(second) == ["ada"]
    assert spare.stat().st_mode & 0o077 == 0
    assert ADA not in spare.read_text()


def test_a_worker_that_started_while_the_file_was_broken_sees_that_all_are_revoked(file: Path, tmp_path: Path) -> None:
    spare = tmp_path / SPARE
    ring_of(file, spare=spare)
    file.write_text("broken")
    second = ring_of(file, spare=spare)
    assert known(second) == ["ada"]

    file.write_text("")

    assert known(second) == []


def test_a_full_disk_leaves_no_hashes_behind(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(Path, "replace", full)

    assert known(ring_of(file, spare=folder / SPARE)) == ["ada"]
    assert list(folder.iterdir()) == []
    assert "no copy of the keys file can be kept: No space left on device" in caplog.text


def test_a_worker_that_starts_after_all_were_revoked_lets_nobody_in(file: Path, tmp_path: Path) -> None:
    spare = tmp_path / SPARE
    ring_of(file, spare=spare)
    file.write_text("")

    assert known(ring_of(file, spare=spare)) == []


def test_a_line_that_clashes_with_a_key_of_the_environment_is_a_broken_file(file: Path) -> None:
    ring = Keyring(keys=[Key("bob", frozenset({"predict"}), digest_of("convoy_else"))], file=file, look_seconds=1e-9)
    file.write_text(line("bob", BOB))

    assert known(ring) == ["ada"]
