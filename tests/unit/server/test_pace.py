"""Which requests the loop answers itself."""

import pytest

from service.server.framing import Incoming
from service.server.pace import LARGEST, QUICK_SECONDS, Pace

HEAD = b"POST /api/models/%s/predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
SLOW = 2 * QUICK_SECONDS


def request_to(model: bytes = b"mnist", size: int = 10) -> Incoming:
    incoming = Incoming(10**9)
    incoming.feed(HEAD % (model, size) + bytes(size))
    return incoming


def answer(
    kept: Pace, incoming: Incoming, *, times: int = 1, seconds: float = QUICK_SECONDS / 2, is_prediction: bool = True
) -> None:
    for _ in range(times):
        kept.note(incoming, seconds, is_prediction=is_prediction)


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


def test_errors_and_refusals_however_quick_say_nothing() -> None:
    kept = Pace()
    answer(kept, request_to(), times=1_000, is_prediction=False)

    assert not kept.is_quick(request_to())


@pytest.mark.parametrize("is_prediction", [True, False])
def test_one_slow_answer_takes_its_address_off_the_loop_for_long(known: Pace, is_prediction: bool) -> None:
    answer(known, request_to(), seconds=SLOW, is_prediction=is_prediction)

    assert not known.is_quick(request_to())
    answer(known, request_to(), times=50)
    assert not known.is_quick(request_to())
    answer(known, request_to(), times=50)
    assert known.is_quick(request_to())


def test_large_and_unfinished_requests_go_to_a_thread(known: Pace) -> None:
    unfinished = Incoming(10**9)
    unfinished.feed(HEAD % (b"mnist", 10))

    assert not known.is_quick(request_to(size=LARGEST))
    assert not known.is_quick(unfinished)


def test_addresses_too_long_to_be_told_apart_go_to_a_thread() -> None:
    kept = Pace()
    answer(kept, request_to(b"x" * 400), times=100)

    assert not kept.is_quick(request_to(b"x" * 400))
    assert not kept.is_quick(request_to(b"y" * 400))


def test_addresses_made_up_without_end_take_no_memory_and_no_others_place(known: Pace) -> None:
    for number in range(2_000):
        answer(known, request_to(b"x%d" % number), is_prediction=False)
    assert known.is_quick(request_to())

    for number in range(2_000):
        answer(known, request_to(b"x%d" % number))
    assert len(known._in_a_row) <= 256
