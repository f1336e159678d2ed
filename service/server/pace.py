"""Owns which requests are so quick that the loop answers them itself: handing one to a thread would cost as much.

What a request will cost is not known before; what the predictions at the same address have cost is. Nothing but a
prediction is ever answered by the loop.
"""

from service.server.framing import Incoming

QUICK_SECONDS = 0.004
"""What the last predictions at an address took at most, each, for the next one to be answered by the loop."""
LARGEST = 16 * 1024
"""Bytes of a whole request that may be; a picture that unpacks to many megabytes has more."""
_SOUND = 16
"""Quick predictions in a row, from which on the next is taken to be quick."""
_LAPSE = 64
"""Quick predictions that it takes after a slow request, until the address is the loop's again."""
_MOST_ADDRESSES = 256
_LONGEST_ADDRESS = 256


class Pace:
    """How many predictions in a row each address has answered quickly; used by the loop and by its threads."""

    def __init__(self) -> None:
        self._in_a_row: dict[bytes, int] = {}

    def is_quick(self, incoming: Incoming) -> bool:
        """Return whether a request that has come whole can be expected to be answered at once."""
        if not incoming.is_whole or len(incoming.data) > LARGEST:
            return False
        return self._in_a_row.get(_address(incoming), 0) >= _SOUND

    def note(self, incoming: Incoming, seconds: float, *, is_prediction: bool) -> None:
        """Take note of how long an answer took; of what is no answered prediction only where it was slow."""
        address = _address(incoming)
        row = self._in_a_row.get(address)
        if seconds > QUICK_SECONDS and row is not None:
            self._in_a_row[address] = _SOUND - _LAPSE
        elif seconds <= QUICK_SECONDS and is_prediction and address:
            # NOTE: two threads may note at once and one be lost: an estimate does not need it.
            if row is None and len(self._in_a_row) >= _MOST_ADDRESSES:
                self._in_a_row = {}
            self._in_a_row[address] = min((row or 0) + 1, _SOUND)


def _address(incoming: Incoming) -> bytes:
    """Return the request line as far as it says what is asked, method and target; nothing where that is long."""
    return bytes(incoming.data[: max(0, incoming.data.find(b" HTTP/", 0, _LONGEST_ADDRESS))])
