"""Owns the layers of a card as JSON text, made once for each size of a batch: a net has hundreds of them."""

import orjson

from service.api.render import layer_list
from service.model.card import ModelCard

_MOST = 256


class LayerTexts:
    """The texts made lately."""

    def __init__(self) -> None:
        # NOTE: the card is kept beside its identity, which Python would else give to another one.
        self._made: dict[tuple[int, bool, int], tuple[ModelCard, orjson.Fragment]] = {}

    def of(self, card: ModelCard, *, full: bool, batch: int) -> orjson.Fragment:
        """Return the layers in full or in brief, with `batch` in place of the free batch axis, to be put into JSON."""
        key = (id(card), full, batch)
        found = self._made.get(key)
        if found is None:
            found = card, orjson.Fragment(orjson.dumps(layer_list(card, full=full, batch=batch)))
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = found
        return found[1]
