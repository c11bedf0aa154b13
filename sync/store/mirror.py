"""Reading and writing the mirrored tables: bulk upserts that refuse the past, lookups, and marks of deletion.

An upsert replaces a row only by a record at least as new, read no earlier, and different: the rule stands in the SQL
itself, so that no order of arrival can break it. All functions work in the caller's transaction.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select, tuple_, update
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.sql.dml import Insert

from sync.pipedrive.entities import Entity, Listing
from sync.pipedrive.records import Key, Row
from sync.store.dialect import insert_into, key_names
from sync.store.errors import words_of
from sync.store.schema import TABLES, accounts


def upsert(
    connection: Connection, company_id: int, entity: Entity, rows: Sequence[Row], *, read_at: datetime
) -> tuple[list[Key], list[tuple[Row, str]]]:
    """Store rows that were read at a moment; the keys of those that changed anything, and the rows refused with why.

    Columns that a row does not carry keep what they hold. A row older than what is held, or read before it, changes
    nothing, and so does an equal one. A row that the database can't hold never stops the others.
    """
    changed: list[Key] = []
    refused: list[tuple[Row, str]] = []
    for columns, group in _by_columns(entity, rows).items():
        statement = _statement(TABLES[entity.name], connection.dialect.name, columns)
        stamped = [{**row, "company_id": company_id, "synced_at": read_at} for row in group]
        _execute(connection, statement, stamped, changed, refused)
    return changed, refused


def _by_columns(entity: Entity, rows: Sequence[Row]) -> Mapping[frozenset[str], list[Row]]:
    """Rows that carry the same columns together; of several with one key, the newest, and of equals the last."""
    unique: dict[Key, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in entity.key)
        if key not in unique or _changed_at(row) >= _changed_at(unique[key]):
            unique[key] = row
    groups: dict[frozenset[str], list[Row]] = {}
    for row in unique.values():
        groups.setdefault(frozenset(row), []).append(row)
    return groups


def _changed_at(row: Row) -> str:
    return row.get("update_time") or row.get("add_time") or ""


def _execute(
    connection: Connection, statement: Insert, rows: list[Row], changed: list[Key], refused: list[tuple[Row, str]]
) -> None:
    """Run the statement; where the database refuses the whole, halve it until the culprit stands alone."""
    try:
        with connection.begin_nested():
            changed.extend(tuple(key) for key in connection.execute(statement, rows))
    except OperationalError:
        raise  # the disk, the connection, a lock: no row is to blame
    except (DBAPIError, StatementError, UnicodeError, OverflowError) as error:
        if len(rows) == 1:
            refused.append((rows[0], words_of(error)))
            return
        middle = len(rows) // 2
        _execute(connection, statement, rows[:middle], changed, refused)
        _execute(connection, statement, rows[middle:], changed, refused)


@lru_cache(maxsize=256)
def _statement(table: Table, dialect: str, columns: frozenset[str]) -> Insert:
    insert = insert_into(table, dialect)
    keys = key_names(table)
    taken = sorted(columns - set(keys))
    statement = insert.on_conflict_do_update(
        index_elements=keys,
        set_={name: insert.excluded[name] for name in [*taken, "synced_at"]},
        where=and_(_not_older(table, insert.excluded, columns), _differs(table, insert.excluded, taken)),
    )
    returned: Insert = statement.returning(*(table.c[name] for name in keys if name != "company_id"))
    return returned


def _not_older(table: Table, new: Any, columns: frozenset[str]) -> ColumnElement[bool]:
    read_no_earlier: ColumnElement[bool] = new.synced_at >= table.c.synced_at
    if "update_time" not in columns:
        return read_no_earlier
    # Pipedrive API: update_time can be null on a deal never changed since its creation. It has a resolution of one
    # second: two versions of the same second are told apart by the order in which they were read.
    held, offered = (func.coalesce(of.update_time, of.add_time) for of in (table.c, new))
    return or_(held.is_(None), offered > held, and_(or_(offered == held, offered.is_(None)), read_no_earlier))


def _differs(table: Table, new: Any, columns: Sequence[str]) -> ColumnElement[bool]:
    return or_(*(new[name].is_distinct_from(table.c[name]) for name in columns))


def fetch_rows(
    connection: Connection, company_id: int, entity: Entity, ids: Collection[int]
) -> list[Mapping[str, Any]]:
    """The held rows with these ids."""
    table = TABLES[entity.name]
    found = connection.execute(select(table).where(table.c.company_id == company_id, table.c.id.in_(ids)))
    return [row._asdict() for row in found]


def count_rows(connection: Connection, company_id: int, entity: Entity, shows: Mapping[str, bool] | None = None) -> int:
    """How many rows are held and not deleted; `shows` narrows them to what a listing covers."""
    table = TABLES[entity.name]
    return connection.scalar(select(func.count()).select_from(table).where(*_live(table, company_id, shows))) or 0


def live_keys(
    connection: Connection, company_id: int, entity: Entity, constants: Mapping[str, str] | None = None
) -> set[Key]:
    """The keys of the rows that are not deleted; `constants` narrows them to what one listing puts in."""
    table = TABLES[entity.name]
    conditions = [table.c[name] == value for name, value in (constants or {}).items()]
    found = connection.execute(
        select(*(table.c[name] for name in entity.key)).where(*_live(table, company_id, None), *conditions)
    )
    return {tuple(row) for row in found}


def ids_between(
    connection: Connection,
    company_id: int,
    entity: Entity,
    listing: Listing,
    *,
    above: int | None,
    up_to: int | None,
    read_before: datetime,
) -> set[int]:
    """Ids of the live rows a listing covers, within a range, that were last read before a moment."""
    table = TABLES[entity.name]
    conditions = [*_live(table, company_id, listing.shows), table.c.synced_at < read_before]
    if above is not None:
        conditions.append(table.c.id > above)
    if up_to is not None:
        conditions.append(table.c.id <= up_to)
    return set(connection.scalars(select(table.c.id).where(*conditions)))


def _live(table: Table, company_id: int, shows: Mapping[str, bool] | None) -> list[ColumnElement[bool]]:
    return [
        table.c.company_id == company_id,
        table.c.deleted_at.is_(None),
        *(func.coalesce(table.c[name], False) == value for name, value in (shows or {}).items()),
    ]


def mark_deleted(
    connection: Connection, company_id: int, entity: Entity, keys: Collection[Key], *, read_at: datetime
) -> list[Key]:
    """Mark rows as deleted at Pipedrive, unless they were read again since; the keys of those that were marked."""
    table = TABLES[entity.name]
    columns = [table.c[name] for name in entity.key]
    values: dict[str, Any] = {"deleted_at": read_at, "synced_at": read_at}
    if entity.deleted_when:
        name, value = entity.deleted_when
        values[name] = value
    statement = (
        update(table)
        .where(table.c.company_id == company_id, table.c.deleted_at.is_(None), table.c.synced_at <= read_at)
        .values(values)
        .returning(*columns)
    )
    marked: list[Key] = []
    for some in chunks(sorted(keys)):
        chosen = tuple_(*columns).in_(some) if len(columns) > 1 else columns[0].in_([key[0] for key in some])
        marked += [tuple(row) for row in connection.execute(statement.where(chosen))]
    return marked


def ids_of_organizations(
    connection: Connection, company_id: int, entity: Entity, organizations: Collection[int]
) -> set[int]:
    """Ids of the live rows that hang on these organizations."""
    table = TABLES[entity.name]
    return {
        one
        for some in chunks(sorted(organizations))
        for one in connection.scalars(
            select(table.c.id).where(*_live(table, company_id, None), table.c.org_id.in_(some))
        )
    }


def founding_deals(connection: Connection, company_id: int, organizations: Collection[int]) -> dict[int, set[int]]:
    """The deal through which the account of each of these organizations came into being."""
    found = connection.execute(
        select(accounts.c.organization_id, accounts.c.created_by_deal_id).where(
            accounts.c.company_id == company_id,
            accounts.c.organization_id.in_(organizations),
            accounts.c.created_by_deal_id.is_not(None),
        )
    )
    return {organization: {deal} for organization, deal in found}


def organizations_of_deals(connection: Connection, company_id: int, deals: Collection[int]) -> set[int]:
    """The organizations that these deals hang on."""
    table = TABLES["deals"]
    return {
        one
        for some in chunks(sorted(deals))
        for one in connection.scalars(
            select(table.c.org_id).where(*_live(table, company_id, None), table.c.id.in_(some))
        )
        if one is not None
    }


def chunks(items: Sequence[Any], size: int = 10_000) -> Iterator[Sequence[Any]]:
    """Items in parts: databases take only so many parameters in one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
