"""Owns what a view says of a model that is asked for and not held: whether it is coming, and else why there is none."""

from service.errors import ConvoyError, ModelFailedError, ModelNotReadyError, UnknownModelError
from service.serving.live import LiveView, VersionState

RETRY_SECONDS = 2


def number_of(view: LiveView, name: str, version: int | str) -> int | None:
    """Return the number that a version or a label stands for; None for `latest` and for an unknown label."""
    return version if isinstance(version, int) else view.labels.get(name, {}).get(version)


def is_called_live(view: LiveView, name: str, version: int | str) -> bool:
    """Return whether a version is live; for `latest`, whether any is."""
    return any(state.state == "live" for state in _states(view, name, version))


def why_not(view: LiveView, name: str, version: int | str) -> ConvoyError:
    """Return what to tell whoever asked for a model that this worker does not hold."""
    if not view.models.get(name):
        return UnknownModelError(f"There is no model {name!r}; known: {_listed(view.models)}.")
    states = _states(view, name, version)
    if not states:
        return UnknownModelError(_no_such_version(view, name, version))
    if all(state.state == "unloaded" for state in states):
        return ModelNotReadyError(
            f"The model {name!r} was unloaded; POST /v2/repository/models/{name}/load with the admin key loads it."
        )
    if any(state.state != "failed" for state in states):
        return ModelNotReadyError(
            f"The model {name!r} is being built; try again in a moment.", retry_after=RETRY_SECONDS
        )
    return ModelFailedError(f"The model {name!r} cannot be served: {states[0].diagnosis}")


def _states(view: LiveView, name: str, version: int | str) -> list[VersionState]:
    number = number_of(view, name, version)
    return [state for one, state in view.models.get(name, {}).items() if version == "latest" or one == number]


def _no_such_version(view: LiveView, name: str, version: int | str) -> str:
    live = _listed(view.live_versions(name))
    number = number_of(view, name, version)
    if number in (None, version):
        return f"There is no version {version!r} of {name!r}; live: {live}. Leave it out for the latest."
    return f"The label {version!r} of {name!r} names version {number}, which is not there; live: {live}."


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) or "none"  # type: ignore[call-overload]
