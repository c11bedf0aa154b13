"""`receive`: the webhook receiver alone. It needs the database, not Pipedrive."""

import sys
from contextlib import closing

import structlog
import typer

from sync.cli.runtime import migrated_database, prepare_process, start, told_to_stop
from sync.clock import SystemClock
from sync.mirror.reference import privacy_of
from sync.settings import Settings, SettingsError
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.store.webhooks import any_subscription
from sync.web.app import create_app
from sync.web.server import Server
from sync.web.webhooks.intake import Intake

_log = structlog.get_logger(__name__)


def receive() -> None:
    """Receive webhooks into the database, until Ctrl-C or SIGTERM; what they tell is applied by `sync` or `run`."""
    settings = start()
    prepare_process()
    with migrated_database(settings) as database, told_to_stop() as wait:
        require_somebody(settings, database)
        require_privacy(settings, database)
        clock = SystemClock()
        with closing(Intake(database, clock)) as intake:
            app = create_app(settings, database, clock, intake)
            with Server(app, settings.sync_host, settings.sync_port) as server:
                _announce(server.address)
                wait()
    _log.info("receiver_stopped")


def require_somebody(settings: Settings, database: Database) -> None:
    """Raise `SettingsError` where no delivery could be let in, for nothing says who may deliver."""
    with database.reading() as connection:
        if not settings.webhook_user and not any_subscription(connection):
            raise SettingsError(
                "No webhook is installed, and WEBHOOK_USER and WEBHOOK_PASSWORD are not set.",
                "Run `pipedrive-sync webhooks install`, or set both as at your own subscriptions.",
            )


def require_privacy(settings: Settings, database: Database) -> None:
    """Raise `SettingsError` where a privacy rule names what does not exist, as far as that can be told already."""
    with database.reading() as connection:
        companies = [company["company_id"] for company in load_companies(connection)]
    for company_id in companies:
        privacy_of(database, company_id, settings.privacy, complete=False)


def _announce(address: str) -> None:
    _log.info("receiver_started", address=address)
    if sys.stderr.isatty():
        typer.echo(f"Receiving webhooks at {address}; Ctrl-C ends it.", err=True)
