"""Owns the layers of a card as JSON text, made once for each size of a batch: a net has hundreds of them."""

import orjson

from service.api.render import layer_list
from service.model.card import ModelCard

_MOST_BYTES = 4 * 2**20


class LayerTexts:
    """The texts made lately."""

    def __init__(self) -> None:
        # NOTE: the card is kept beside its identity, which Python would else give to another one.
        self._made: dict[tuple[int, bool, int], tuple[ModelCard, orjson.Fragment]] = {}
        self._bytes = 0

    def of(self, card: ModelCard, *, full: bool, batch: int) -> orjson.Fragment:
        """Return the layers in full or in brief, with `batch` in place of the free batch axis, to be put into JSON."""
        key = (id(card), full, batch)
        found = self._made.get(key)
        if found is None:
            text = orjson.dumps(layer_list(card, full=full, batch=batch))
            found = card, orjson.Fragment(text)
            self._keep(key, found, len(text))
        return found[1]

    def _keep(self, key: tuple[int, bool, int], made: tuple[ModelCard, orjson.Fragment], size: int) -> None:
        if self._bytes + size > _MOST_BYTES:
            self._made, self._bytes = {}, 0
        if size <= _MOST_BYTES:
            self._made[key] = made
            self._bytes += size
