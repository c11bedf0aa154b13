"""Making those wait who guess passwords: longer with every failure, by whatever they are told apart by.

In memory, and bounded: who is forgotten first is who has failed least recently.
"""

import ipaddress
from dataclasses import dataclass

from sync.clock import Clock

FORGOTTEN = 3600.0  # seconds after a failure
MOST = 10_000  # of those that are remembered


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: float  # by the monotonic clock


class Throttle:
    """Counts failures by key; after `free` of them the wait doubles with each, up to `longest` seconds."""

    def __init__(self, clock: Clock, *, free: int, longest: float) -> None:
        self._clock = clock
        self._free = free
        self._longest = longest
        self._failures: dict[str, _Failures] = {}

    def wait(self, key: str) -> float:
        """How many seconds are left until somebody may try again."""
        failed = self._known(key)
        if failed is None or failed.count < self._free:
            return 0.0
        delay = min(self._longest, 2.0 ** min(failed.count - self._free + 1, 30))
        return max(0.0, failed.last + delay - self._clock.monotonic())

    def failed(self, key: str) -> None:
        """Note a failure."""
        before = self._known(key)
        self._failures.pop(key, None)
        while len(self._failures) >= MOST:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = _Failures((before.count if before else 0) + 1, self._clock.monotonic())

    def forget(self, key: str) -> None:
        """Forget somebody's failures."""
        self._failures.pop(key, None)

    def _known(self, key: str) -> _Failures | None:
        failed = self._failures.get(key)
        return failed if failed and self._clock.monotonic() < failed.last + FORGOTTEN else None


def neighbourhood(address: str) -> str:
    """What addresses of one and the same visitor have in common: of version 6, everybody has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
