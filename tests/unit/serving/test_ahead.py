"""Large pictures of one request are prepared side by side, and nobody can tell by the answers."""

import threading
import time
from collections.abc import Iterator

import pytest

from service.errors import DeadlineExceededError, UndecodableImageError
from service.image.decode import ImageLimits
from service.serving.ahead import LARGE, Ahead
from service.serving.examples import Example, Picture
from service.serving.live_model import LiveModel
from service.serving.predictor import Predictor
from service.serving.preparation import Prepared, prepare
from tests.fakes import FakeEngine, card_of, describe, softmax
from tests.pictures import encoded, noise

LIMITS = ImageLimits()
CARD = card_of(describe())
SOON = 60.0
LARGE_PICTURE = encoded(noise(300, 500, 3))
SMALL_PICTURE = encoded(noise(4, 4))
BROKEN = LARGE_PICTURE[: LARGE + 1]


def example(data: bytes) -> Example:
    return Example.of(Picture(data))


class Threads:
    """Prepares examples; notes in which threads, and how many at once."""

    def __init__(self, *, meet: int = 1) -> None:
        self.names: list[str] = []
        self._meeting = threading.Barrier(meet)

    def __call__(self, one: Example) -> Prepared:
        self._meeting.wait(20)  # broken where fewer are at it at once
        self.names.append(threading.current_thread().name)
        return prepare(one, CARD, limits=LIMITS)


def prepared_by(threads: Threads, *pictures: bytes) -> list[Prepared]:
    coming = Ahead(2).coming([example(data) for data in pictures], threads)
    return [one.prepared(time.monotonic() + SOON) for one in coming]


def test_the_pictures_are_large_enough() -> None:
    assert min(len(LARGE_PICTURE), len(BROKEN)) > LARGE > len(SMALL_PICTURE)


def test_large_pictures_are_prepared_at_the_same_time() -> None:
    threads = Threads(meet=2)

    assert len(prepared_by(threads, *[LARGE_PICTURE] * 6)) == 6
    assert all(name.startswith("decode") for name in threads.names)


@pytest.mark.parametrize("pictures", [[LARGE_PICTURE], [SMALL_PICTURE] * 9, []])
def test_one_alone_and_small_ones_need_no_thread(pictures: list[bytes]) -> None:
    threads = Threads()

    assert len(prepared_by(threads, *pictures)) == len(pictures)
    assert set(threads.names) <= {"MainThread"}


def test_no_more_are_held_than_are_worked_on() -> None:
    taken: list[int] = []

    def pictures() -> Iterator[Example]:
        for number in range(20):
            taken.append(number)
            yield example(LARGE_PICTURE)

    coming = Ahead(2).coming(pictures(), Threads())
    for number, one in enumerate(coming):
        one.prepared(time.monotonic() + SOON)
        assert len(taken) <= number + 3


def test_what_comes_before_an_unreadable_example_is_answered_first() -> None:
    def pictures() -> Iterator[Example]:
        yield example(LARGE_PICTURE)
        yield example(SMALL_PICTURE)
        raise UndecodableImageError("The third one is none.")

    coming = Ahead(2).coming(pictures(), Threads())
    for _ in range(2):
        next(coming).prepared(time.monotonic() + SOON)
    with pytest.raises(UndecodableImageError, match="third"):
        next(coming)


def test_a_picture_that_takes_too_long_meets_the_deadline() -> None:
    gate = threading.Event()

    def slow(one: Example) -> Prepared:
        gate.wait(20)
        return prepare(one, CARD, limits=LIMITS)

    coming = Ahead(2).coming([example(LARGE_PICTURE)] * 2, slow)
    with pytest.raises(DeadlineExceededError):
        next(coming).prepared(time.monotonic() + 0.01)
    gate.set()


def test_answers_keep_their_order_and_errors_their_place() -> None:
    model = LiveModel(CARD, FakeEngine(lambda inputs: {"corners": softmax(inputs["pixels"].reshape(-1, 4))}))
    pictures = [LARGE_PICTURE, SMALL_PICTURE, BROKEN, LARGE_PICTURE, encoded(noise(300, 500, 3, seed=1)), BROKEN]
    predictor = Predictor(limits=LIMITS, max_examples=10)

    def answered(*data: bytes) -> list[object]:
        result = predictor.predict(model, map(example, data), top_k=1, deadline=time.monotonic() + SOON)
        return [str(one.error) if one.error else str(one.answers) for one in result.predictions]

    alone = [answered(data)[0] for data in pictures]
    assert answered(*pictures) == alone
    assert len(set(alone)) == 4
