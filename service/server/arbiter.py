"""Owns the arbiter: `convoy serve` becomes gunicorn's master process. Imports neither TensorFlow nor an engine."""

import os
import shutil
import socket
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import Application
from gunicorn.http.errors import ParseException

import service
from service.serving.live import LiveFile
from service.serving.statistics import remove_statistics
from service.serving.unloaded import UnloadedModels
from service.settings import Settings

_CONFIG = Path(service.__file__).with_name("gunicorn.conf.py")


def serve(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve until told to stop; `on_ready` is called with the address once the socket listens."""
    owns_runtime_dir, arbiter = settings.runtime_dir is None, os.getpid()
    settings = settings.with_runtime_dir()
    assert settings.runtime_dir is not None
    for left in (LiveFile, UnloadedModels):  # what an earlier server left in a kept folder is no news of this one
        left(settings.runtime_dir).remove()
    remove_statistics(settings.runtime_dir)
    try:
        _Arbiter(settings, on_ready).run()
    finally:
        # NOTE: workers are forked inside run(), and leave through here as well.
        if owns_runtime_dir and os.getpid() == arbiter:
            shutil.rmtree(settings.runtime_dir, ignore_errors=True)


class _Arbiter(Application):  # type: ignore[misc] # gunicorn has no types
    def __init__(self, settings: Settings, on_ready: Callable[[str], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        super().__init__(prog="convoy serve")

    def init(self, parser: Any, opts: Any, args: Any) -> None:
        """Take nothing from gunicorn's own command line."""

    def load_config(self) -> None:
        # NOTE: the class is imported here, in the arbiter: it pulls in nothing but gunicorn and orjson.
        from service.server.worker import worker_class

        settings = self._settings
        self.load_config_from_file(str(_CONFIG))
        self.cfg.set("bind", [f"{_bracketed(settings.host)}:{settings.port}"])
        self.cfg.set("workers", settings.workers)
        self.cfg.set("threads", settings.threads)
        self.cfg.set("worker_class", worker_class(max_waiting=settings.max_waiting))
        self.cfg.set("loglevel", settings.log_level)
        self.cfg.set("proc_name", "convoy")
        self.cfg.set("when_ready", self._when_ready)

    def load(self) -> Any:
        """Make the application, in a worker."""
        # Pillow warns of damaged metadata once per place in its code: noise, and no news of a picture that decodes.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        from service.api.errors import register_malformed
        from service.app import create_app

        app = create_app(self._settings)
        register_malformed(app, ParseException)
        return app

    def _when_ready(self, server: Any) -> None:
        for listener in server.LISTENERS:
            _bound_reads(listener.sock, seconds=self._settings.read_timeout)
        host, port = server.LISTENERS[0].sock.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, _bracketed(host))
        self._on_ready(f"http://{shown}:{port}")


def _bound_reads(sock: socket.socket, *, seconds: float) -> None:
    """Have a client that stops sending lose its connection; accepted sockets inherit both options on Linux.

    gunicorn reads bodies from blocking sockets without a time limit: a few stalled ones would hold every thread.
    """
    whole, part = int(seconds), int(seconds % 1 * 1_000_000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, part))
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # A connection is handed over with its first bytes, so that an idle one costs no thread.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, max(1, whole))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
