"""How many accounts there are."""

from sqlalchemy import Connection, func, select

from sync.store.schema import account_index

STATUSES = ("active", "former")


def count_accounts(connection: Connection, company_id: int) -> dict[str, int]:
    """How many accounts a company has, by status."""
    found = connection.execute(
        select(account_index.c.status, func.count().label("number"))
        .where(account_index.c.company_id == company_id)
        .group_by(account_index.c.status)
    )
    return dict.fromkeys(STATUSES, 0) | {row.status: row.number for row in found}
