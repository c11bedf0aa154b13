"""Everything that is known of one account, for the page of it: few statements, and none of them reads a whole table.

What hangs on an account is found from its organization and its deals; long lists are cut where they are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    null,
    nulls_last,
    select,
    type_coerce,
    union,
    union_all,
)

from sync.accounts.details import WonValue
from sync.accounts.facts import (
    ActivityFact,
    Attached,
    DealFact,
    Dossier,
    PersonFact,
    Reach,
    WaitingEdit,
    WaitingErrand,
)
from sync.accounts.queries import account_columns
from sync.store.dialect import among
from sync.store.edits import load_history
from sync.store.errands import ERRANDS
from sync.store.journal import Action, State
from sync.store.schema import (
    TABLES,
    account_edits,
    account_won_values,
    accounts,
    checkpoints,
    conflicts,
    journal,
    parked_changes,
)
from sync.store.types import Document, Timestamp

_DEALS, _PERSONS, _ORGANIZATIONS = TABLES["deals"], TABLES["persons"], TABLES["organizations"]
_ACTIVITIES, _NOTES, _FILES = TABLES["activities"], TABLES["notes"], TABLES["files"]
_EDITS, _PARKED, _CONFLICTS, _JOURNAL = account_edits.c, parked_changes.c, conflicts.c, journal.c
_MOMENT = Timestamp(digits=6)

_MOST_PLANNED = 200
_MOST_PERSONS = 200


def load_dossier(connection: Connection, company_id: int, organization_id: int, reach: Reach) -> Dossier | None:
    """Everything about an account; None if the organization has none."""
    its = _Its(connection, {"company": company_id, "organization": organization_id})
    found = its.rows(_account())
    if not found:
        return None
    row = found[0]
    account = {name: row._mapping[accounts.c[name]] for name in account_columns()}
    deals = its.deals(account["created_by_deal_id"])
    planned, done = its.activities(reach)
    notes, files = its.attached(reach)
    edits, errands = its.waiting()
    return Dossier(
        account=account,
        won_values=[WonValue(*one[-3:]) for one in found if one.won_currency is not None],
        synced_at=row.organization_synced_at,
        event_time=row.organization_event_time,
        deleted_at=row.organization_deleted_at,
        read_at=row.read_at,
        deals=[one for one, is_its in deals if is_its],
        created_by=next((one for one, _ in deals if one.id == account["created_by_deal_id"]), None),
        persons=[PersonFact(*one) for one in its.rows(_persons())],
        planned=planned,
        done=done,
        notes=notes,
        files=files,
        changes=load_history(connection, company_id, organization_id, reach.changes),
        edits=edits,
        errands=errands,
    )


def organization_exists(connection: Connection, company_id: int, organization_id: int) -> bool:
    """Whether Pipedrive has an organization, account or not."""
    columns = _ORGANIZATIONS.c
    its_row = (columns.company_id == company_id) & (columns.id == organization_id) & columns.deleted_at.is_(None)
    return connection.scalar(select(columns.id).where(its_row)) is not None


def record_names(
    connection: Connection, company_id: int, wanted: Mapping[str, Sequence[int]]
) -> Mapping[str, Mapping[int, str]]:
    """The names of records, by table and id: one statement for all tables."""
    queries = [
        select(literal(table).label("name_of"), TABLES[table].c.id, TABLES[table].c.name).where(
            TABLES[table].c.company_id == company_id, among(connection, TABLES[table].c.id, ids)
        )
        for table, ids in sorted(wanted.items())
        if ids
    ]
    names: dict[str, dict[int, str]] = {}
    for table, record_id, name in connection.execute(union_all(*queries)) if queries else ():
        names.setdefault(table, {})[record_id] = name or ""
    return names


@dataclass(frozen=True, slots=True)
class _Its:
    """The records of one account."""

    connection: Connection
    key: Mapping[str, int]

    def rows(self, query: Any, **values: Any) -> Sequence[Any]:
        return self.connection.execute(query, {**self.key, **values}).all()

    def deals(self, created_by: int | None) -> Sequence[tuple[DealFact, bool]]:
        """The deals, and the one that made the account, wherever it is now; each with whether it is the account's."""
        found = self.rows(_deals(), created_by=created_by)
        mine = self.key["organization"]
        return [(DealFact(*row[:-2]), row.org_id == mine and row.deleted_at is None) for row in found]

    def activities(self, reach: Reach) -> tuple[Sequence[ActivityFact], Sequence[ActivityFact]]:
        """What is planned, the earliest first, and what was done, the latest first."""
        found = [ActivityFact(*row) for row in self.rows(_activities(), most_done=reach.done)]
        return (
            sorted((one for one in found if not one.done), key=_due_order),
            sorted((one for one in found if one.done), key=_done_order, reverse=True),
        )

    def attached(self, reach: Reach) -> tuple[Sequence[Attached], Sequence[Attached]]:
        """The notes, pinned ones first, and the files."""
        found = self.rows(_attachments(), most_notes=reach.notes, most_files=reach.files)
        by_kind = {kind: [_attached(row) for row in found if row.kind == kind] for kind in ("note", "file")}
        return by_kind["note"], by_kind["file"]

    def waiting(self) -> tuple[Sequence[WaitingEdit], Sequence[WaitingErrand]]:
        """The fields and the errands that are not settled with Pipedrive."""
        found = self.rows(_unsettled())
        edits = [_edit(row) for row in found if row.kind == "edit"]
        return edits, sorted((_errand(row) for row in found if row.kind == "errand"), key=lambda one: one.id)


# The statements. Each is put together once: that takes longer than running it.

_COMPANY, _ORGANIZATION = bindparam("company", type_=BigInteger), bindparam("organization", type_=BigInteger)


@cache
def _account() -> Any:
    """The account, its organization's state, and a row for each currency in which something was won."""
    organization, won = _ORGANIZATIONS.c, account_won_values.c
    read_at = select(checkpoints.c.last_run_at).where(
        checkpoints.c.company_id == _COMPANY, checkpoints.c.listing == "organizations"
    )
    same_row = (organization.company_id == accounts.c.company_id) & (organization.id == accounts.c.organization_id)
    its_values = (won.company_id == accounts.c.company_id) & (won.organization_id == accounts.c.organization_id)
    return (
        select(
            accounts,
            organization.synced_at.label("organization_synced_at"),
            organization.event_time.label("organization_event_time"),
            organization.deleted_at.label("organization_deleted_at"),
            read_at.scalar_subquery().label("read_at"),
            won.currency.label("won_currency"),
            won.value.label("won_sum"),
            won.deals_count.label("won_count"),
        )
        .select_from(accounts.join(_ORGANIZATIONS, same_row).outerjoin(account_won_values, its_values))
        .where(accounts.c.company_id == _COMPANY, accounts.c.organization_id == _ORGANIZATION)
        .order_by(won.currency)
    )


@cache
def _deals() -> Any:
    columns = _DEALS.c
    is_its = and_(columns.org_id == _ORGANIZATION, columns.deleted_at.is_(None))
    its = select(columns.id).where(columns.company_id == _COMPANY, is_its)
    wanted = columns.id.in_(union_all(its, select(bindparam("created_by", type_=BigInteger))))  # an OR reads them all
    latest = func.coalesce(columns.close_time, columns.update_time, columns.add_time)
    return (
        select(*_columns(_DEALS, DealFact), columns.org_id, columns.deleted_at)
        .where(columns.company_id == _COMPANY, wanted)
        .order_by(nulls_last(latest.desc()), columns.id.desc())
    )


@cache
def _persons() -> Any:
    columns = _PERSONS.c
    query = select(*_columns(_PERSONS, PersonFact)).where(_live(_PERSONS), columns.org_id == _ORGANIZATION)
    return query.order_by(columns.name, columns.id).limit(_MOST_PERSONS)


@cache
def _activities() -> Any:
    columns = _ACTIVITIES.c
    is_done = func.coalesce(columns.done, False)
    query = select(*_columns(_ACTIVITIES, ActivityFact)).where(_hangs(_ACTIVITIES))
    planned = query.where(~is_done).order_by(nulls_last(columns.due_date), columns.id).limit(_MOST_PLANNED)
    moment = nulls_last(columns.marked_as_done_time.desc())
    done = query.where(is_done).order_by(moment, nulls_last(columns.due_date.desc()), columns.id.desc())
    return _both(planned, done.limit(bindparam("most_done", type_=BigInteger)))


@cache
def _attachments() -> Any:
    note, file = _NOTES.c, _FILES.c
    pinned = func.coalesce(note.pinned_to_organization_flag, False)
    notes = (
        select(
            *(literal("note").label("kind"), note.id, note.content.label("text"), note.add_time, note.user_id),
            *(note.deal_id, pinned.label("is_pinned"), _no_text().label("file_type")),
            cast(null(), BigInteger).label("file_size"),
        )
        .where(_hangs(_NOTES))
        .order_by(pinned.desc(), nulls_last(note.add_time.desc()), note.id.desc())
        .limit(bindparam("most_notes", type_=BigInteger))
    )
    name = func.coalesce(file.name, file.file_name)
    files = (
        select(
            *(literal("file").label("kind"), file.id, name.label("text"), file.add_time, file.user_id),
            *(file.deal_id, literal(False).label("is_pinned"), file.file_type, file.file_size),
        )
        .where(_hangs(_FILES))
        .order_by(nulls_last(file.add_time.desc()), file.id.desc())
        .limit(bindparam("most_files", type_=BigInteger))
    )
    return _both(notes, files)


@cache
def _unsettled() -> Any:
    return union_all(_edits(), _errands())


def _edits() -> Select[Any]:
    same = [_EDITS.company_id, _EDITS.organization_id, _EDITS.field]
    parked = and_(*(_PARKED[column.name] == column for column in same))
    disputed = and_(*(_CONFLICTS[column.name] == column for column in same), _CONFLICTS.resolved_at.is_(None))
    return (
        select(
            *(literal("edit").label("kind"), _CONFLICTS.id.label("number"), _EDITS.field.label("what")),
            *(_no_text().label("action"), cast(null(), BigInteger).label("record_id"), _document(_EDITS.value)),
            *(_no_text().label("state"), type_coerce(_EDITS.edited_at, _MOMENT).label("at")),
            *(_EDITS.edited_by.label("hand"), _PARKED.reason.label("words")),
        )
        .select_from(account_edits.outerjoin(parked_changes, parked).outerjoin(conflicts, disputed))
        .where(_EDITS.company_id == _COMPANY, _EDITS.organization_id == _ORGANIZATION)
    )


def _errands() -> Select[Any]:
    return select(
        *(literal("errand"), _JOURNAL.id, _JOURNAL.entity, _JOURNAL.action, _JOURNAL.record_id),
        *(_document(_JOURNAL.body), _JOURNAL.state, _JOURNAL.requested_at, _JOURNAL.requested_by, _JOURNAL.error),
    ).where(
        _JOURNAL.company_id == _COMPANY,
        _JOURNAL.organization_id == _ORGANIZATION,
        _JOURNAL.entity.in_(ERRANDS),
        _JOURNAL.state.in_([State.WAITING, State.SENT, State.FAILED]),
    )


def _columns(table: Table, fact: type[Any]) -> Sequence[ColumnElement[Any]]:
    """The columns that a record of its is made of."""
    return [table.c[one.name] for one in fields(fact)]


def _live(table: Table) -> ColumnElement[bool]:
    return and_(table.c.company_id == _COMPANY, table.c.deleted_at.is_(None))


def _hangs(table: Table) -> ColumnElement[bool]:
    """On the organization, or on one of its deals: two lists of ids, as an OR would read the whole table."""
    own = select(table.c.id).where(table.c.company_id == _COMPANY, table.c.org_id == _ORGANIZATION)
    deals = select(_DEALS.c.id).where(_live(_DEALS), _DEALS.c.org_id == _ORGANIZATION)
    of_deals = select(table.c.id).where(table.c.company_id == _COMPANY, table.c.deal_id.in_(deals))
    return and_(_live(table), table.c.id.in_(union(own, of_deals)))


def _both(first: Select[Any], second: Select[Any]) -> Any:
    """Two selections that each have an order and an end, in one statement."""

    def whole(one: Subquery) -> Select[Any]:
        return select(*one.c)

    return union_all(whole(first.subquery()), whole(second.subquery()))


def _no_text() -> ColumnElement[Any]:
    return cast(null(), Text)


def _document(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return type_coerce(column, Document).label("document")


def _due_order(one: ActivityFact) -> tuple[date, str, int]:
    return one.due_date or date.max, (one.due_time or "")[:5], one.id


def _done_order(one: ActivityFact) -> tuple[str, str, int]:
    return str(one.marked_as_done_time or ""), str(one.due_date or ""), one.id


def _attached(row: Row[Any]) -> Attached:
    return Attached(
        id=row.id,
        text=row.text or "",
        add_time=row.add_time,
        user_id=row.user_id,
        deal_id=row.deal_id,
        is_pinned=bool(row.is_pinned),
        file_type=row.file_type,
        file_size=row.file_size,
    )


def _edit(row: Row[Any]) -> WaitingEdit:
    return WaitingEdit(row.what, row.document, row.at, row.hand, row.words, row.number)


def _errand(row: Row[Any]) -> WaitingErrand:
    return WaitingErrand(
        id=row.number,
        entity=row.what,
        action=Action(row.action),
        record_id=row.record_id,
        body=row.document if isinstance(row.document, dict) else {},
        state=State(row.state),
        requested_at=row.at,
        requested_by=row.hand,
        error=row.words,
    )
