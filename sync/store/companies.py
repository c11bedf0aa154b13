"""What the database knows of a company itself."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from sync.store.schema import companies


def load_companies(connection: Connection) -> Sequence[dict[str, Any]]:
    """Every company in this database, in order of their ids."""
    return [row._asdict() for row in connection.execute(select(companies).order_by(companies.c.company_id))]


def accounts_basis(connection: Connection, company_id: int) -> str | None:
    """The valuation that all accounts of a company were last built with."""
    return connection.scalar(select(companies.c.accounts_basis).where(companies.c.company_id == company_id))


def save_accounts_basis(connection: Connection, company_id: int, basis: str) -> None:
    """All accounts of the company are built with this valuation now."""
    connection.execute(update(companies).where(companies.c.company_id == company_id).values(accounts_basis=basis))
