"""Owns which layers belong to a nested model, and which of those models are open in a drawing."""

from collections.abc import Collection, Iterable, Sequence

from service.model.layers import Layer

ALL = "all"


def nested_models(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the paths of the nested models, in the order of their layers: `mobilenet`, `twin/encoder`.

    A nested model has an InputLayer that another layer feeds. A path alone tells nothing: Keras 2 lets layers have
    names such as `conv1/bn`.
    """
    inputs = [one.name for one in layers if one.type == "InputLayer" and one.inbound]
    return tuple(dict.fromkeys(name.rpartition("/")[0] for name in inputs if "/" in name))


class Nesting:
    """Says where a layer is drawn: in the outer drawing (""), in an open nested model, or inside a closed box."""

    def __init__(self, nested: Collection[str], opened: Iterable[str]) -> None:
        self._nested = frozenset(nested)
        asked = set(opened)
        within = [path for path in nested if path in asked or ALL in asked]
        self.opened = frozenset(one for path in within for one in (*self.around(path), path))

    def around(self, path: str) -> list[str]:
        """Return the nested models that hold a layer or a nested model, the outermost first."""
        parts = path.split("/")
        starts = ("/".join(parts[:length]) for length in range(1, len(parts)))
        return [one for one in starts if one in self._nested]

    def closed_around(self, path: str) -> str | None:
        """Return the outermost closed model that holds it, None where all are open."""
        return next((one for one in self.around(path) if one not in self.opened), None)

    def levels(self, path: str) -> list[str]:
        """Return the open drawings that hold it, from the outer one ("") inwards."""
        around = self.around(path)
        count = next((place for place, one in enumerate(around) if one not in self.opened), len(around))
        return ["", *around[:count]]
