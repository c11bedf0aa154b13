"""`pause` and `resume`: holding all writes to Pipedrive back, and letting them go again."""

import typer

from sync.cli.company import Company, choose_company
from sync.cli.editing import whoever_runs_this
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.store.holds import save_pause


def pause(company: Company = None) -> None:
    """Write nothing to Pipedrive until `resume`; edits queue up meanwhile, and reading goes on."""
    with migrated_database(start()) as database:
        company_id = choose_company(database, company)["company_id"]
        with database.writing() as connection:
            save_pause(connection, company_id, by=whoever_runs_this(), at=SystemClock().now())
    typer.echo("Writing to Pipedrive is paused: edits wait. `pipedrive-sync resume` lets them go.")


def resume(company: Company = None) -> None:
    """Let the writes go that `pause` held back."""
    with migrated_database(start()) as database:
        company_id = choose_company(database, company)["company_id"]
        with database.writing() as connection:
            save_pause(connection, company_id, by=None, at=None)
    typer.echo("Writing to Pipedrive goes on.")
