"""Accounts that a person has picked out of a list, to look at what an edit would change; and sums where no one fits.

Read-only, in the caller's transaction; accounts are read a batch at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter, conditions
from sync.accounts.lists.totals import summed, summing
from sync.store.dialect import among
from sync.store.schema import account_index, account_won_values, accounts

AT_ONCE = 1000  # accounts


@dataclass(frozen=True, slots=True)
class Chosen:
    """An account that was picked: what its fields hold is in `account`, under the names of the columns."""

    organization_id: int
    name: str
    account: Mapping[str, Any]


def chosen_accounts(
    connection: Connection, company_id: int, organization_ids: Sequence[int], column: str
) -> Iterator[Chosen]:
    """Those of some accounts that there are, by id, each with one column besides its name."""
    columns, ids = accounts.c, sorted(organization_ids)
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        query = (
            select(columns.organization_id, columns.name, columns[column].label("held"))
            .where(columns.company_id == company_id, among(connection, columns.organization_id, some))
            .order_by(columns.organization_id)
        )
        for one, name, held in connection.execute(query):
            yield Chosen(one, name or "", {column: held})


def sums_by_currency(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar
) -> Sequence[tuple[str, Decimal]]:
    """What was won by all accounts that are wanted, in each currency; an empty one is of deals without any."""
    won = account_won_values.c
    wanted = select(account_index.c.organization_id).where(*conditions(connection, company_id, filter, calendar))
    query = (
        select(won.currency, *summing(won.value))
        .where(won.company_id == company_id, won.organization_id.in_(wanted))
        .group_by(won.currency)
        .order_by(won.currency)
    )
    sums = [(currency, summed(parts)) for currency, *parts in connection.execute(query)]
    return [(currency, value) for currency, value in sums if value]
