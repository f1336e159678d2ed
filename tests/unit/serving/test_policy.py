"""Which versions of a model are served, as they are found in these states."""

from typing import Any

import pytest

from service.model.sidecar import Newest, ServePolicy
from service.serving.live import State, VersionState
from service.serving.policy import (
    chosen_versions,
    label_warnings,
    none_listed,
    settled_labels,
    wanted_by_labels,
)


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


NEWEST_TWO: dict[str, tuple[dict[str, State], tuple[int, ...], dict[int, State]]] = {
    "the two highest that are live": ({"v1": "live", "v2": "live", "v3": "live"}, (), {3: "live", 2: "live"}),
    "as many as there are": ({"v1": "live"}, (), {1: "live"}),
    "the second is built beside the first": ({"v1": "building", "v2": "building"}, (), {2: "building", 1: "building"}),
    "no third is built": (
        {"v1": "building", "v2": "building", "v3": "building"},
        (),
        {3: "building", 2: "building"},
    ),
    "both that were live stay while a newer one builds": (
        {"v1": "live", "v2": "live", "v3": "building"},
        (1, 2),
        {3: "building", 2: "live", 1: "live"},
    ),
    "the oldest goes once the newest is live": (
        {"v1": "live", "v2": "live", "v3": "live"},
        (1, 2),
        {3: "live", 2: "live"},
    ),
    "a failed one does not count": (
        {"v1": "live", "v2": "live", "v3": "failed"},
        (),
        {3: "failed", 2: "live", 1: "live"},
    ),
}


@pytest.mark.parametrize(("states", "live_before", "chosen"), NEWEST_TWO.values(), ids=NEWEST_TWO)
def test_under_the_latest_two(states: dict[str, State], live_before: tuple[int, ...], chosen: dict[int, State]) -> None:
    assert Disk(**states).chosen(Newest(2), live_before=live_before) == chosen


# ------------------------------------------------------------------------------------------ until the next is live


def test_a_version_whose_file_is_gone_answers_until_the_one_below_is_built() -> None:
    assert Disk(v1="building").chosen(live_before=(2,)) == {1: "building", 2: "live"}


def test_a_version_whose_file_is_gone_goes_where_another_is_live_or_none_is_coming() -> None:
    assert Disk(v1="live").chosen(live_before=(2,)) == {1: "live"}
    assert Disk(v1="failed").chosen(live_before=(2,)) == {1: "failed"}


def test_a_version_that_is_no_longer_listed_answers_until_the_listed_one_is_built() -> None:
    assert Disk(v1="building", v2="live").chosen((1,), live_before=(2,)) == {1: "building", 2: "live"}


def test_a_list_that_names_no_version_leaves_what_was_live_with_the_reason() -> None:
    found = none_listed((9,), [2, 1], {1: VersionState("live", "ab-1"), 3: VersionState("live")})

    diagnosis = "[versions] serve = [9] names no version that is there; there is 1, 2."
    assert found == {1: VersionState("live", "ab-1", diagnosis=diagnosis)}
    assert none_listed((9,), [2, 1], {}) == {2: VersionState("failed", diagnosis=diagnosis)}


# -------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("states", "version"),
    [
        ({1: "live", 2: "live"}, 2),
        ({1: "live", 2: "building"}, 1),
        ({1: "live", 2: "failed"}, 1),
        ({1: "live"}, 1),
        ({2: "building"}, 2),
        ({1: "building", 2: "building"}, 2),
    ],
)
def test_a_label_moves_once_its_new_version_is_live(states: dict[int, State], version: int) -> None:
    live_states = {one: VersionState(state) for one, state in states.items()}

    assert settled_labels({"stable": 2}, {"stable": 1}, live_states) == {"stable": version}


def test_a_label_that_is_new_names_its_version_at_once_and_one_that_went_is_gone() -> None:
    assert settled_labels({"canary": 2}, {"stable": 1}, {1: VersionState("live")}) == {"canary": 2}


def test_the_version_a_label_named_before_is_wanted_until_the_label_has_moved() -> None:
    assert wanted_by_labels({"stable": 2}, {"stable": 1}) == {1, 2}
    assert wanted_by_labels({"stable": 2}, {"stable": 2, "gone": 7}) == {2}


def test_a_label_of_a_version_that_is_not_there_is_warned_of() -> None:
    states = {3: VersionState("live"), 4: VersionState("live")}

    assert label_warnings("net", {"stable": 9, "canary": 4}, {"stable": 3, "canary": 4}, states) == [
        "The label 'stable' of net is to name version 9, which is not there; there is 3, 4. It stays with version 3."
    ]
    (warning,) = label_warnings("net", {"stable": 9}, {"stable": 9}, states)
    assert warning.endswith("It answers nothing till then.")
