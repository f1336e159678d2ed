"""Owns how connections are spread: each worker sees how many the others have, and leaves new ones to who has fewest."""

import mmap
import struct

_NONE = -1
_SIZE = struct.calcsize("i")


class Loads:
    """The open connections of each worker, in memory that arbiter and workers share; made before workers are."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _SIZE)
        self._counts = memoryview(self._memory).cast("i")
        self._slots = slots
        for slot in range(slots):
            self._counts[slot] = _NONE

    def note(self, age: int, count: int) -> None:
        """Have the worker of this age listed with so many connections."""
        self._counts[age % self._slots] = count

    def leave(self, age: int) -> None:
        """Strike out a worker that accepts no more."""
        self._counts[age % self._slots] = _NONE

    def accepts(self, age: int) -> bool:
        """Return whether the worker of this age accepts connections."""
        return self._counts[age % self._slots] != _NONE

    def is_ahead(self, age: int) -> bool:
        """Return whether another worker has fewer connections than the one of this age."""
        mine = self._counts[age % self._slots]
        return any(_NONE < count < mine for count in self._counts)
