"""Which accounts a change of mirrored rows bears on. Reads only."""

from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from sync.accounts.selecting import take_turn
from sync.pipedrive.entities import DEALS, Entity
from sync.pipedrive.records import Key
from sync.store.dialect import among_parameter, many
from sync.store.schema import TABLES

# A column that names a record which in turn names the organization; any other names the organization itself.
_VIA: Mapping[str, Entity] = MappingProxyType({"deal_id": DEALS})


def touched_organizations(connection: Connection, company_id: int, entity: Entity, keys: Collection[Key]) -> set[int]:
    """Organizations whose account the held rows with these keys bear on.

    Ask before an upsert and after it: a deal that moves bears on the organization it leaves, too. On PostgreSQL other
    transactions that change accounts wait from the first question on until this one ends.
    """
    if not keys or not entity.leads_to_organization:
        return set()
    take_turn(connection, company_id)
    dialect = connection.dialect.name
    ids = [key[0] for key in keys if isinstance(key[0], int)]
    given = {"company": company_id, "ids": many(dialect, ids)}
    return {
        organization
        for name in entity.leads_to_organization
        for organization in connection.scalars(_organizations(dialect, entity, name), given)
        if organization is not None
    }


@cache
def _organizations(dialect: str, entity: Entity, name: str) -> Select[Any]:
    table = TABLES[entity.name]
    chosen = (table.c.company_id == bindparam("company")) & among_parameter(dialect, table.c[entity.key[0]], "ids")
    via = _VIA.get(name)
    if via is None:
        return select(table.c[name]).where(chosen)
    between = TABLES[via.name]
    joined = (between.c.company_id == table.c.company_id) & (between.c.id == table.c[name])
    (link,) = via.leads_to_organization
    return select(between.c[link]).join(table, joined).where(chosen)
