"""Owns which versions of a model are served: the latest, all, or those its sidecar lists."""

from collections.abc import Callable, Collection, Mapping, Sequence

from service.model.sidecar import ServePolicy
from service.serving.live import VersionState

StateOf = Callable[[int], VersionState]


def chosen_versions(
    versions: Sequence[int],
    *,
    serve: ServePolicy,
    labelled: Collection[int] = (),
    state_of: StateOf,
    before: Mapping[int, VersionState],
) -> dict[int, VersionState]:
    """Return the state of the versions worth having one, `versions` being those on disk, highest first.

    A version that has a label is wanted under every policy.

    Under `latest` an older version is asked for only until a newer one is live: one that was live stays so
    meanwhile, another is built only where all newer ones failed.
    """
    chosen = _latest(versions, state_of, before) if serve == "latest" else {}
    wanted = [one for one in versions if one in labelled or serve == "all" or (serve != "latest" and one in serve)]
    return chosen | {version: state_of(version) for version in wanted if version not in chosen}


def _latest(versions: Sequence[int], state_of: StateOf, before: Mapping[int, VersionState]) -> dict[int, VersionState]:
    chosen: dict[int, VersionState] = {}
    is_coming = False
    for version in versions:
        was_live = version in before and before[version].state == "live"
        if is_coming and not was_live:
            continue
        chosen[version] = state_of(version)
        if chosen[version].state == "live":
            break
        is_coming = is_coming or chosen[version].state == "building"
    return chosen
