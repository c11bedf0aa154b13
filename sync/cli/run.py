"""`run`: the background service, with the webhook receiver."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import typer

from sync.cli.runtime import migrated_database, prepare_process, start
from sync.clock import SystemClock
from sync.service.daemon import Daemon
from sync.settings import Settings, require_credentials
from sync.store.database import Database
from sync.store.lock import already_running
from sync.web.app import create_app
from sync.web.intake import Intake
from sync.web.server import Server

_log = structlog.get_logger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command of this room."""
    app.command("run")(run)


def run() -> None:
    """Keep the mirror and the accounts in step until stopped: webhooks, polls, the sweep, on the day's tokens.

    On PostgreSQL a second one stands by and takes over. SIGTERM and Ctrl-C end it within five seconds.
    """
    settings = start()
    require_credentials(settings)
    prepare_process()
    with (
        migrated_database(settings) as database,
        serving(settings, database) as (daemon, server),
        stopping(daemon.stop),
    ):
        _log.info("service_started", address=server.address)
        if sys.stderr.isatty():
            typer.echo(f"Serving at {server.address}; Ctrl-C ends it.", err=True)
        daemon.run()
    _log.info("service_stopped")


@contextmanager
def serving(settings: Settings, database: Database) -> Iterator[tuple[Daemon, Server]]:
    """The daemon, not running yet, and the web server, which is. Raises `AlreadyRunning`, `CannotListen`."""
    daemon = Daemon(settings, database)
    if database.is_sqlite and not daemon.lock.try_acquire():
        # Two processes can't share the file well: better told at once than stood by for.
        raise already_running(database)
    clock = SystemClock()
    intake = Intake(database, clock)
    try:
        checks = {"instance": daemon.lock_check, "lists": daemon.cycle_check}
        app = create_app(settings, database, clock, intake, checks)
        with Server(app, settings.sync_host, settings.sync_port) as server:
            yield daemon, server
    finally:
        intake.close()
        daemon.lock.release()


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """A block in which SIGTERM and Ctrl-C call `stop`; it is called as a signal handler."""

    def told(_signal: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
