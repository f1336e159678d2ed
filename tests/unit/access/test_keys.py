"""A key is kept as a line with its hash; a line that says something else is refused without being shown."""

import hashlib

import pytest

from service.access.keyring import Keyring
from service.access.keys import KEY_TEXT, Key, digest_of, new_key, parse_keys
from service.errors import SettingsError
from service.settings import Settings

TEXT = "convoy_a-key-of-a-test"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()


def test_a_key_reads_back_from_its_own_line() -> None:
    made = Key("ci.bot-2", frozenset({"metrics", "predict"}), digest_of(TEXT))

    assert made.line() == f"ci.bot-2 predict,metrics sha256:{HASH}"
    assert parse_keys(made.line()) == (made,)


def test_comments_blank_lines_and_wide_gaps_are_passed_over() -> None:
    text = f"# ours\n\n  a\tpredict   sha256:{HASH.upper()}  # since May\r\nb admin sha256:{OTHER}"

    assert [(one.name, set(one.scopes)) for one in parse_keys(text)] == [("a", {"predict"}), ("b", {"admin"})]


def test_fresh_keys_can_be_sent_and_are_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(KEY_TEXT.fullmatch(one) and len(one) >= 43 for one in keys)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("secret-by-mistake", "line 2 must be NAME SCOPES"),
        (f"secret-by-mistake sha256:{HASH}", "line 2 must be NAME SCOPES"),
        (f"a predict, admin sha256:{HASH}", "line 2 must be NAME SCOPES"),
        ("a predict secret-by-mistake", "line 2 must end in sha256:"),
        (f"a predict {HASH}", "line 2 must end in sha256:"),
        (f"a predict sha256:{HASH[1:]}", "line 2 must end in sha256:"),
        (f"a predict sha256:{HASH}0", "line 2 must end in sha256:"),
        (f"a secret-by-mistake sha256:{HASH}", "the scopes on line 2 must be some of predict, admin, metrics"),
        (f"a predict, sha256:{HASH}", "the scopes on line 2"),
        (f"a/b predict sha256:{HASH}", "the name on line 2 must be 1 to 64"),
        (f"{'a' * 65} predict sha256:{HASH}", "the name on line 2 must be 1 to 64"),
        (f"one admin sha256:{HASH}", "two keys have the name 'one'"),
        (f"two admin sha256:{OTHER}", "one key stands there under two names"),
    ],
)
def test_what_is_no_key_is_refused_by_its_line_and_not_shown(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_keys(f"one predict sha256:{OTHER}\n{line}\n")
    assert "secret-by-mistake" not in str(caught.value)
    assert HASH not in str(caught.value)


def test_the_key_of_a_text_is_found_among_many_and_no_other() -> None:
    ring = Keyring(
        keys=[Key(f"key-{number}", frozenset({"predict"}), digest_of(f"{TEXT}{number}")) for number in range(9)]
    )

    assert [getattr(ring.find(f"{TEXT}{number}"), "name", None) for number in (0, 4, 8, 9)] == [
        "key-0", "key-4", "key-8", None,
    ]  # fmt: skip
    assert ring.find(digest_of(f"{TEXT}0").hex()) is None
    assert ring.find("é\udcff") is None


def test_the_admin_key_is_one_named_admin_that_may_do_nothing_else() -> None:
    ring = Keyring(admin_key=TEXT)

    assert ring.find(TEXT) == Key("admin", frozenset({"admin"}), digest_of(TEXT))
    assert (ring.guards_administration, ring.guards_all) == (True, False)


@pytest.mark.parametrize("key", [Key("admin", frozenset(), digest_of("x")), Key("x", frozenset(), digest_of(TEXT))])
def test_a_key_that_clashes_with_the_admin_key_is_refused(key: Key) -> None:
    with pytest.raises(SettingsError, match="do not go together"):
        Keyring(admin_key=TEXT, keys=[key])


def test_without_keys_nothing_is_guarded() -> None:
    ring = Keyring()

    assert (ring.guards_administration, ring.guards_all, ring.find(TEXT)) == (False, False, None)


def test_keys_come_from_the_environment_on_lines_or_between_semicolons_and_are_not_shown() -> None:
    lines = [f"a predict sha256:{HASH}", f"b admin sha256:{OTHER}"]
    for text in ("\n".join(lines), "; ".join(lines), f"# ours\n{lines[0]};{lines[1]}\n"):
        settings = Settings.read(environ={"CONVOY_KEYS": text})
        assert [one.name for one in settings.keys] == ["a", "b"]
        assert HASH not in repr(settings)


@pytest.mark.parametrize("text", ["a-key-by-mistake", "# nothing", " ; "])
def test_an_environment_without_a_key_in_it_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^CONVOY_KEYS is '\(not shown\)': ") as caught:
        Settings.read(environ={"CONVOY_KEYS": text})
    assert "by-mistake" not in caught.value.message
