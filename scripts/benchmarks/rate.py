"""How much of the allowed request rate a backfill uses while three or more lists still have pages.

The sandbox answers after 100 ms and allows 20 requests per 2 s; the database is an SQLite file. Each attempt is seen as
the client logs it. The 20th request, the 40th and so on stand at the same place of their windows: from the first of
them to the last is what is measured, without the head start of the first 20.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import structlog
from structlog.typing import EventDict

from scripts.benchmarks.places import empty_sqlite, mirror_of, server
from scripts.benchmarks.report import Finding
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES

ALLOWED = 10.0  # requests per second
_BURST = 20
_ORGANIZATIONS = 6000  # of which organizations, persons, deals and activities have 12, 24, 70 and 144 pages
_AT_LEAST = 3  # lists


@dataclass(slots=True)
class Attempts:
    """Every attempt of the client: when it was sent, on which clock, and its status."""

    sent: list[float] = field(default_factory=list)
    milliseconds: list[int] = field(default_factory=list)
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        if event.get("event") == "pipedrive_call":
            with self._lock:
                self.sent.append(time.monotonic() - event["milliseconds"] / 1000)
                self.milliseconds.append(event["milliseconds"])
                self.refused += event["status"] == 429
        raise structlog.DropEvent


@contextmanager
def watched() -> Iterator[Attempts]:
    """Note every attempt of a client while the block lasts."""
    attempts = Attempts()
    before = structlog.get_config()
    structlog.configure(processors=[attempts], wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        yield attempts
    finally:
        structlog.configure(**before)


class _Lists:
    """When fewer than three lists were left."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self.began_at = time.monotonic()
        self.ended_at = self.began_at

    def started(self, listing: str, *, rows: int, expected: int | None) -> None:  # noqa: ARG002
        with self._lock:
            self._running.add(listing)

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None:
        pass

    def finished(self, listing: str) -> None:
        with self._lock:
            if len(self._running) == _AT_LEAST:
                self.ended_at = time.monotonic()
            self._running.discard(listing)


def measure() -> list[Finding]:
    """A backfill with latency and a burst limit."""
    arguments = ("--latency", "0.1", "--burst", str(_BURST), "--organizations", str(_ORGANIZATIONS))
    with (
        server("sync.sandbox", *arguments, "--daily-tokens", "0") as address,
        empty_sqlite() as database,
        mirror_of(address, database) as mirror,
        watched() as attempts,
    ):
        mirror, _ = read_reference(mirror, Refusals(), only_due=False)
        tasks = survey(mirror, unfinished(mirror, ENTITIES))
        time.sleep(3)  # until the windows of what went before are over
        lists = _Lists()
        copy(mirror, tasks, lists)
    within = sorted(moment for moment in attempts.sent if lists.began_at <= moment <= lists.ended_at)
    marks = within[_BURST - 1 :: _BURST]
    rate = (len(marks) - 1) * _BURST / (marks[-1] - marks[0])
    details = {
        "requests": len(within),
        "seconds": lists.ended_at - lists.began_at,
        "rate": rate,
        "answered_in_ms": median(attempts.milliseconds),
    }
    return [
        Finding(
            "rate",
            f"requests per second while {_AT_LEAST} or more lists have pages "
            f"({len(within)} requests, answered in {median(attempts.milliseconds):.0f} ms)",
            f"{rate:.2f} of {ALLOWED:.0f} = {rate / ALLOWED:.0%}",
            "≥ 90 %",
            rate / ALLOWED >= 0.9,
            details,
        ),
        Finding("rate", "answers with status 429", str(attempts.refused), "0", attempts.refused == 0),
    ]
