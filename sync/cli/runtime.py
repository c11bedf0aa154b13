"""What commands need before they can start: settings, logs, the database. How those that go on are told to stop."""

import ctypes
import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

from sync.settings import Settings, load_settings
from sync.store.database import Database
from sync.store.upgrade import upgrade
from sync.telemetry.logs import configure_logging

_M_ARENA_MAX = -8  # as malloc.h has it


def start() -> Settings:
    """Load the settings and begin to log. Raises `SettingsError`."""
    settings = load_settings()
    begin_logs(settings)
    return settings


def begin_logs(settings: Settings) -> None:
    """Log from now on as the settings say, and never a secret of theirs."""
    on_terminal = sys.stderr.isatty()
    level = settings.logs.level
    configure_logging(
        level=("warning" if on_terminal else "info") if level == "auto" else level,
        json=None if settings.logs.format == "auto" else settings.logs.format == "json",
        secrets=settings.secrets,
    )


@contextmanager
def migrated_database(settings: Settings) -> Iterator[Database]:
    """The database, with this version's schema. Raises `DatabaseError`."""
    database = Database(settings.database_url.get_secret_value())
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """While the block lasts, Ctrl-C and SIGTERM call `stop`, inside a signal handler, and do nothing else."""
    before = {one: signal.signal(one, lambda *_: stop()) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def told_to_stop() -> Iterator[Callable[[], object]]:
    """For commands that go on until they are told to stop: what is handed out waits for Ctrl-C or SIGTERM.

    Signals that come early count, and those that come again are ignored: what is to be ended is ended in order.
    """
    told: SimpleQueue[None] = SimpleQueue()  # may be put to by a handler, whatever it interrupts
    with stopping(lambda: told.put(None)):
        yield told.get


def prepare_process() -> None:
    """Tune this process for pages, which are large trees of fresh objects read by many threads, and for deliveries."""
    # There is not a cycle in them: walking them over and over takes a third of the time, and 150 ms at one go.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    # glibc gives every thread an arena that keeps what it once held: 60 MB more, and growing. Others have no mallopt.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
