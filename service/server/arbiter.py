"""Owns the arbiter: `convoy serve` becomes gunicorn's master process. Imports neither TensorFlow nor an engine."""

import os
import resource
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import Application
from gunicorn.http.errors import ParseException

import service
from service.log import gunicorn_logger
from service.metrics.files import remove_counters
from service.server.reload import PatientArbiter
from service.server.share import Loads
from service.serving.live import LiveFile
from service.serving.unloaded import UnloadedModels
from service.settings import Settings

_CONFIG = Path(service.__file__).with_name("gunicorn.conf.py")
_SLOTS_PER_WORKER = 8
"""Room for workers that end while their successors begin."""
_MOST_CONNECTIONS = 8192
_FEWEST_CONNECTIONS = 64
_OWN_FILES = 256


def serve(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve until told to stop; `on_ready` is called with the address once the socket listens."""
    owns_runtime_dir, arbiter = settings.runtime_dir is None, os.getpid()
    settings = settings.with_runtime_dir()
    assert settings.runtime_dir is not None
    for left in (LiveFile, UnloadedModels):  # what an earlier server left in a kept folder is no news of this one
        left(settings.runtime_dir).remove()
    remove_counters(settings.runtime_dir)
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
        self._loads = Loads(_SLOTS_PER_WORKER * settings.workers)
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
        self.cfg.set("worker_class", worker_class(settings, self._loads))
        self.cfg.set("worker_connections", _most_connections())
        self.cfg.set("loglevel", settings.log_level)
        self.cfg.set("logger_class", gunicorn_logger())
        self.cfg.set("proc_name", "convoy")
        self.cfg.set("when_ready", self._when_ready)
        self.cfg.set("child_exit", lambda _, worker: self._loads.leave(worker.age))
        if settings.tls_cert:
            self.cfg.set("certfile", str(settings.tls_cert))
            self.cfg.set("keyfile", str(settings.tls_key or settings.tls_cert))

    def run(self) -> None:
        """Be the arbiter until told to stop."""
        PatientArbiter(self, self._loads).run()

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
        host, port = server.LISTENERS[0].sock.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, _bracketed(host))
        self._on_ready(f"{'https' if self._settings.tls_cert else 'http'}://{shown}:{port}")


def _most_connections() -> int:
    """Return how many connections a worker may hold: as many as the system lets it, files of its own left out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OWN_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(_FEWEST_CONNECTIONS, max(most, soft) - _OWN_FILES) if most < wanted else _MOST_CONNECTIONS


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
