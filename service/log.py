"""Owns the form of the log: text, or one JSON object a line. Whatever a message holds, it stays in its one line.

Every line of a server comes through here: its own, those of gunicorn, and in JSON also what is printed and what native
libraries write to standard error by themselves.
"""

import io
import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import orjson

from service.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_INDENT = "    "
_native = logging.getLogger("convoy.native")
_printed = logging.getLogger("convoy")


def configure(settings: Settings) -> None:
    """Have everything that is logged in this process, and in those forked from it, written to standard error."""
    is_json = settings.log_format == "json"
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(JsonFormatter() if is_json else TextFormatter(_TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    if is_json:
        logging.raiseExceptions = False  # what goes wrong while a line is written would be told to the log again
        sys.stdout, sys.stderr = _Printed(logging.INFO), _Printed(logging.WARNING)


def gunicorn_logger() -> type:
    """Return the class of gunicorn's logger (its setting `logger_class`) that writes where everything else goes."""
    from gunicorn.glogging import Logger

    class SharedLogger(Logger):  # type: ignore[misc] # gunicorn has no types
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            for logger in (self.error_log, self.access_log):
                logger.handlers.clear()
                logger.propagate = True

    return SharedLogger


def take_native_lines() -> None:
    """Have what native libraries of this worker write to standard output and error logged line by line from now on."""
    kept = os.fdopen(os.dup(2), "w", encoding="utf-8")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(kept)
    read, write = os.pipe()
    os.set_blocking(write, False)  # who writes may hold the GIL, without which nobody reads
    for descriptor in (1, 2):
        os.dup2(write, descriptor)
    os.close(write)
    threading.Thread(target=_log_lines, args=(read,), name="native-lines", daemon=True).start()


def _log_lines(descriptor: int) -> None:
    with os.fdopen(descriptor, encoding="utf-8", errors="backslashreplace") as lines:
        for line in lines:
            _native.info("%s", line.rstrip())


class _Printed(io.TextIOBase):
    """Takes the place of a standard stream: each line that is printed is logged."""

    encoding = "utf-8"

    def __init__(self, level: int) -> None:
        self._level = level
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            _printed.log(self._level, "%s", line.strip())
        return len(text)


class TextFormatter(logging.Formatter):
    """One line a record; a traceback follows it, each line indented, so that none of them looks like a record."""

    _second: tuple[int, str] = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's
        """Return the time of a record as `logging` writes it; the second of many a line is the one before's."""
        second, text = self._second
        if second != (now := int(record.created)):
            text = time.strftime(self.default_time_format, time.localtime(now))
            self._second = (now, text)
        return f"{text},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        """Return the record's line, with what is noted of a request behind it."""
        noted: dict[str, Any] = getattr(record, "noted", {})
        record.message += "".join([f" {name}={value}" for name, value in noted.items()])
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's
        """Return a traceback, every line indented."""
        return "\n".join(_INDENT + one_line(line) for line in super().formatException(ei).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (UTC), level, logger, process, message; of a request also what is known of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, on one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": one_line(record.getMessage(), kept="\n\t"),
        }
        facts: dict[str, Any] = getattr(record, "facts", {})
        entry |= {name: one_line(value) if isinstance(value, str) else value for name, value in facts.items()}
        if record.exc_info:
            entry["exception"] = one_line(self.formatException(record.exc_info), kept="\n\t")
        return _dumped(entry)


def _dumped(entry: dict[str, Any]) -> str:
    try:
        return orjson.dumps(entry, default=str).decode()
    except TypeError:  # such as a whole number of more than 64 bits: no value may cost the line
        return json.dumps(entry, default=str)


def one_line(text: str, *, kept: str = "") -> str:
    """Return a text in which every character that a terminal may act on is escaped, line ends too; not those `kept`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
