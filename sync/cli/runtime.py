"""What commands need before they can start, opened in order and closed again: settings, database, lock, client."""

import ctypes
import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog

from sync.clock import SystemClock
from sync.errors import Interrupted
from sync.mirror.company import Mirror, open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.settings import Settings, load_settings, require_credentials
from sync.store.database import Database
from sync.store.lock import sole_instance
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
def active_mirror(settings: Settings, *, remedy: str, use_all_tokens: bool = False) -> Iterator[Mirror]:
    """Everything, and the right to be the one who works on this database.

    Ctrl-C and SIGTERM end the block with `Interrupted`, whose remedy says how to go on. Raises `SettingsError`,
    `DatabaseError`, `AlreadyRunning`, `PipedriveError`.
    """
    require_credentials(settings)
    prepare_process()
    clock = SystemClock()
    budget = token_budget(settings, use_all_tokens=use_all_tokens)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            migrated_database(settings) as database,
            sole_instance(database),
            connect(settings, clock, budget) as client,
        ):
            mirror = open_mirror(client, database, clock, settings, budget)
            with structlog.contextvars.bound_contextvars(company=mirror.company_id):
                yield mirror
    except KeyboardInterrupt:
        clock.stop()
        raise Interrupted("Stopped; what was committed is kept.", remedy) from None


def prepare_process() -> None:
    """Tune this process for pages: large trees of fresh objects, read by many threads."""
    # There is not a cycle in them: walking them over and over takes a third of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    # glibc gives every thread an arena that keeps what it once held: 60 MB more, and growing. Others have no mallopt.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
