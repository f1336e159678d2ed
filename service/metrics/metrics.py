"""Owns what a worker counts beside what its models do: requests over HTTP, what it is at, builds."""

from service.metrics.counters import Counters
from service.metrics.kinds import (
    BUILD,
    BUILD_SECONDS,
    CONNECTIONS,
    HTTP,
    HTTP_SECONDS,
    IN_FLIGHT,
    WAIT_SECONDS,
    WAITING,
    WORKER,
    to_ns,
)

REFUSED = "(refused)"
"""The route of a request that was refused at once: too many wait already."""
UNFINISHED = "(unfinished)"
"""The route of a request that did not come whole in time."""
GONE = "(gone)"
"""The route of a request whose client went before its turn came."""
MALFORMED = "(malformed)"
"""The route of what was no HTTP request."""
UNMATCHED = "(unmatched)"
"""The route of a request for an address where there is nothing, or nothing for its method."""
_OTHER = "other"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"))


class Metrics:
    """What one worker counts. Safe to call from any thread; never raises, and costs about a microsecond."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def http(self, method: str, route: str, status: int, seconds: float, *, waited: float | None = None) -> None:
        """Count an answered request; `route` is the rule of its address or one of the names above, never a path.

        `waited` are the seconds of them that it waited for a thread, None where it was given to none.
        """
        known = method if method in _METHODS else _OTHER
        changes = HTTP_SECONDS.observed(to_ns(seconds))
        if waited is not None:
            changes += WAIT_SECONDS.observed(to_ns(waited))
        self._counters.add(HTTP, (known, route, str(status)), changes)

    def began(self) -> None:
        """Note that one more request is being answered."""
        self._counters.add(WORKER, (), ((IN_FLIGHT, 1),))

    def ended(self) -> None:
        """Note that one request less is being answered."""
        self._counters.add(WORKER, (), ((IN_FLIGHT, -1),))

    def waiting(self, count: int) -> None:
        """Note how many requests wait for a thread of this worker."""
        self._counters.set(WORKER, (), WAITING, count)

    def connections(self, count: int) -> None:
        """Note how many connections this worker holds."""
        self._counters.set(WORKER, (), CONNECTIONS, count)

    def built(self, model: str, result: str, seconds: float) -> None:
        """Count a build by how it ended: built, failed or interrupted."""
        self._counters.add(BUILD, (model, result), BUILD_SECONDS.observed(to_ns(seconds)))
