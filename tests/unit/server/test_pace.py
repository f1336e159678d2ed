"""Which requests the loop answers itself."""

import time

import pytest

from service.server import pace
from service.server.framing import Incoming
from service.server.pace import LARGEST, Pace

HEAD = b"POST /api/models/%s/predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def request_to(model: bytes = b"mnist", size: int = 10) -> Incoming:
    incoming = Incoming(10**9)
    incoming.feed(HEAD % (model, size) + bytes(size))
    return incoming


def answer(kept: Pace, incoming: Incoming, *, times: int = 1, seconds: float = 0.0) -> None:
    for _ in range(times):
        kept.timed(incoming, lambda: time.sleep(seconds))


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is kept waiting for its core is not slow here."""
    monkeypatch.setattr(pace, "QUICK_SECONDS", 0.2)


@pytest.fixture
def known() -> Pace:
    kept = Pace()
    answer(kept, request_to(), times=100)
    return kept


def test_an_address_must_have_been_quick_for_a_while() -> None:
    kept = Pace()
    found = []
    for _ in range(40):
        found.append(kept.is_quick(request_to()))
        answer(kept, request_to())

    first = found.index(True)
    assert 10 <= first <= 20
    assert all(found[first:])


def test_what_other_addresses_took_says_nothing(known: Pace) -> None:
    assert known.is_quick(request_to())
    assert not known.is_quick(request_to(b"resnet"))


def test_one_slow_answer_takes_its_address_off_the_loop_for_longer_than_it_took_to_get_there(known: Pace) -> None:
    answer(known, request_to(), seconds=2 * pace.QUICK_SECONDS)

    assert not known.is_quick(request_to())
    answer(known, request_to(), times=40)
    assert not known.is_quick(request_to())
    answer(known, request_to(), times=40)
    assert known.is_quick(request_to())


def test_an_error_is_timed_as_well(known: Pace) -> None:
    def slow() -> None:
        time.sleep(2 * pace.QUICK_SECONDS)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        known.timed(request_to(), slow)

    assert not known.is_quick(request_to())


def test_large_and_unfinished_requests_go_to_a_thread(known: Pace) -> None:
    unfinished = Incoming(10**9)
    unfinished.feed(HEAD % (b"mnist", 10))

    assert not known.is_quick(request_to(size=LARGEST))
    assert not known.is_quick(unfinished)


def test_addresses_made_up_without_end_take_no_memory(known: Pace) -> None:
    for number in range(2_000):
        answer(known, request_to(b"x%d" % number))

    assert len(known._in_a_row) <= 256
