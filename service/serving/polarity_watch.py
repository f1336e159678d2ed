"""Owns which way round each live model learned: asked once for each card, the last ones kept."""

import threading
from typing import Any

from numpy.typing import NDArray

from service.model.card import ModelCard
from service.serving.live_model import LiveModel
from service.serving.polarity import LearnedPolarity, polarity_warnings

_KEPT = 256


class PolarityWatch:
    """Warns of pictures that are the other way round than their model learned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # NOTE: the card is kept beside its identity, which Python would else give to another one.
        self._learned: dict[int, tuple[ModelCard, LearnedPolarity]] = {}

    def warnings(self, batch: NDArray[Any], model: LiveModel) -> list[str | None]:
        """Return for each picture of a batch (N, *item), as the model takes it, a warning or None."""
        return polarity_warnings(batch, model, self._of(model.card))

    def _of(self, card: ModelCard) -> LearnedPolarity:
        found = self._learned.get(id(card))
        if found is not None:
            return found[1]
        with self._lock:
            if (found := self._learned.get(id(card))) is not None:
                return found[1]
            while len(self._learned) >= _KEPT:
                del self._learned[next(iter(self._learned))]
            return self._learned.setdefault(id(card), (card, LearnedPolarity()))[1]
