"""Owns the live models of this worker: loads what `live.json` names, swaps whole sets, lets old ones drain."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

from service.errors import BrokenModelError, ConvoyError, ModelFailedError, ModelNotReadyError, UnknownModelError
from service.model.sidecar import Sidecar
from service.repository.bundles import BundleStore
from service.repository.sidecar import parse_sidecar
from service.serving.held import HeldModels, Worker
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.live_model import LiveModel, load_model, relabelled
from service.serving.shared_file import Stamp
from service.serving.unloaded import UnloadedModels, without

log = logging.getLogger(__name__)

RETRY_SECONDS = 2
_Key = tuple[str, int]


class Registry:
    """The models this worker can answer with. Reading takes no lock: a set is replaced, never changed."""

    def __init__(
        self,
        live_file: LiveFile,
        store: BundleStore,
        unloaded: UnloadedModels | None = None,
        held: HeldModels | None = None,
    ) -> None:
        self._file = live_file
        self._store = store
        self._unloaded = unloaded
        self._said = held
        self._refreshing = threading.Lock()
        self._stamp: tuple[Stamp, Stamp] = (None, None)
        self._retry_at: float | None = None
        self._shared: LiveView | None = None
        self._view = LiveView()
        self._models: Mapping[_Key, LiveModel] = {}
        self._complaints: dict[_Key, str] = {}
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
        if model is None:
            self.refresh()
            model = self._held(name, version)
        if model is None:
            raise self._why_not(name, version)
        return model

    def loaded(self, name: str) -> list[LiveModel]:
        """Return what this worker holds of a model, highest version first."""
        return self._by_name.get(name, [])

    def refresh(self, *, wait: bool = True) -> None:
        """Catch up with `live.json` if it changed: load what is new, then swap, and let go of what went.

        Without `wait` it returns at once where another thread is at it.
        """
        if not self._is_behind() or not self._refreshing.acquire(blocking=wait):
            return
        try:
            stamp = self._stamps()
            if self._is_behind():
                is_complete = self._catch_up(self._read()) & self._tell()
                self._stamp = stamp
                self._retry_at = None if is_complete else time.monotonic() + RETRY_SECONDS
        finally:
            self._refreshing.release()

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
        is_retry_due = self._retry_at is not None and time.monotonic() >= self._retry_at
        is_spoilt = any(model.is_spoilt for model in self._models.values())
        return is_retry_due or is_spoilt or self._stamps() != self._stamp

    def _stamps(self) -> tuple[Stamp, Stamp]:
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

    def _loaded(self, key: _Key, state: VersionState) -> LiveModel | None:
        held = self._models.get(key)
        try:
            model = self._made(key, state, held)
        except Exception as error:  # noqa: BLE001 - one bundle must not keep the others from being swapped
            self._complain(key, error)
            return held
        self._complaints.pop(key, None)
        return model

    def _complain(self, key: _Key, error: Exception) -> None:
        message = str(error)
        if self._complaints.get(key) != message:
            unforeseen = None if isinstance(error, ConvoyError) else error
            log.error("cannot load %s version %d: %s", *key, message, exc_info=unforeseen)
        self._complaints[key] = message

    def _made(self, key: _Key, state: VersionState, held: LiveModel | None) -> LiveModel:
        sidecar = parse_sidecar(state.sidecar)
        if held is None or held.card.fingerprint != state.fingerprint or held.is_spoilt:
            return self._load(key, state, sidecar)
        return held if held.card.sidecar == sidecar else relabelled(held, sidecar)

    def _load(self, key: _Key, state: VersionState, sidecar: Sidecar) -> LiveModel:
        name, version = key
        fingerprint = state.fingerprint or ""
        while (bundle := self._store.find(name, fingerprint)) is not None:
            log.info("loading %s version %d", name, version)
            try:
                return load_model(bundle, sidecar, version, fingerprint)
            except BrokenModelError as error:
                log.warning("a bundle of %s version %d is damaged: %s", name, version, error.message)
                self._store.shun(bundle)  # there may be another copy of it
        raise ModelNotReadyError(f"The bundle of {name!r} is gone; it will be built again.")

    def why_not(self, name: str, version: int | str = "latest") -> ConvoyError:
        """Return the error that `get` raises for a model that is not held."""
        return self._why_not(name, version)

    def _held(self, name: str, version: int | str) -> LiveModel | None:
        if version == "latest":
            return next(iter(self.loaded(name)), None)
        number = self.number_of(name, version)
        return None if number is None else self._models.get((name, number))

    def number_of(self, name: str, version: int | str) -> int | None:
        """Return the number that a version or a label stands for; None for `latest` and for an unknown label."""
        return version if isinstance(version, int) else self._view.labels.get(name, {}).get(version)

    def _why_not(self, name: str, version: int | str) -> ConvoyError:
        versions = self._view.models.get(name)
        if not versions:
            return UnknownModelError(f"There is no model {name!r}; known: {_listed(self._view.models)}.")
        number = self.number_of(name, version)
        states = [state for one, state in versions.items() if version == "latest" or one == number]
        if not states:
            return UnknownModelError(self._no_such_version(name, version, number))
        if all(state.state == "unloaded" for state in states):
            return ModelNotReadyError(
                f"The model {name!r} was unloaded; POST /v2/repository/models/{name}/load with the admin key loads it."
            )
        if any(state.state != "failed" for state in states):
            return ModelNotReadyError(
                f"The model {name!r} is being built; try again in a moment.", retry_after=RETRY_SECONDS
            )
        return ModelFailedError(f"The model {name!r} cannot be served: {states[0].diagnosis}")

    def _no_such_version(self, name: str, version: int | str, number: int | None) -> str:
        live = _listed(self._view.live_versions(name))
        if number in (None, version):
            return f"There is no version {version!r} of {name!r}; live: {live}. Leave it out for the latest."
        return f"The label {version!r} of {name!r} names version {number}, which is not there; live: {live}."


def _by_name(models: Mapping[_Key, LiveModel]) -> dict[str, list[LiveModel]]:
    grouped: dict[str, list[LiveModel]] = defaultdict(list)
    for (name, _), model in sorted(models.items(), reverse=True):
        grouped[name].append(model)
    return dict(grouped)


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) or "none"  # type: ignore[call-overload]
