"""Owns which requests are so quick that the loop answers them itself: handing one to a thread would cost as much.

What a request will cost is not known before; what those to the same address have cost is.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from service.server.framing import Incoming

QUICK_SECONDS = 0.004
"""What the last requests to an address took at most, each, for the next one to be answered by the loop."""
LARGEST = 16 * 1024
"""Bytes of a whole request that may be; a picture that unpacks to gigabytes has more."""
_SOUND = 16
"""Quick requests in a row, from which on the next is taken to be quick."""
_LAPSE = 64
"""Requests that a slow one keeps its address among the threads, `_SOUND` included."""
_MOST_ADDRESSES = 256
_LONGEST_ADDRESS = 256
_Result = TypeVar("_Result")


class Pace:
    """How many requests in a row each address has answered quickly; used by the loop and by its threads."""

    def __init__(self) -> None:
        self._in_a_row: dict[bytes, int] = {}

    def is_quick(self, incoming: Incoming) -> bool:
        """Return whether a request that has come whole can be expected to be answered at once."""
        if not incoming.is_whole or len(incoming.data) > LARGEST:
            return False
        return self._in_a_row.get(_address(incoming), 0) >= _SOUND

    def timed(self, incoming: Incoming, work: Callable[[], _Result]) -> _Result:
        """Return what `work`, which answers a request, returns, and take note of how long it took."""
        address = _address(incoming)
        began = time.monotonic()
        try:
            return work()
        finally:
            self._note(address, is_quick=time.monotonic() - began <= QUICK_SECONDS)

    def _note(self, address: bytes, *, is_quick: bool) -> None:
        # NOTE: two threads may note at once and one be lost: an estimate does not need it.
        if len(self._in_a_row) >= _MOST_ADDRESSES and address not in self._in_a_row:
            self._in_a_row = {}
        if is_quick:
            self._in_a_row[address] = min(self._in_a_row.get(address, 0) + 1, _SOUND)
        else:
            self._in_a_row[address] = _SOUND - _LAPSE


def _address(incoming: Incoming) -> bytes:
    """Return the request line as far as it says what is asked: method and target."""
    return bytes(incoming.data[: max(0, incoming.data.find(b" HTTP/", 0, _LONGEST_ADDRESS))])
