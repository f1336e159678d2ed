"""W3C Trace Context: what is taken up, and what is as good as absent."""

import re

import pytest

from service.api.trace import trace_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_trace_that_comes_is_gone_on_with_under_a_span_of_our_own() -> None:
    found = trace_of([PARENT], ["congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7, a@b=x"])

    assert (found.trace, found.is_sampled) == (TRACE, True)
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", found.parent)
    assert found.span not in (SPAN, trace_of([PARENT], []).span)
    assert found.state == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7,a@b=x"


def test_the_callers_decision_not_to_sample_is_kept() -> None:
    assert trace_of([f"00-{TRACE}-{SPAN}-00"], []).parent.endswith("-00")
    assert trace_of([f"00-{TRACE}-{SPAN}-03"], []).parent.endswith("-01")  # flags not known here are not passed on


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [PARENT, PARENT],
        [""],
        [PARENT.upper()],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE[:-1]}-{SPAN}-01"],
        [f"{PARENT}\n"],
        [f" {PARENT}"],
    ],
)
def test_where_none_comes_or_it_is_malformed_a_new_one_begins(parents: list[str]) -> None:
    found = trace_of(parents, ["congo=1"])

    assert found.trace != TRACE
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", found.parent)
    assert found.state == ""


def test_a_later_version_may_say_more() -> None:
    assert trace_of([f"01-{TRACE}-{SPAN}-01-what-is-to-come"], []).trace == TRACE


@pytest.mark.parametrize(
    "states",
    [
        ["a=1,a=2"],
        ["A=1"],
        ["a"],
        ["a="],
        ["a=b=c"],
        ["a=\x1b[31m"],
        [",".join(f"k{number}=1" for number in range(33))],
        [f"a={'x' * 257}"],
        [",".join(f"k{number}={'x' * 200}" for number in range(30))],
    ],
)
def test_a_malformed_state_is_dropped_and_the_trace_kept(states: list[str]) -> None:
    found = trace_of([PARENT], states)

    assert (found.trace, found.state) == (TRACE, "")


def test_empty_members_of_a_state_are_passed_over() -> None:
    assert trace_of([PARENT], [" a=1 ,,", "b=2"]).state == "a=1,b=2"
