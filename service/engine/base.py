"""Owns what every engine promises."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """Runs one loaded graph. Not thread-safe: whoever holds it lets one thread in at a time."""

    name: str

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Return the outputs by name for `inputs` by name.

        Every array has the batch axis first and the same batch size; inputs have the dtype of the graph and
        outputs are fresh arrays the caller may keep.
        """
        ...

    def release(self) -> None:
        """Let go of the memory that the largest run took; the next run takes what it needs anew."""
        ...
