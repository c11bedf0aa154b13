"""Everything a command needs that works on the mirror, opened in order and closed again: database, lock, client."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from sync.cli.runtime import migrated_database, prepare_process
from sync.clock import SystemClock
from sync.errors import Interrupted
from sync.mirror.company import Mirror, open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.settings import Settings, require_credentials
from sync.store.lock import sole_instance


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


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
