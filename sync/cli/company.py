"""Which of the companies in the database a command is about, for commands that only read."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from sync.cli.formats import one_line
from sync.errors import SyncError
from sync.store.companies import load_companies
from sync.store.database import Database

Company = Annotated[
    int | None, typer.Option("--company", help="The company's id; needed only where several share the database.")
]


class NothingMirrored(SyncError):
    """There is nothing in the database to show yet."""


class NoSuchCompany(SyncError):
    """Which company is meant can't be told from what was given."""

    exit_code = 2


def choose_company(database: Database, wanted: int | None) -> Mapping[str, Any]:
    """The company that is meant. Raises `NothingMirrored`, `NoSuchCompany`, `DatabaseError`."""
    with database.reading() as connection:
        held = load_companies(connection)
    if not held:
        raise NothingMirrored("Nothing is copied from Pipedrive yet.", "Run `pipedrive-sync backfill`.")
    known = ", ".join(f"{company['company_id']} ({one_line(company['name'])})" for company in held)
    if wanted is None and len(held) > 1:
        raise NoSuchCompany(
            "Several companies share this database.", f"Say which with --company ID; there are {known}."
        )
    for company in held:
        if wanted in (None, company["company_id"]):
            return company
    raise NoSuchCompany(f"Company {wanted} is not in this database.", f"There are {known}.")
