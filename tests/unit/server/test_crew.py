"""Threads that work for a loop, and how long they are expected to keep the next job waiting."""

import threading
import time

from service.server.crew import Crew


def test_jobs_are_done_in_turn_and_all_of_them_before_the_end() -> None:
    done: list[int] = []
    crew = Crew(1, "test")

    for number in range(100):
        crew.submit(done.append, number)
    crew.shutdown(wait=True)

    assert done == list(range(100))


def test_what_waits_is_counted_and_its_wait_foretold() -> None:
    gate = threading.Event()
    crew = Crew(1, "test")
    assert (crew.waiting, crew.expected_wait) == (0, 0)

    for _ in range(20):
        crew.submit(time.sleep, 0.01)
    crew.submit(lambda _: gate.wait(10), None)
    for _ in range(5):
        crew.submit(time.sleep, 0)
    while crew.waiting > 5:
        time.sleep(0.001)

    assert 0.02 < crew.expected_wait < 5  # five jobs at a hundredth of a second each, or more on a busy machine
    gate.set()
    crew.shutdown(wait=True)
    assert crew.expected_wait == 0
