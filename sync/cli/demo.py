"""`demo`: the whole job on a simulated Pipedrive, told step by step. It opens nothing outside this machine."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.accounts import print_list
from sync.cli.mirror import fill, print_copied, print_cycle
from sync.cli.runtime import active_mirror, begin_logs
from sync.mirror.cycle import run_cycle
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Company, Sandbox
from sync.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command of this room."""
    app.command("demo")(demo)


def demo(
    organizations: Annotated[int, typer.Option(min=10, max=50_000, help="How large the made-up company is.")] = 200,
    seed: Annotated[int, typer.Option(help="Another number, another company.")] = 1,
) -> None:
    """Show the whole job on a simulated Pipedrive with a made-up company; nothing leaves this machine."""
    folder = Path(tempfile.mkdtemp(prefix="pipedrive-sync-demo-"))
    with Sandbox(seed=seed, organizations=organizations) as sandbox:
        settings = load_settings(
            {
                "PIPEDRIVE_BASE_URL": sandbox.url,
                "PIPEDRIVE_API_TOKEN": sandbox.token,
                "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
                "SYNC_CURRENCY__RATES": "USD=0.92,GBP=1.17,CHF=1.06,JPY=0.0061,SEK=0.088,PLN=0.23",
            },
            folder,
        )
        begin_logs(settings)
        company = sandbox.company
        _step(1, f"A simulated Pipedrive with a made-up company of {organizations:,} organizations at {sandbox.url}")
        with active_mirror(settings, remedy="Run `pipedrive-sync demo` again.") as mirror:
            _step(2, "pipedrive-sync backfill: copy everything, build the accounts")
            print_copied(mirror, fill(mirror, ENTITIES))
            _step(3, "pipedrive-sync accounts list: the accounts, by won value")
            print_list(mirror.database, mirror.company_id, limit=8)
            _step(4, "Meanwhile, at Pipedrive:")
            for event in _life_goes_on(company):
                typer.echo(f"   {event}")
            _step(5, "pipedrive-sync sync: one incremental cycle, with a whole sweep for deletions")
            print_cycle(mirror, run_cycle(mirror, whole_sweep=True))
            print_list(mirror.database, mirror.company_id, limit=8)
    typer.echo(
        f"\nThe mirror stays here: {folder / 'demo.db'}\n"
        f"Look into it:  sqlite3 {folder / 'demo.db'} 'SELECT name, owner, won_value FROM v_accounts LIMIT 5'\n"
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
        f"{names[deleted]} is deleted: no change tells of it, only the sweep finds it",
    ]


def _step(number: int, text: str) -> None:
    typer.secho(f"\n{number}. {text}", bold=True)
