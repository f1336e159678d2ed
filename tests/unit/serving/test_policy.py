"""Which versions of a model are served, as they are found in these states."""

from typing import Any

import pytest

from service.model.sidecar import ServePolicy
from service.serving.live import State, VersionState
from service.serving.policy import chosen_versions


class Disk:
    """Versions and the state each would be in if it were wanted; remembers which were asked for."""

    def __init__(self, **states: State) -> None:
        self.states = {int(name.removeprefix("v")): state for name, state in states.items()}
        self.asked: list[int] = []

    def state_of(self, version: int) -> VersionState:
        self.asked.append(version)
        return VersionState(self.states[version])

    def chosen(self, serve: ServePolicy = "latest", *, live_before: tuple[int, ...] = ()) -> dict[int, State]:
        found = chosen_versions(
            sorted(self.states, reverse=True),
            serve=serve,
            state_of=self.state_of,
            before={version: VersionState("live") for version in live_before},
        )
        return {version: state.state for version, state in found.items()}


LATEST: dict[str, tuple[dict[str, State], tuple[int, ...], dict[int, State]]] = {
    "the only version": ({"v1": "live"}, (), {1: "live"}),
    "the highest that is live": ({"v1": "live", "v2": "live"}, (), {2: "live"}),
    "nothing older is built beside a build": ({"v1": "building", "v2": "building"}, (), {2: "building"}),
    "an older one stays live while a newer one builds": (
        {"v1": "live", "v2": "building"},
        (1,),
        {2: "building", 1: "live"},
    ),
    "the one that was live stays, not the one between": (
        {"v1": "live", "v2": "building", "v3": "building"},
        (1,),
        {3: "building", 1: "live"},
    ),
    "only the newest of those that were live stays": (
        {"v1": "live", "v2": "live", "v3": "building"},
        (1, 2),
        {3: "building", 2: "live"},
    ),
    "the older one goes once the newer is live": ({"v1": "live", "v2": "live"}, (1,), {2: "live"}),
    "falls back where the newer failed": ({"v1": "live", "v2": "failed"}, (), {2: "failed", 1: "live"}),
    "falls back by a build": ({"v1": "building", "v2": "failed"}, (), {2: "failed", 1: "building"}),
    "falls back over several": (
        {"v1": "live", "v2": "failed", "v3": "failed"},
        (),
        {3: "failed", 2: "failed", 1: "live"},
    ),
    "falls back no further than needed": (
        {"v1": "live", "v2": "live", "v3": "failed"},
        (),
        {3: "failed", 2: "live"},
    ),
    "all failed": ({"v1": "failed", "v2": "failed"}, (), {2: "failed", 1: "failed"}),
    "no versions": ({}, (), {}),
}


@pytest.mark.parametrize(("states", "live_before", "chosen"), LATEST.values(), ids=LATEST)
def test_under_latest(states: dict[str, State], live_before: tuple[int, ...], chosen: dict[int, State]) -> None:
    assert Disk(**states).chosen(live_before=live_before) == chosen


def test_versions_come_highest_first() -> None:
    assert list(Disk(v1="live", v2="failed", v10="failed").chosen()) == [10, 2, 1]


def test_under_latest_a_version_that_is_not_wanted_is_not_even_asked_for() -> None:
    disk = Disk(v1="live", v2="building", v3="live")
    disk.chosen()
    assert disk.asked == [3]


@pytest.mark.parametrize(
    ("serve", "chosen"),
    [
        ("all", {3: "building", 2: "live", 1: "failed"}),
        ((1, 2), {2: "live", 1: "failed"}),
        ((2,), {2: "live"}),
        ((2, 99), {2: "live"}),
        ((99,), {}),
    ],
)
def test_all_or_those_listed_are_served_whatever_their_states(serve: Any, chosen: dict[int, State]) -> None:
    assert Disk(v1="failed", v2="live", v3="building").chosen(serve) == chosen


def test_a_version_that_is_not_listed_goes_though_it_was_live() -> None:
    assert Disk(v1="live", v2="live").chosen((2,), live_before=(1,)) == {2: "live"}
