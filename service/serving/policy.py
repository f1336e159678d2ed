"""Owns which versions of a model are served, and which of them its labels name, as its sidecar wants it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from service.model.sidecar import Newest, ServePolicy
from service.serving.live import VersionState

StateOf = Callable[[int], VersionState]
States = Mapping[int, VersionState]


def chosen_versions(
    versions: Sequence[int],
    *,
    serve: ServePolicy,
    labelled: Collection[int] = (),
    state_of: StateOf,
    before: States,
) -> dict[int, VersionState]:
    """Return the state of the versions worth having one, `versions` being those on disk, highest first.

    A version that has a label is wanted under every policy. Where none of the wanted ones can answer yet, but one is
    coming, the highest that was live goes on answering until then, even where its file is gone.

    Under `latest` an older version is asked for only until a newer one is live: one that was live stays so
    meanwhile, another is built only where all newer ones failed. So it is with the newest of several, too.
    """
    count = _count(serve)
    chosen = _newest(versions, count, state_of, before) if count else {}
    wanted = [one for one in versions if one in labelled or serve == "all" or _is_listed(one, serve)]
    chosen |= {version: state_of(version) for version in wanted if version not in chosen}
    return _until_replaced(chosen, before)


def none_listed(serve: ServePolicy, versions: Sequence[int], before: States) -> dict[int, VersionState]:
    """Return the states of a model whose policy names none of the `versions` on disk: what was live stays live."""
    listed = ", ".join(map(str, sorted(versions)))
    named = list(serve) if isinstance(serve, tuple) else serve
    diagnosis = f"[versions] serve = {named} names no version that is there; there is {listed}."
    kept = {one: replace(before[one], diagnosis=diagnosis) for one in versions if _is_live(before.get(one))}
    return kept or {max(versions): VersionState("failed", diagnosis=diagnosis)}


def wanted_by_labels(labels: Mapping[str, int], before: Mapping[str, int]) -> set[int]:
    """Return the versions that labels name, and those they named `before` for as long as they differ."""
    return {*labels.values(), *(before[label] for label in labels if label in before)}


def settled_labels(labels: Mapping[str, int], before: Mapping[str, int], states: States) -> dict[str, int]:
    """Return what each label stands for: its new version once that is live, until then the one `before`, if live."""
    return {label: _settled(version, before.get(label), states) for label, version in labels.items()}


def label_warnings(name: str, labels: Mapping[str, int], settled: Mapping[str, int], states: States) -> list[str]:
    """Return what to say of labels that name a version which is not there."""
    there = ", ".join(map(str, sorted(states)))
    return [
        f"The label {label!r} of {name} is to name version {version}, which is not there; there is {there}. "
        + (f"It stays with version {settled[label]}." if settled[label] != version else "It answers nothing till then.")
        for label, version in labels.items()
        if version not in states
    ]


def _settled(version: int, held: int | None, states: States) -> int:
    if held is None or _is_live(states.get(version)) or not _is_live(states.get(held)):
        return version
    return held


def _count(serve: ServePolicy) -> int:
    """Return how many of the newest versions a policy wants; 0 where it does not go by age."""
    if isinstance(serve, Newest):
        return serve.count
    return 1 if serve == "latest" else 0


def _is_listed(version: int, serve: ServePolicy) -> bool:
    return isinstance(serve, tuple) and version in serve


def _newest(versions: Sequence[int], count: int, state_of: StateOf, before: States) -> dict[int, VersionState]:
    chosen: dict[int, VersionState] = {}
    live = coming = 0
    for version in versions:
        if live == count:
            break
        if live + coming >= count and not _is_live(before.get(version)):
            continue
        chosen[version] = state_of(version)
        live += chosen[version].state == "live"
        coming += chosen[version].state == "building"
    return chosen


def _until_replaced(chosen: dict[int, VersionState], before: States) -> dict[int, VersionState]:
    states = {one.state for one in chosen.values()}
    if "live" in states or "building" not in states:
        return chosen
    left = [version for version, state in before.items() if _is_live(state) and version not in chosen]
    return chosen | {version: before[version] for version in sorted(left)[-1:]}


def _is_live(state: VersionState | None) -> bool:
    return state is not None and state.state == "live"
