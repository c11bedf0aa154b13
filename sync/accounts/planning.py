"""What a person is shown who plans something for an account: whose it is, what it may be about, what is planned."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, nulls_last, select, union

from sync.accounts.lists.listing import Next
from sync.accounts.queries import Named
from sync.store.dialect import among
from sync.store.schema import TABLES, accounts

_DEALS, _ACTIVITIES = TABLES["deals"].c, TABLES["activities"].c
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


def load_planned(
    connection: Connection, company_id: int, organization_ids: Collection[int]
) -> Mapping[int, Sequence[Next]]:
    """The activities planned for some accounts, by organization: their own, and those of their live deals."""
    columns = (_ACTIVITIES.id, _ACTIVITIES.type, _ACTIVITIES.subject, _ACTIVITIES.due_date, _ACTIVITIES.due_time)
    planned = (
        _ACTIVITIES.company_id == company_id,
        _ACTIVITIES.deleted_at.is_(None),
        ~func.coalesce(_ACTIVITIES.done, False),
    )
    its_deal = (_DEALS.company_id == _ACTIVITIES.company_id) & (_DEALS.id == _ACTIVITIES.deal_id)
    query = union(
        select(_ACTIVITIES.org_id, *columns).where(*planned, among(connection, _ACTIVITIES.org_id, organization_ids)),
        select(_DEALS.org_id, *columns)
        .join_from(TABLES["activities"], TABLES["deals"], its_deal)
        .where(*planned, _DEALS.deleted_at.is_(None), among(connection, _DEALS.org_id, organization_ids)),
    )
    found: dict[int, list[Next]] = defaultdict(list)
    for organization_id, *values in connection.execute(query):
        found[organization_id].append(Next(*values))
    return found
