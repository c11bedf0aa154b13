"""`run`: the background service, with the webhook receiver."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
import typer

from sync.cli.plan import never_sending
from sync.cli.runtime import migrated_database, prepare_process, start, told_to_stop
from sync.clock import SystemClock
from sync.service.daemon import Daemon
from sync.settings import Settings, require_credentials
from sync.store.database import Database
from sync.store.lock import already_running
from sync.store.logins import count_logins
from sync.web.access.binding import why_not_served
from sync.web.app import create_app
from sync.web.pages.site import Site
from sync.web.server import Server
from sync.web.webhooks.intake import Intake

_log = structlog.get_logger(__name__)


def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Log what would be written to Pipedrive, and write nothing.")
    ] = False,
) -> None:
    """Keep both sides in step until stopped: webhooks, polls, the sweep, and changes of accounts written back.

    On PostgreSQL a second one stands by and takes over. SIGTERM and Ctrl-C end it within five seconds.
    """
    settings = never_sending(start()) if dry_run else start()
    require_credentials(settings)
    prepare_process()
    with (
        told_to_stop() as wait,
        migrated_database(settings) as database,
        serving(settings, database) as (daemon, server),
    ):
        # From a thread: a signal handler may interrupt who holds the very lock that it needs to wake others.
        threading.Thread(target=_pass_on, args=(wait, daemon.stop), name="signals", daemon=True).start()
        _log.info("service_started", address=server.address)
        if sys.stderr.isatty():
            typer.echo(f"Serving at {server.address}; Ctrl-C ends it.", err=True)
        daemon.run()
    _log.info("service_stopped")


def require_sign_in(settings: Settings, database: Database) -> None:
    """Raise `SettingsError` where the page would be open to anybody who reaches this machine."""
    with database.reading() as connection:
        reason = why_not_served(settings, count_logins(connection))
    if reason is not None:
        raise reason


def _pass_on(wait: Callable[[], object], stop: Callable[[], object]) -> None:
    wait()
    stop()


@contextmanager
def serving(settings: Settings, database: Database, *, port: int | None = None) -> Iterator[tuple[Daemon, Server]]:
    """The daemon, not running yet, and the web server, which is.

    Raises `SettingsError` where the page would be open to anybody, `AlreadyRunning`, `CannotListen`.
    `port` overrules the settings; 0 is any that is free.
    """
    require_sign_in(settings, database)
    daemon = Daemon(settings, database)
    if database.is_sqlite and not daemon.lock.try_acquire():
        # Two processes can't share the file well: better told at once than stood by for.
        raise already_running(database)
    clock = SystemClock()
    intake = Intake(database, clock)
    try:
        checks = {"instance": daemon.lock_check, "lists": daemon.cycle_check}
        site = (
            Site(settings, database, clock, lambda: daemon.company_id, daemon.download)
            if settings.web.enabled
            else None
        )
        app = create_app(settings, database, clock, intake, checks, site)
        with Server(app, settings.sync_host, settings.sync_port if port is None else port) as server:
            yield daemon, server
    finally:
        intake.close()
        daemon.lock.release()
