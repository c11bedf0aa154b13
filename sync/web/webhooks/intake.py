"""Group commit: what is delivered at one time is stored in one transaction.

A commit waits for the disk; hundreds of deliveries a second can't each wait for one of their own. A single thread
stores whatever waits, and each submitter is told only when its own event is committed, or why it is not.
"""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from sync.clock import Clock
from sync.errors import SyncError
from sync.store.database import Database
from sync.store.errors import DatabaseBusy, DatabaseUnreachable
from sync.store.inbox import Received, save_events

AT_ONCE = 500  # events in one transaction
MOST_WAITING = 10_000  # events: at 2 kB each, no burden

_log = structlog.get_logger(__name__)


class IntakeFull(SyncError):
    """No further event is taken: too many wait to be stored, or the program is about to end."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """An event, and whom to tell what became of it."""

    received: Received
    future: Future[bool] = field(default_factory=Future)


class Intake:
    """Stores events as they come. Close it when no more will come."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[_Submitted] = deque()
        self._closing = False
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._work, name="intake", daemon=True)
        self._writer.start()

    def submit(self, received: Received) -> "Future[bool]":
        """Have an event stored. After the commit the future says whether it was new; it raises what kept it from that.

        Raises `IntakeFull`. Safe to call from any thread.
        """
        submitted = _Submitted(received)
        with self._changed:
            if self._closing or len(self._waiting) >= MOST_WAITING:
                raise IntakeFull("Too many events wait to be stored.", "Look at the database: it is slow or gone.")
            self._waiting.append(submitted)
            self._changed.notify()
        return submitted.future

    def close(self, timeout: float = 2.0) -> None:
        """Take no more, store what waits, and end; after so many seconds without that."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(timeout)
        if self._writer.is_alive():
            _log.error("intake_not_drained", waiting=len(self._waiting))

    def _work(self) -> None:
        while batch := self._next():
            self._store(batch)

    def _next(self) -> Sequence[_Submitted]:
        """What waits, as soon as anything does; nothing when there is nothing more to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]

    def _store(self, batch: Sequence[_Submitted]) -> None:
        """Store events in one transaction; where that fails, halve them until the culprit stands alone."""
        began = self._clock.monotonic()
        try:
            with self._database.writing() as connection:
                new = save_events(connection, [one.received for one in batch])
        except (DatabaseBusy, DatabaseUnreachable) as error:  # no event is to blame
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            self._store(batch[:middle])
            self._store(batch[middle:])
        else:
            milliseconds = round(1000 * (self._clock.monotonic() - began))
            _log.debug("events_stored", count=len(batch), new=sum(new), milliseconds=milliseconds)
            for one, is_new in zip(batch, new, strict=True):
                if _is_awaited(one):
                    one.future.set_result(is_new)


def _fail(batch: Sequence[_Submitted], error: Exception) -> None:
    for one in batch:
        if _is_awaited(one):
            one.future.set_exception(error)


def _is_awaited(one: _Submitted) -> bool:
    """Whether its submitter still wants to know: one that gave up has cancelled the future."""
    return one.future.set_running_or_notify_cancel()
