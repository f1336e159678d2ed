"""Owns the live models of this worker: loads what `live.json` names, swaps whole sets, lets old ones drain."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

from service.errors import BrokenModelError, ConvoyError, ModelNotReadyError
from service.model.sidecar import Sidecar
from service.repository.bundles import BundleStore
from service.repository.sidecar import parse_sidecar
from service.repository.stamp import Stamp
from service.serving import absence
from service.serving.absence import RETRY_SECONDS
from service.serving.held import HeldModels, Worker
from service.serving.live import LiveFile, LiveView, ModelKey, VersionState
from service.serving.live_model import LiveModel, load_model, rechosen, relabelled
from service.serving.unloaded import UnloadedModels, without

log = logging.getLogger(__name__)

LOAD_SECONDS = 3.0
"""How long a request waits for a model that another thread is loading; others than it wait not at all."""
_Stamps = tuple[Stamp | None, Stamp | None]


class Registry:
    """The models this worker can answer with. Reading takes no lock: a set is replaced, never changed."""

    def __init__(
        self,
        live_file: LiveFile,
        store: BundleStore,
        *,
        unloaded: UnloadedModels | None = None,
        held: HeldModels | None = None,
    ) -> None:
        self._file = live_file
        self._store = store
        self._unloaded = unloaded
        self._said = held
        self._refreshing = threading.Lock()
        self._stamp: _Stamps = (None, None)
        self._retry_at: float | None = None
        self._shared: LiveView | None = None
        self._view = LiveView()
        self._models: Mapping[ModelKey, LiveModel] = {}
        self._complaints: dict[ModelKey, str] = {}
        self._by_name: Mapping[str, list[LiveModel]] = {}

    @property
    def view(self) -> LiveView:
        """Return the state of everything as last read."""
        return self._view

    @property
    def has_view(self) -> bool:
        """Return whether the watcher's view was read: without one, nothing is known of any model."""
        return self._shared is not None

    def get(self, name: str, version: int | str = "latest") -> LiveModel:
        """Return a live model; `version` is an integer, `latest`, or a label its sidecar gives a version.

        Raises UnknownModelError, ModelNotReadyError or ModelFailedError (with the diagnosis).
        """
        model = self._held(name, version)
        if model is not None:
            return model
        if not self._refresh(seconds=0):
            self._await(name, version)
        model = self._held(name, version)
        if model is None:
            raise self.why_not(name, version)
        return model

    def _await(self, name: str, version: int | str) -> None:
        """Wait for another thread that may be loading a model; raise why it is not to be had where it is not."""
        coming = self._read()
        # Were those who ask for another one to wait, a few of them would hold every thread of this worker.
        if not absence.is_called_live(coming, name, version) or not self._refresh(seconds=LOAD_SECONDS):
            raise absence.why_not(coming, name, version)

    def loaded(self, name: str) -> list[LiveModel]:
        """Return what this worker holds of a model, highest version first."""
        return self._by_name.get(name, [])

    def refresh(self, *, wait: bool = True) -> None:
        """Catch up with `live.json` if it changed: load what is new, then swap, and let go of what went.

        Without `wait` it returns at once where another thread is at it.
        """
        self._refresh(seconds=-1 if wait else 0)

    def _refresh(self, *, seconds: float) -> bool:
        """Catch up; return whether that is done, or False where another thread is at it for longer than `seconds`."""
        if not self._is_behind():
            return True
        if not self._refreshing.acquire(timeout=seconds):
            return False
        try:
            stamp = self._stamps()
            if self._is_behind():
                is_complete = self._catch_up(self._read()) & self._tell()
                self._stamp = stamp
                self._retry_at = None if is_complete else time.monotonic() + RETRY_SECONDS
        finally:
            self._refreshing.release()
        return True

    def workers(self) -> list[Worker]:
        """Return what each worker of this server holds, as it says itself."""
        return self._said.workers() if self._said else []

    def _tell(self) -> bool:
        """Say to the other workers what this one holds; return whether that could be said."""
        if self._said is None:
            return True
        try:
            self._said.say({key: model.card.fingerprint for key, model in self._models.items()})
        except OSError as error:
            log.warning("cannot say what this worker holds: %s", error.strerror)
            return False
        return True

    def _is_behind(self) -> bool:
        if self._retry_at is None:
            is_due = self._said is not None and self._said.is_lost()
        else:
            is_due = time.monotonic() >= self._retry_at
        is_spoilt = any(model.is_spoilt for model in self._models.values())
        return is_due or is_spoilt or self._stamps() != self._stamp

    def _stamps(self) -> _Stamps:
        return self._file.stamp(), self._unloaded.stamp() if self._unloaded else None

    def _read(self) -> LiveView:
        self._shared = self._file.read() or self._shared  # a file that is gone or damaged is soon written again
        view = self._shared or LiveView()
        return without(view, self._unloaded.names()) if self._unloaded else view

    def _catch_up(self, view: LiveView) -> bool:
        """Hold what `view` calls live; return whether all of it could be loaded."""
        wanted = {
            (name, version): state
            for name, versions in view.models.items()
            for version, state in versions.items()
            if state.state == "live"
        }
        models = {key: self._loaded(key, state) for key, state in wanted.items()}
        self._models = {key: model for key, model in models.items() if model is not None}
        self._by_name = _by_name(self._models)
        self._view = view
        return not self._complaints.keys() & wanted.keys()

    def _loaded(self, key: ModelKey, state: VersionState) -> LiveModel | None:
        held = self._models.get(key)
        try:
            model = self._made(key, state, held)
        except Exception as error:  # noqa: BLE001 - one bundle must not keep the others from being swapped
            self._complain(key, error)
            return held
        self._complaints.pop(key, None)
        return model

    def _complain(self, key: ModelKey, error: Exception) -> None:
        message = str(error)
        if self._complaints.get(key) != message:
            unforeseen = None if isinstance(error, ConvoyError) else error
            log.error("cannot load %s version %d: %s", *key, message, exc_info=unforeseen)
        self._complaints[key] = message

    def _made(self, key: ModelKey, state: VersionState, held: LiveModel | None) -> LiveModel:
        sidecar = parse_sidecar(state.sidecar)
        if held is None or held.card.fingerprint != state.fingerprint or held.is_spoilt:
            return self._load(key, state, sidecar)
        if state.choice not in (None, held.choice):
            held = rechosen(held, state.choice) or self._load(key, state, sidecar)
        return held if held.card.sidecar == sidecar else relabelled(held, sidecar)

    def _load(self, key: ModelKey, state: VersionState, sidecar: Sidecar) -> LiveModel:
        name, version = key
        fingerprint = state.fingerprint or ""
        while (bundle := self._store.find(name, fingerprint)) is not None:
            log.info("loading %s version %d", name, version)
            try:
                return load_model(bundle, sidecar, version, fingerprint, state.choice)
            except BrokenModelError as error:
                log.warning("a bundle of %s version %d is damaged: %s", name, version, error.message)
                self._store.shun(bundle)  # there may be another copy of it
        raise ModelNotReadyError(f"The bundle of {name!r} is gone; it will be built again.")

    def why_not(self, name: str, version: int | str = "latest") -> ConvoyError:
        """Return the error that `get` raises for a model that is not held."""
        return absence.why_not(self._view, name, version)

    def _held(self, name: str, version: int | str) -> LiveModel | None:
        if version == "latest":
            return next(iter(self.loaded(name)), None)
        number = self.number_of(name, version)
        return None if number is None else self._models.get((name, number))

    def number_of(self, name: str, version: int | str) -> int | None:
        """Return the number that a version or a label stands for; None for `latest` and for an unknown label."""
        return absence.number_of(self._view, name, version)


def _by_name(models: Mapping[ModelKey, LiveModel]) -> dict[str, list[LiveModel]]:
    grouped: dict[str, list[LiveModel]] = defaultdict(list)
    for (name, _), model in sorted(models.items(), reverse=True):
        grouped[name].append(model)
    return dict(grouped)
