"""Heat maps are made one at a time; few requests wait for their turn."""

import threading
import time

import pytest

from service.errors import BusyError
from service.explain.turns import Turns


def asked(turns: Turns, *, seconds: float) -> None:
    with turns.turn(deadline=time.monotonic() + seconds):
        pass


def test_one_has_the_turn_and_who_waits_for_too_long_is_told_when_to_come_again() -> None:
    turns = Turns()
    with turns.turn(deadline=time.monotonic() + 60), pytest.raises(BusyError) as raised:
        asked(turns, seconds=0.05)
    assert raised.value.retry_after
    asked(turns, seconds=60)


def test_who_finds_enough_waiting_does_not_wait() -> None:
    turns = Turns(waiting=0)
    with turns.turn(deadline=time.monotonic() + 3600), pytest.raises(BusyError):
        asked(turns, seconds=3600)


def test_who_waits_has_the_turn_next() -> None:
    turns, order = Turns(), list[str]()

    def wait() -> None:
        with turns.turn(deadline=time.monotonic() + 60):
            order.append("second")

    with turns.turn(deadline=time.monotonic() + 60):
        second = threading.Thread(target=wait)
        second.start()
        order.append("first")
    second.join()
    assert order == ["first", "second"]
