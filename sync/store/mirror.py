"""Reading and writing the mirrored tables: bulk upserts that refuse the past, lookups, and marks of deletion.

An upsert replaces a row only by a record at least as new, read no earlier, and different: the rule stands in the SQL
itself, so that no order of arrival can break it. All functions work in the caller's transaction.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from sync.pipedrive.entities import Entity, Listing
from sync.pipedrive.records import Key, Row, key_of
from sync.store.bulk import Rule, put_rows
from sync.store.dialect import among, among_parameter, key_names, many
from sync.store.errors import words_of
from sync.store.schema import TABLES, accounts
from sync.store.types import Json, Timestamp, timestamp_text


def upsert(
    connection: Connection, company_id: int, entity: Entity, rows: Sequence[Row], *, read_at: datetime
) -> tuple[list[Key], list[tuple[Row, str]]]:
    """Store rows that were read at a moment; the keys of those that changed anything, and the rows refused with why.

    Columns that a row does not carry keep what they hold. A row older than what is held, or read before it, changes
    nothing, and so does an equal one. A row that the database can't hold never stops the others.
    """
    stamps = {"company_id": company_id, "synced_at": timestamp_text(read_at, 6)}
    if entity.has_events:
        stamps["event_time"] = None
    return _put_all(connection, entity, [row | stamps for row in rows], _replaces)


def upsert_told(
    connection: Connection, company_id: int, entity: Entity, rows: Sequence[Row]
) -> tuple[list[Key], list[tuple[Row, str]]]:
    """Store rows that events told of, each with its own `event_time` and `synced_at`; returns what `upsert` does.

    A row is taken if its event came after the one that wrote what is held, and if what it tells is newer than what was
    read: in one second of `update_time`, no event overrules a read.
    """
    return _put_all(connection, entity, [row | {"company_id": company_id} for row in rows], _follows)


def _put_all(
    connection: Connection, entity: Entity, rows: Sequence[Row], rule: Rule
) -> tuple[list[Key], list[tuple[Row, str]]]:
    changed: list[Key] = []
    refused: list[tuple[Row, str]] = []
    for columns, group in _by_columns(entity, rows):
        put = partial(put_rows, connection, TABLES[entity.name], columns, rule=rule)
        # In one order always: two transactions that store the same rows then wait for each other, and never both.
        group.sort(key=partial(key_of, entity))
        _put_halving(connection, put, group, changed, refused)
    return changed, refused


def _by_columns(entity: Entity, rows: Sequence[Row]) -> Iterator[tuple[frozenset[str], list[Row]]]:
    """Rows that carry the same columns together; of several with one key, the newest, and of equals the last."""
    unique: dict[Key, Row] = {}
    for row in rows:
        key = key_of(entity, row)
        if key not in unique or _changed_at(row) >= _changed_at(unique[key]):
            unique[key] = row
    remaining = list(unique.values())
    while remaining:  # hardly ever more than once: the records of a page are alike
        columns = remaining[0].keys()
        alike = [row for row in remaining if row.keys() == columns]
        yield frozenset(columns), alike
        remaining = [row for row in remaining if row.keys() != columns] if len(alike) < len(remaining) else []


def _changed_at(row: Row) -> str:
    return row.get("update_time") or row.get("add_time") or ""


def _put_halving(
    connection: Connection,
    put: Callable[[list[Row]], list[Key]],
    rows: list[Row],
    changed: list[Key],
    refused: list[tuple[Row, str]],
) -> None:
    """Put rows; where the database refuses them all, halve them until the culprit stands alone."""
    try:
        with connection.begin_nested():
            changed.extend(put(rows))
    except OperationalError:
        raise  # the disk, the connection, a lock: no row is to blame
    except (DBAPIError, StatementError, UnicodeError, OverflowError, TypeError) as error:
        if len(rows) == 1:
            refused.append((rows[0], words_of(error)))
            return
        middle = len(rows) // 2
        _put_halving(connection, put, rows[:middle], changed, refused)
        _put_halving(connection, put, rows[middle:], changed, refused)


def _replaces(table: Table, new: Any, columns: frozenset[str]) -> ColumnElement[bool]:
    """That an offered row is to be taken: it is not older than what is held, and it differs."""
    compared = sorted(columns - {"synced_at", "event_time"} - set(key_names(table)))
    differs = or_(*(new[name].is_distinct_from(table.c[name]) for name in compared))
    return and_(_not_older(table, new, columns), differs)


def _not_older(table: Table, new: Any, columns: frozenset[str]) -> ColumnElement[bool]:
    read_no_earlier: ColumnElement[bool] = new.synced_at >= table.c.synced_at
    if "update_time" not in columns:
        return read_no_earlier
    # Pipedrive API: update_time can be null on a deal never changed since its creation. It has a resolution of one
    # second: two versions of the same second are told apart by the order in which they were read.
    held, offered = (func.coalesce(of.update_time, of.add_time) for of in (table.c, new))
    # What is known to be deleted does not come back through a read that began before that was known.
    not_undone = or_(table.c.deleted_at.is_(None), read_no_earlier, offered > table.c.deleted_at)
    newer = and_(offered > held, not_undone)
    return or_(held.is_(None), newer, and_(or_(offered == held, offered.is_(None)), read_no_earlier))


def _follows(table: Table, new: Any, _columns: frozenset[str]) -> ColumnElement[bool]:
    """That a row told by an event is to be taken: see `upsert_told`."""
    held_event = table.c.event_time
    newest_event = or_(held_event.is_(None), new.event_time > held_event)
    if "update_time" not in table.c:
        return newest_event
    held, offered = (func.coalesce(of.update_time, of.add_time) for of in (table.c, new))
    newer = or_(held.is_(None), offered > held, and_(offered == held, held_event.is_not(None)))
    return and_(newest_event, newer)


@dataclass(frozen=True, slots=True)
class Held:
    """Of what age a held row is: by Pipedrive's clock, by the event that wrote it, by our reading; and if it lives."""

    changed_at: datetime | None
    event_time: datetime | None
    synced_at: datetime
    is_deleted: bool
    custom_fields: Mapping[str, Any] | None


def load_record(connection: Connection, company_id: int, entity: Entity, record_id: int) -> Mapping[str, Any] | None:
    """One row as it is held, deleted or not; None if it was never mirrored."""
    row = connection.execute(_record(entity), {"company": company_id, "record": record_id}).mappings().one_or_none()
    return None if row is None else dict(row)


@cache
def _record(entity: Entity) -> Select[Any]:
    table = TABLES[entity.name]
    return select(table).where(table.c.company_id == bindparam("company"), table.c.id == bindparam("record"))


def held_rows(connection: Connection, company_id: int, entity: Entity, ids: Collection[int]) -> dict[int, Held]:
    """What is held of these records, by id; only of entities that events tell of."""
    dialect = connection.dialect.name
    found = connection.execute(_held(dialect, entity), {"company": company_id, "ids": many(dialect, ids)})
    return {one: Held(*ages) for one, *ages in found}


@cache
def _held(dialect: str, entity: Entity) -> Select[Any]:
    table = TABLES[entity.name]
    changed_at = func.coalesce(table.c.update_time, table.c.add_time) if "update_time" in table.c else null()
    custom_fields = table.c.custom_fields if entity.has_custom_fields else null()
    return select(
        table.c.id,
        type_coerce(changed_at, Timestamp()),
        table.c.event_time,
        table.c.synced_at,
        table.c.deleted_at.is_not(None),
        type_coerce(custom_fields, Json),
    ).where(table.c.company_id == bindparam("company"), among_parameter(dialect, table.c.id, "ids"))


def mark_told_deleted(
    connection: Connection,
    company_id: int,
    entity: Entity,
    record_id: int,
    *,
    event_time: datetime,
    received_at: datetime,
) -> bool:
    """Mark a row as deleted by an event, unless it is held as changed since; whether it was."""
    table = TABLES[entity.name]
    received = literal(received_at, table.c.synced_at.type)
    values: dict[str, Any] = {
        "deleted_at": event_time.replace(microsecond=0),
        "event_time": event_time,
        # So that a read that began before does not bring it back.
        "synced_at": case((table.c.synced_at < received, received), else_=table.c.synced_at),
    }
    if entity.deleted_when:
        name, value = entity.deleted_when
        values[name] = value
    conditions = [
        table.c.company_id == company_id,
        table.c.id == record_id,
        table.c.deleted_at.is_(None),
        or_(table.c.event_time.is_(None), table.c.event_time < event_time),
    ]
    if "update_time" in table.c:
        held = type_coerce(func.coalesce(table.c.update_time, table.c.add_time), Timestamp())
        conditions.append(or_(held.is_(None), held <= event_time.replace(microsecond=0)))
    return connection.execute(update(table).where(*conditions).values(values)).rowcount > 0


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
    chosen: ColumnElement[bool]
    if len(columns) > 1:
        chosen = tuple_(*columns).in_(sorted(keys))
    else:
        chosen = among(connection, columns[0], {key[0] for key in keys})
    return [tuple(row) for row in connection.execute(statement.where(chosen))]


def ids_of_organizations(
    connection: Connection, company_id: int, entity: Entity, organizations: Collection[int]
) -> set[int]:
    """Ids of the live rows that hang on these organizations."""
    table = TABLES[entity.name]
    hanging = among(connection, table.c.org_id, organizations)
    return set(connection.scalars(select(table.c.id).where(*_live(table, company_id, None), hanging)))


def founding_deals(connection: Connection, company_id: int, organizations: Collection[int]) -> dict[int, set[int]]:
    """The deal through which the account of each of these organizations came into being."""
    found = connection.execute(
        select(accounts.c.organization_id, accounts.c.created_by_deal_id).where(
            accounts.c.company_id == company_id,
            among(connection, accounts.c.organization_id, organizations),
            accounts.c.created_by_deal_id.is_not(None),
        )
    )
    return {organization: {deal} for organization, deal in found}


def organizations_of_deals(connection: Connection, company_id: int, deals: Collection[int]) -> set[int]:
    """The organizations that these deals hang on."""
    table = TABLES["deals"]
    chosen = among(connection, table.c.id, deals)
    holders = select(table.c.org_id).where(*_live(table, company_id, None), chosen, table.c.org_id.is_not(None))
    return set(connection.scalars(holders))
