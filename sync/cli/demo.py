"""`demo`: the whole service on a simulated Pipedrive, told step by step. It opens nothing outside this machine."""

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.accounts import print_list
from sync.cli.active import active_mirror
from sync.cli.mirror import fill, print_copied
from sync.cli.run import serving
from sync.cli.runtime import begin_logs, migrated_database, told_to_stop
from sync.cli.webhooks import opened_beside
from sync.clock import SystemClock
from sync.mirror.subscriptions import RECEIVER_PATH, install
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Change, Company, Sandbox
from sync.service.daemon import Daemon
from sync.settings import Settings, load_settings
from sync.store.database import Database
from sync.store.inbox import count_events

_PATIENCE = 20.0  # seconds for what takes less than one


def demo(
    organizations: Annotated[int, typer.Option(min=10, max=50_000, help="How large the made-up company is.")] = 200,
    seed: Annotated[int, typer.Option(help="Another number, another company.")] = 1,
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the story, rather than keep the service running.")
    ] = False,
) -> None:
    """Show the whole service on a simulated Pipedrive with a made-up company; nothing leaves this machine."""
    folder = Path(tempfile.mkdtemp(prefix="pipedrive-sync-demo-"))
    with Sandbox(seed=seed, organizations=organizations) as sandbox:
        settings = load_settings(
            {
                "PIPEDRIVE_BASE_URL": sandbox.url,
                "PIPEDRIVE_API_TOKEN": sandbox.token,
                "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
                "SYNC_CURRENCY__RATES": "USD=0.92,GBP=1.17,CHF=1.06,JPY=0.0061,SEK=0.088,PLN=0.23,KWD=3.02",
                "SYNC_LOGS__LEVEL": "warning",
            },
            folder,
        )
        begin_logs(settings)
        _step(1, f"A simulated Pipedrive with a made-up company of {organizations:,} organizations at {sandbox.url}")
        with active_mirror(settings, remedy="Run `pipedrive-sync demo` again.") as mirror:
            _step(2, "pipedrive-sync backfill: copy everything, build the accounts")
            print_copied(mirror, fill(mirror, ENTITIES))
            _step(3, "pipedrive-sync accounts list: the accounts, by won value")
            print_list(mirror.database, mirror.company_id, limit=8)
        with told_to_stop() as wait, _service(settings) as (database, address):
            _step(4, f"pipedrive-sync run: the service, at {address}; and webhooks install: Pipedrive delivers to it")
            _subscribe(settings, address)
            _step(5, "Meanwhile, at Pipedrive:")
            _let_life_go_on(sandbox, database)
            print_list(database, sandbox.company.id, limit=8)
            _edit_an_account(sandbox.company, database)
            _tell_where(folder, address)
            if not leave:
                typer.secho(f"\nThe accounts page:  {address}/accounts", bold=True)
                typer.echo("What you change there changes at the simulated Pipedrive, and vice versa. Ctrl-C ends it.")
                wait()


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[Database, str]]:
    """The service, running for as long as the block lasts; its database and its address."""
    with migrated_database(settings) as database, serving(settings, database, port=0) as (daemon, server):
        ended: Future[None] = Future()
        thread = threading.Thread(target=_run, args=(daemon, ended), name="service", daemon=True)
        thread.start()
        try:
            _wait_until_active(daemon, ended)
            yield database, server.address
        finally:
            daemon.stop()
            thread.join()


def _run(daemon: Daemon, ended: Future[None]) -> None:
    try:
        daemon.run()
    except BaseException as error:
        ended.set_exception(error)
    else:
        ended.set_result(None)


def _wait_until_active(daemon: Daemon, ended: Future[None]) -> None:
    """Raises what ended the service instead."""
    clock = SystemClock()
    while daemon.standing != "active":
        clock.sleep(0.02)
        if ended.done():
            ended.result()


def _subscribe(settings: Settings, address: str) -> None:
    with opened_beside(settings) as mirror:
        installed = install(mirror, address + RECEIVER_PATH)
    typer.echo(f"   {len(installed.created)} webhooks: {', '.join(installed.created)}")


def _let_life_go_on(sandbox: Sandbox, database: Database) -> None:
    """Change a few things at Pipedrive, and wait until the webhooks have brought them."""
    clock, changes = SystemClock(), list[Change]()
    sandbox.company.listeners.append(changes.append)
    began = clock.monotonic()
    for event in _life_goes_on(sandbox.company):
        typer.echo(f"   {event}")
    while not _arrived(database, sandbox.company.id, len(changes)) and clock.monotonic() < began + _PATIENCE:
        clock.sleep(0.02)
    typer.secho(f"\n6. {clock.monotonic() - began:.1f} s later, by webhook and for no token at all:", bold=True)


def _arrived(database: Database, company_id: int, changes: int) -> bool:
    """Whether so many events have come and are applied: each change is told once."""
    with database.reading() as connection:
        events = count_events(connection, company_id)
    return events.pending == 0 and sum(events.by_state.values()) >= changes


def _edit_an_account(company: Company, database: Database) -> None:
    """Edit an account by plain SQL, and wait until the organization at Pipedrive has followed."""
    won = {deal["org_id"] for deal in company.all("deals") if deal["status"] == "won"}
    chosen = next(one for one in company.all("organizations") if one["id"] in won)
    statement = f"UPDATE accounts SET name = name || ' (key account)' WHERE organization_id = {chosen['id']}"
    _step(7, "And the other way round, by plain SQL from any program:")
    typer.echo(f"   {statement}")
    clock = SystemClock()
    began = clock.monotonic()
    with database.writing() as connection:
        connection.exec_driver_sql(statement)
    while company.get("organizations", chosen["id"])["name"] == chosen["name"]:
        if clock.monotonic() > began + _PATIENCE:
            break
        clock.sleep(0.02)
    seconds = clock.monotonic() - began
    name = company.get("organizations", chosen["id"])["name"]
    typer.echo(f"   {seconds:.1f} s later, at Pipedrive: organization {chosen['id']} is called {name}")


def _tell_where(folder: Path, address: str) -> None:
    typer.echo(
        f"\nThe mirror stays here: {folder / 'demo.db'}\n"
        f"Look into it:  sqlite3 {folder / 'demo.db'} 'SELECT name, owner, won_value FROM v_accounts LIMIT 5'\n"
        f"And at the service:  {address}/readyz  {address}/metrics  {address}/api/docs\n"
        "On your own company: set PIPEDRIVE_API_TOKEN and PIPEDRIVE_COMPANY_DOMAIN, then `pipedrive-sync check`."
    )


def _life_goes_on(company: Company) -> list[str]:
    """A few things that happen at Pipedrive; what happened, in words."""
    prospects = [deal for deal in company.all("deals") if deal["status"] == "open" and deal["org_id"]]
    customers = sorted({deal["org_id"] for deal in company.all("deals") if deal["status"] == "won" and deal["org_id"]})
    deal, lost, renamed, deleted = prospects[0], customers[0], customers[1], customers[2]
    company.update("deals", deal["id"], {"value": 250_000, "currency": "EUR"})
    company.win_deal(deal["id"])
    names = {one: company.get("organizations", one)["name"] for one in (deal["org_id"], lost, renamed, deleted)}
    for one in company.all("deals"):
        if one["org_id"] == lost and one["status"] == "won":
            company.reopen_deal(one["id"])
    company.update("organizations", renamed, {"name": f"{names[renamed]} International"})
    company.delete("organizations", deleted)
    return [
        f"a deal of {names[deal['org_id']]} is won, worth 250,000 EUR: a new or a larger account",
        f"the won deals of {names[lost]} are reopened: no account any more, but its own fields are kept",
        f"{names[renamed]} is renamed to {names[renamed]} International",
        f"{names[deleted]} is deleted: its account is a former one from now on",
    ]


def _step(number: int, text: str) -> None:
    typer.secho(f"\n{number}. {text}", bold=True)
