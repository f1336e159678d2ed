"""Owns the parent's side of a build: starting the child, its limits, its end, and what it says.

Imports no TensorFlow. The child (`python -m service.builder`) speaks JSON lines on its standard output and lives no
longer than its standard input stays open.
"""

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import service.errors
from service.builder.order import BuildOrder, Loader
from service.errors import BuilderBusyError, BuildInterruptedError, ConvoyError, ModelError, SavedModelNotAllowedError
from service.repository.bundles import Bundle, BundleStore
from service.repository.saved import Saved
from service.repository.sources import Source

log = logging.getLogger(__name__)

Progress = Callable[[str], None]


def _silent(step: str) -> None:
    """Show nothing."""


_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
_PROGRAM = (
    "This is a SavedModel folder: a TensorFlow program, not data. Where you trust whoever made it, allow it with "
    "CONVOY_ALLOW_SAVED_MODEL=1 (--allow-saved-model); else save the model as .keras."
)
_MIB = 2**20
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What one build may use: wall time in seconds (plus one per MiB of source) and memory in bytes.

    `allow_saved_model` says whether a SavedModel, which is a program, may be run.
    """

    seconds: float
    memory: int
    allow_saved_model: bool = False

    def seconds_for(self, size: int) -> float:
        """Return the wall limit for a source of `size` bytes."""
        return self.seconds + size / _MIB


def build_bundle(
    source: Source,
    fingerprint: str,
    *,
    store: BundleStore,
    limits: BuildLimits,
    progress: Progress = _silent,
    cancelled: threading.Event | None = None,
    trusted: Path | None = None,
) -> Bundle:
    """Build `source` in a child process and add the bundle to the store.

    `trusted` is a Python file of the user's own layers, which is run. Raises ModelError with the diagnosis where the
    source is at fault, BuildInterruptedError where another try may succeed (time-out, kill, memory, full disk, another
    builder on the same cache, `cancelled` set).
    """
    if source.saved.is_program and not limits.allow_saved_model:
        raise SavedModelNotAllowedError(_PROGRAM)
    with store.staging(source.name) as staged, _build_lock(store.build_lock) as lock:
        bundle = store.find(source.name, fingerprint)  # another server may have built it meanwhile
        if bundle is not None:
            return bundle
        order = BuildOrder(
            saved=_absolute(source.saved),
            staged=staged,
            name=source.name,
            version=source.version,
            fingerprint=fingerprint,
            memory=limits.memory,
            trusted=trusted,
        )
        seconds = limits.seconds_for(source.stamp.size)
        _climb(order, _Child(lock, seconds, progress, cancelled))
        return store.add(staged, source.name, fingerprint)


@contextmanager
def _build_lock(path: Path) -> Iterator[int]:
    """Hold the build lock; the child is given the descriptor, so the lock lives as long as either of them."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BuildInterruptedError(f"The cache folder cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise BuilderBusyError("Another builder is at work on this cache; waiting for it.") from error
    finally:
        os.close(descriptor)


def _absolute(saved: Saved) -> Saved:
    return Saved(saved.path.absolute(), saved.architecture and saved.architecture.absolute())


@dataclass(frozen=True, slots=True)
class _Child:
    """How each child of one build is run: the lock it holds, its seconds, who hears its steps, what ends it."""

    lock: int
    seconds: float
    progress: Progress
    cancelled: threading.Event | None

    def run(self, order: BuildOrder) -> dict[str, Any]:
        """Carry out `order` in a child; return its verdict where it built or wants another loader, else raise."""
        with tempfile.TemporaryDirectory(prefix="convoy-build-") as home:
            child = _start(order, home=home, lock=self.lock)
            watchdog = _Watchdog(child, seconds=self.seconds, cancelled=self.cancelled)
            with watchdog:
                said = _listen(child, self.progress)
        _judge(said, child, watchdog)
        return said


def _climb(order: BuildOrder, child: _Child) -> None:
    """Try one loader after the other, each in a child of its own, until one builds."""
    said = child.run(order)
    while "next" in said:
        _empty(order.staged)
        order = replace(order, loader=said["next"], tried=said["tried"])
        said = child.run(order)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _start(order: BuildOrder, *, home: str, lock: int) -> subprocess.Popen[bytes]:
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
            start_new_session=True,
        )
    except OSError as error:
        raise BuildInterruptedError(f"The builder could not be started: {error.strerror}.") from error


def _environment(home: str, loader: Loader) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {
        "HOME": home,
        "TMPDIR": home,
        "KERAS_HOME": str(Path(home) / "keras"),
        "KERAS_BACKEND": "tensorflow",
        "TF_USE_LEGACY_KERAS": "1" if loader == "tf_keras" else "0",  # what `tensorflow.keras` is for trusted code
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "COLUMNS": "100",  # the width of model.summary()
    }


def _listen(child: subprocess.Popen[bytes], progress: Progress) -> dict[str, Any]:
    """Read what the child says until it ends; return its verdict, empty where it gave none."""
    verdict: dict[str, Any] = {}
    tail = _Tail(child.stderr)
    for line in child.stdout or ():
        said = _parsed(line)
        if "step" in said:
            progress(str(said["step"]))
        else:
            verdict |= said
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
    if said.get("built") or "next" in said:
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
        self._child = child
        self._seconds = seconds
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
        left = self._seconds
        while not self._done.wait(min(0.2, left)):
            left -= 0.2
            if self._cancelled.is_set():
                return self._end("The build was cancelled because the server is stopping.")
            if left <= 0:
                return self._end(f"The build took longer than {self._seconds:.0f} s and was ended.")
        return None

    def _end(self, reason: str) -> None:
        self.reason = reason
        self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
