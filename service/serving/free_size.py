"""Owns what a model of free size is spared: examples so large that running one would take more memory than there is."""

import math
from collections.abc import Mapping

from service.errors import TooLargeError
from service.model.tensors import TensorSpec

MOST_BYTES = 2**31
"""Bytes that running one example may take beside the weights."""
KEPT_BYTES = 2**28
"""Bytes that an engine may keep after a run; LiteRT keeps what its largest run took."""
Items = Mapping[str, tuple[int, ...]]
"""The shape of what each input is given, by its name, without the batch axis."""


def is_free(spec: TensorSpec) -> bool:
    """Return whether an input takes more sizes than one."""
    return None in spec.item_shape


def check_items(items: Items, *, bytes_per_number: float) -> float:
    """Return the bytes that an example of these shapes takes; raises TooLargeError for more than MOST_BYTES."""
    needed = numbers_in(items) * bytes_per_number
    if needed > MOST_BYTES:
        shapes = ", ".join("x".join(map(str, item)) for item in items.values())
        raise TooLargeError(
            f"The model takes any size, and running it on this one ({shapes}) would take {needed / 2**20:,.0f} MiB of "
            f"memory; {MOST_BYTES // 2**20:,} MiB are allowed. Send a smaller picture."
        )
    return needed


def numbers_in(items: Items) -> int:
    """Return how many numbers an example of these shapes has."""
    return sum(map(math.prod, items.values()))
