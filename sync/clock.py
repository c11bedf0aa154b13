"""The one source of time: the wall clock, the monotonic clock, and waiting.

Everything that needs to know the time or to wait takes a `Clock`, so that tests and simulations decide how time passes.
Waiting ends early, with `Interrupted`, once the clock is stopped: that is how Ctrl-C reaches every thread.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sync.errors import Interrupted


class Clock(Protocol):
    """What the program may know of time."""

    def now(self) -> datetime:
        """The wall clock, as an aware datetime in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds. Raises `Interrupted` when the program is asked to stop."""
        ...


class SystemClock:
    """The real clock of this machine."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self._stopped.wait(max(seconds, 0.0)):
            raise Interrupted

    def stop(self) -> None:
        """End every wait, the present ones and those to come, with `Interrupted`."""
        self._stopped.set()


class ManualClock:
    """A clock that only moves when it is told to, or slept on; safe to share between threads."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by that many seconds."""
        with self._lock:
            self._elapsed += max(seconds, 0.0)
