"""How a running backfill shows itself: bars on a terminal, a log line every few seconds elsewhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from sync.clock import Clock
from sync.mirror.progress import Progress as Reports
from sync.pipedrive.limits import TokenBudget

_LOG_EVERY = 5.0  # seconds


@contextmanager
def shown_progress(clock: Clock, budget: TokenBudget) -> Iterator[Reports]:
    """Bars where standard error is a terminal, log lines where it is not."""
    console = Console(stderr=True)
    if console.is_terminal:
        with _bars(console) as bars:
            yield BarReports(bars, clock, budget)
    else:
        yield LogReports(clock, budget)


@dataclass(slots=True)
class _Count:
    rows: int = 0
    new_rows: int = 0
    tokens: int = 0


class LogReports:
    """One line per list every few seconds."""

    def __init__(self, clock: Clock, budget: TokenBudget) -> None:
        self._clock = clock
        self._budget = budget
        self._counts: dict[str, _Count] = {}
        self._said_at = clock.monotonic()
        self._lock = threading.Lock()
        self._log = structlog.get_logger(__name__)

    def started(self, listing: str, *, rows: int, expected: int | None) -> None:
        with self._lock:
            self._counts[listing] = _Count(rows)
        self._log.info("backfill_started", listing=listing, rows=rows, newest_id=expected)

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None:
        del reached
        with self._lock:
            count = self._counts[listing]
            count.rows += rows
            count.new_rows += rows
            count.tokens += tokens
            now = self._clock.monotonic()
            if now < self._said_at + _LOG_EVERY:
                return
            self._said_at = now
            counts = {name: count.rows for name, count in self._counts.items()}
        left = self._budget.available(self._clock.now())
        self._log.info("backfill_progress", rows=counts, tokens_left=left)

    def finished(self, listing: str) -> None:
        count = self._counts[listing]
        self._log.info("backfill_list_done", listing=listing, rows=count.rows, tokens=count.tokens)


class _RateColumn(ProgressColumn):
    """Rows a second, since this run began."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time or task.elapsed or 0.0
        rate = task.fields["new_rows"] / elapsed if elapsed > 0 else 0.0
        return Text(f"{rate:>7,.0f} rows/s")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<15}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:>10,} rows"),
        _RateColumn(),
        TextColumn("{task.fields[tokens]:>6,} tokens"),
        TextColumn("{task.fields[left]}"),
        console=console,
        expand=True,
    )


class BarReports:
    """One bar per list; how far it is, by the ids it reached."""

    def __init__(self, bars: Progress, clock: Clock, budget: TokenBudget) -> None:
        self._bars = bars
        self._clock = clock
        self._budget = budget
        self._tasks: dict[str, TaskID] = {}

    def started(self, listing: str, *, rows: int, expected: int | None) -> None:
        self._tasks[listing] = self._bars.add_task(
            listing, total=expected or None, rows=rows, new_rows=0, tokens=0, left=""
        )

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None:
        task = self._tasks[listing]
        fields = self._bars.tasks[task].fields
        left = self._budget.available(self._clock.now())
        self._bars.update(
            task,
            completed=reached,
            rows=fields["rows"] + rows,
            new_rows=fields["new_rows"] + rows,
            tokens=fields["tokens"] + tokens,
            left="" if left is None else f"{left:>9,} left today",
        )

    def finished(self, listing: str) -> None:
        task = self._tasks[listing]
        total = self._bars.tasks[task].total or 1
        self._bars.update(task, total=total, completed=total)
