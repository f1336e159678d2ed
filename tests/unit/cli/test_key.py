"""`convoy key` makes a key that the server then knows, and never loses one that is there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.access.keys import digest_of, parse_keys
from service.cli.main import main


def key(*words: object) -> Result:
    return CliRunner().invoke(main, ["key", *map(str, words)])


def test_the_key_is_shown_with_the_line_that_knows_it() -> None:
    done = key("ci")

    text, line = done.stdout.splitlines()
    (kept,) = parse_keys(line)
    assert (kept.name, set(kept.scopes), kept.digest) == ("ci", {"predict"}, digest_of(text))
    assert text not in line


def test_in_json_with_several_scopes() -> None:
    body = json.loads(key("ops", "--scope", "metrics", "--scope", "admin", "--json").stdout)

    (kept,) = parse_keys(body["line"])
    assert body["scopes"] == ["admin", "metrics"]
    assert (set(kept.scopes), kept.digest) == ({"admin", "metrics"}, digest_of(body["key"]))


def test_a_new_file_is_its_owners_alone_and_an_old_one_is_added_to(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first = key("a", "--append", file).stdout.splitlines()
    file.write_text("# ours\n" + file.read_text().rstrip("\n"))
    second = key("b", "--append", file).stdout.splitlines()

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == f"# ours\n{first[1]}\n{second[1]}\n"


@pytest.mark.parametrize(
    ("before", "name", "said"),
    [
        ("a predict sha256:" + "0" * 64, "a", "two keys have the name 'a'"),
        ("nonsense", "b", "line 1 must be"),
    ],
)
def test_a_file_that_cannot_take_the_line_stays_as_it_is(tmp_path: Path, before: str, name: str, said: str) -> None:
    file = tmp_path / "keys"
    file.write_text(before)

    done = key(name, "--append", file)

    assert (done.exit_code, done.stdout, file.read_text()) == (2, "", before)
    assert said in done.stderr


@pytest.mark.parametrize("name", ["a b", "a/b", "a\nb predict sha256:00", "", "a" * 65, "é"])
def test_a_name_that_would_break_the_file_is_refused(name: str) -> None:
    done = key(name)

    assert (done.exit_code, done.stdout) == (2, "")
