"""The log: one line a record whatever a message holds, as text or as JSON."""

import json
import logging
import sys
from typing import Any

import pytest

from service.errors import SettingsError
from service.log import JsonFormatter, TextFormatter, one_line
from service.settings import Settings

NASTY = "x\n2026-01-01 00:00:00,000 INFO convoy: forged\r\x1b[31m\x9b2J\u2028\ud800\x7f"


def record(message: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("convoy.access", logging.INFO, "here.py", 1, message, None, None)
    made.__dict__.update(extra)
    return made


def failure(text: str) -> logging.LogRecord:
    made = record("it failed")
    try:
        raise ValueError(text)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


@pytest.mark.parametrize("formatter", [TextFormatter("%(levelname)s %(message)s"), JsonFormatter()])
def test_nothing_in_a_message_begins_a_line_or_speaks_to_a_terminal(formatter: logging.Formatter) -> None:
    noted = {"key": NASTY}
    line = formatter.format(record(NASTY, noted=noted, facts=noted))

    assert line.isprintable()


def test_a_traceback_in_text_is_indented() -> None:
    first, *rest = TextFormatter("%(levelname)s %(message)s").format(failure(NASTY)).split("\n")

    assert first == "INFO it failed"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert any("forged" in line for line in rest)


def test_json_holds_what_is_known_of_a_request_and_a_traceback() -> None:
    entry = json.loads(JsonFormatter().format(record("GET / 200 1.0ms", facts={"status": 200, "model": "mnist"})))
    assert entry.pop("time").endswith("+00:00")
    assert entry.pop("process") > 0
    assert entry == {
        **{"level": "info", "logger": "convoy.access", "message": "GET / 200 1.0ms"},
        **{"status": 200, "model": "mnist"},
    }
    assert "ValueError: broken" in json.loads(JsonFormatter().format(failure("broken")))["exception"]


def test_no_value_costs_a_request_its_line() -> None:
    entry = json.loads(JsonFormatter().format(record("POST / 413", facts={"bytes": 2**64, "version": object()})))

    assert entry["bytes"] == 2**64
    assert entry["version"].startswith("<object")


def test_what_can_be_printed_is_left_alone() -> None:
    assert one_line("Größe 3×3, “ok”") == "Größe 3×3, “ok”"
    assert one_line("a\tb") == "a\\tb"


def test_another_form_is_refused() -> None:
    assert Settings.read({"log_format": "JSON"}, environ={}).log_format == "json"
    with pytest.raises(SettingsError, match="must be text or json"):
        Settings.read({"log_format": "xml"}, environ={})
