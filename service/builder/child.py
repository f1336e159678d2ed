"""Owns one builder process as its parent sees it: its start, what it says, what ends it, and how its end is judged.

The child (`python -m service.builder`) speaks JSON lines on its standard output and lives no longer than its standard
input stays open.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import service.errors
from service.builder.order import BuildOrder, Loader
from service.errors import BuildInterruptedError, ConvoyError, ModelError
from service.model.insight import without_insight

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
_LAST_WORDS = 2000
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class Child:
    """How each child of one build is run: its scratch folder, the lock it holds, its seconds, who hears its steps.

    `cancelled` ends it.
    """

    home: Path
    lock: int
    seconds: float
    progress: Progress
    cancelled: threading.Event | None

    def run(self, order: BuildOrder) -> dict[str, Any]:
        """Carry out `order` in a child; return its verdict where it built or wants another loader, else raise.

        One that built may have come to its end over the second graph: what it did not say of that is said here.
        """
        child = _start(order, home=self.home, lock=self.lock)
        watchdog = _Watchdog(child, seconds=self.seconds, cancelled=self.cancelled)
        with watchdog:
            said = _listen(child, self.progress, built=watchdog.hurry)
        _judge(said, child, watchdog)
        if said.get("built"):
            said["insight"] = said.get("insight") or without_insight(_unfinished(said, child, watchdog)).to_json()
        return said


def _start(order: BuildOrder, *, home: Path, lock: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", "service.builder", order.to_json()]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=_environment(home, order.loader),
            pass_fds=(lock,),
            process_group=0,  # NOTE: no session of its own: with autogroups on, nice would stop at its border
        )
    except OSError as error:
        raise BuildInterruptedError(f"The builder could not be started: {error.strerror}.") from error


def _environment(home: Path, loader: Loader) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "KERAS_HOME": str(home / "keras"),
        "KERAS_BACKEND": "tensorflow",
        "TF_USE_LEGACY_KERAS": "1" if loader == "tf_keras" else "0",  # what `tensorflow.keras` is for trusted code
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "COLUMNS": "100",  # the width of model.summary()
    }


def _listen(child: subprocess.Popen[bytes], progress: Progress, *, built: Callable[[], None]) -> dict[str, Any]:
    """Read what the child says until it ends; return its verdict, empty where it gave none.

    `built` is called as soon as the bundle is whole but for the second graph.
    """
    verdict: dict[str, Any] = {}
    tail = _Tail(child.stderr)
    for line in child.stdout or ():
        said = _parsed(line)
        if "step" in said:
            progress(str(said["step"]))
        else:
            verdict |= said
        if "built" in said:
            built()
    # NOTE: not reaped before its process group is ended: the number could be another's by then.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    verdict.setdefault("last_words", tail.text())
    return verdict


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _judge(said: dict[str, Any], child: subprocess.Popen[bytes], watchdog: "_Watchdog") -> None:
    is_unwanted = watchdog.was_cancelled and "insight" not in said
    if "next" in said or (said.get("built") and not is_unwanted):
        return
    if said.get("unforeseen"):
        log.error("the builder's last words: %s", said.get("last_words"))
    if "error" in said:
        kind = getattr(service.errors, str(said["error"]), ModelError)
        error: ConvoyError = kind(said["message"])
        if isinstance(error, ModelError):
            error.written_by = said.get("written_by")
        raise error
    if watchdog.reason:
        raise BuildInterruptedError(watchdog.reason)
    log.error("builder ended with %s; its last words: %s", child.returncode, said.get("last_words"))
    if child.returncode == -signal.SIGKILL:
        raise BuildInterruptedError("The build was killed, probably because memory ran out.")
    if child.returncode in (-signal.SIGSEGV, -signal.SIGABRT):
        raise BuildInterruptedError(
            f"The builder crashed (status {child.returncode}), most often for want of memory; CONVOY_BUILD_MEMORY "
            "allows more."
        )
    raise BuildInterruptedError(f"The builder ended unexpectedly (status {child.returncode}).")


def _unfinished(said: dict[str, Any], child: subprocess.Popen[bytes], watchdog: "_Watchdog") -> str:
    """Say why a child that built did not come to the end of the second graph."""
    if not watchdog.reason:
        log.warning("no second graph: the builder ended with %s; %s", child.returncode, said.get("last_words"))
    reason = "time ran out" if watchdog.reason else "memory ran out"
    return (
        f"There is no second graph, which gives the output of every layer: {reason} while it was built "
        "(CONVOY_BUILD_TIMEOUT, CONVOY_BUILD_MEMORY)."
    )


class _Tail:
    """Keeps the last words of a stream that must be drained lest its writer block."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._kept = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._drain, name="builder-stderr", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        for line in self._stream or ():
            self._kept = (self._kept + line)[-_LAST_WORDS:]

    def text(self) -> str:
        self._thread.join(timeout=5)
        return self._kept.decode("utf-8", "replace")


class _Watchdog:
    """Ends the child's whole process group when its time is up or the build is cancelled."""

    def __init__(self, child: subprocess.Popen[bytes], *, seconds: float, cancelled: threading.Event | None) -> None:
        self.reason: str | None = None
        self.was_cancelled = False
        self._child = child
        self._seconds = self._left = seconds
        self._cancelled = cancelled or threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="builder-watchdog", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._kill()  # grandchildren, and the child itself where listening broke off
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream:
                stream.close()

    def _watch(self) -> None:
        while not self._done.wait(min(_LOOK, self._left)):
            self._left -= _LOOK
            if self._cancelled.is_set():
                self.was_cancelled = True
                return self._end("The build was cancelled: the server is stopping, or the file has changed or gone.")
            if self._left <= 0:
                return self._end(f"The build took longer than {self._seconds:.0f} s and was ended.")
        return None

    def hurry(self) -> None:
        """Leave the child half of the time it had at most: what a model can do without must not hold it up."""
        self._left = min(self._left, self._seconds / 2)

    def _end(self, reason: str) -> None:
        self.reason = reason
        self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
