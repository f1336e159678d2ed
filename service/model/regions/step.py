"""Owns one step of the way back: what a call of a layer gives, and what it takes for what is seen of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.model.layers import Layer
from service.model.regions.axis import Axis
from service.model.regions.seen import Seen, Sizes
from service.model.tensors import Shape

Back = Callable[[Seen, int], list[Seen]]


@dataclass(frozen=True, slots=True)
class Step:
    """One call: `parts` are the sizes of what it gives.

    `back` makes of what is seen of a part what is seen of each tensor that it takes. `is_move` says that each number it
    gives is one that it takes, or is made of that one alone.
    """

    parts: tuple[Sizes, ...]
    back: Back
    is_move: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step is made of: the layer, the sizes that the call takes, and the items that Keras says it gives."""

    layer: Layer
    sizes: Sequence[Sizes]
    declared: tuple[Shape, ...]

    @property
    def only(self) -> Sizes:
        """Return the sizes of the only tensor that is taken, of the first where there are several."""
        return self.sizes[0]

    @property
    def rank(self) -> int:
        """Return the number of axes of an item that is taken."""
        return len(self.only)

    def item_axis(self, axis: int) -> int | None:
        """Return an axis as Keras counts it, with the batch, as one of the item; None for the batch itself."""
        place = axis - 1 if axis >= 0 else self.rank + axis
        return place if 0 <= place < self.rank else None

    def axes(self, default: int | None = None) -> tuple[int, ...] | None:
        """Return the item's axes that the layer's `axis` names; None where it names none, or the batch."""
        said = self.layer.axis if self.layer.axis is not None else default
        if said is None:
            return None
        found = [self.item_axis(one) for one in ((said,) if isinstance(said, int) else said)]
        return None if None in found else tuple(one for one in found if one is not None)

    @property
    def channel(self) -> int:
        """Return which axis of the item has the channels."""
        return 0 if self.layer.data_format == "channels_first" else self.rank - 1

    @property
    def spatial(self) -> tuple[int, ...]:
        """Return the item's axes other than the channels, in their order."""
        return tuple(axis for axis in range(self.rank) if axis != self.channel)


Maker = Callable[[Taken], Step | None]
"""Makes the step of a call; None where it cannot be followed."""


def along(axes: Sequence[Axis | None], *, is_move: bool = False) -> Step | None:
    """Return the step of a layer of one input that keeps the axes, each for itself; None where one is not known."""
    known = [axis for axis in axes if axis is not None]
    if len(known) < len(axes):
        return None
    given = tuple(axis.given for axis in known)
    return single(given, lambda seen: [tuple(map(Axis.back, known, seen))], is_move=is_move)


def single(given: Sizes, back: Callable[[Seen], list[Seen]], *, is_move: bool = False) -> Step:
    """Return the step of a layer that gives one tensor."""
    return Step((given,), lambda seen, _: back(seen), is_move)


def each(value: tuple[int, ...] | None, count: int, default: int = 1) -> tuple[int, ...]:
    """Return a value per spatial axis, given for each of them or once for all."""
    values = value or (default,)
    return values if len(values) == count else values[:1] * count
