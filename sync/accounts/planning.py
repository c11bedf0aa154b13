"""What a person is shown who plans something for an account: whose it is, and what it may be about."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, nulls_last, select

from sync.accounts.queries import Named
from sync.store.schema import TABLES, accounts

_DEALS = TABLES["deals"].c
_MOST_DEALS = 200


@dataclass(frozen=True, slots=True)
class Planning:
    """An account for which something is planned; its open deals come first, then those that changed last."""

    organization_id: int
    name: str
    owner_id: int | None
    deals: Sequence[Named]


def load_planning(connection: Connection, company_id: int, organization_id: int) -> Planning | None:
    """What is to be known of an account before something is planned for it; None if there is no such account."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    found = connection.execute(select(accounts.c.name, accounts.c.owner_id).where(its_row)).one_or_none()
    if found is None:
        return None
    return Planning(organization_id, found.name or "", found.owner_id, _deals(connection, company_id, organization_id))


def _deals(connection: Connection, company_id: int, organization_id: int) -> Sequence[Named]:
    query = (
        select(_DEALS.id, _DEALS.title)
        .where(_DEALS.company_id == company_id, _DEALS.org_id == organization_id, _DEALS.deleted_at.is_(None))
        .order_by(case((_DEALS.status == "open", 0), else_=1), nulls_last(_DEALS.update_time.desc()), _DEALS.id)
        .limit(_MOST_DEALS)
    )
    return [Named(one, title or "") for one, title in connection.execute(query)]
