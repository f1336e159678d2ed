"""Every dialect has a word for every state that a version can be in."""

from typing import get_args

from service.api.openinference import about
from service.api.tfserving import metadata
from service.serving.live import State


def test_every_state_has_a_word_in_every_dialect() -> None:
    for words in (about._STATES, metadata._STATES):
        assert set(words) == set(get_args(State))
