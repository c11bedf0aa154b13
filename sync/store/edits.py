"""Edits of accounts that both sides do not agree about yet, those that are parked, and the history of all changes.

Rows come into `account_history` and `account_edits` by the triggers alone. All functions work in the caller's
transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Exists,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from sync.store.dialect import among, insert_into
from sync.store.schema import account_edits, account_history, accounts, conflicts, parked_changes

_EDITS, _PARKED, _HISTORY = account_edits.c, parked_changes.c, account_history.c
_MINE = _EDITS.company_id == bindparam("company")
_ANY = select(1).where(_MINE).limit(1)
_LOCKED = (
    select(accounts.c.organization_id)
    .where(
        accounts.c.company_id == bindparam("company"),
        accounts.c.organization_id == bindparam("organization"),
    )
    .with_for_update()
)
_MOVED = (
    update(account_edits)
    .where(_MINE, _EDITS.organization_id == bindparam("organization"), _EDITS.field == bindparam("its_field"))
    .values(base_value=bindparam("base"))
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One edited field of an account that waits."""

    organization_id: int
    field: str
    base_value: Any  # what both sides agreed on before
    value: Any
    edited_at: datetime
    edited_by: str
    change_id: int
    is_parked: bool
    is_disputed: bool  # in a conflict that waits for a person


@dataclass(frozen=True, slots=True)
class Parked:
    """An edit that Pipedrive does not take, and why."""

    organization_id: int
    field: str
    value: Any
    reason: str
    since: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of one field, whoever made it; `side` is where: `account` or `pipedrive`."""

    id: int
    organization_id: int
    field: str
    old_value: Any
    new_value: Any
    changed_at: datetime
    changed_by: str
    side: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The accounts with edits that may be sent: those approved by now, and how many are not."""

    approved: Sequence[int]  # organizations, the longest waiting first
    unapproved: Sequence[int]


def load_queue(
    connection: Connection, company_id: int, *, approved_until: datetime | None, approved_hand: str
) -> Queue:
    """Which accounts have something to send, whether or not it was approved; what one hand edits always is."""
    given = {"company": company_id, "approved_until": approved_until, "approved_hand": approved_hand}
    rows = connection.execute(_queue(any_approved=approved_until is not None), given).all()
    return Queue([one for one, new in rows if not new], [one for one, new in rows if new])


@cache
def _queue(*, any_approved: bool) -> Select[Any]:
    unapproved = _EDITS.edited_by != bindparam("approved_hand")
    if any_approved:
        unapproved = unapproved & (_EDITS.edited_at > bindparam("approved_until"))
    return (
        select(_EDITS.organization_id, func.count(case((unapproved, 1))))
        .where(_MINE, _sendable())
        .group_by(_EDITS.organization_id)
        .order_by(func.min(_EDITS.edited_at), _EDITS.organization_id)
    )


def _sendable() -> ColumnElement[bool]:
    """That an edit waits for nobody but Pipedrive."""
    its_account = (accounts.c.company_id == _EDITS.company_id) & (accounts.c.organization_id == _EDITS.organization_id)
    return and_(
        _EDITS.field.not_like("fields.%"),
        ~_is_parked(),
        ~_is_disputed(),
        exists(select(1).where(its_account, accounts.c.write_back)),
    )


def _is_parked() -> Exists:
    return exists(
        select(1).where(
            _PARKED.company_id == _EDITS.company_id,
            _PARKED.organization_id == _EDITS.organization_id,
            _PARKED.field == _EDITS.field,
        )
    )


def _is_disputed() -> Exists:
    return exists(
        select(1).where(
            conflicts.c.company_id == _EDITS.company_id,
            conflicts.c.organization_id == _EDITS.organization_id,
            conflicts.c.field == _EDITS.field,
            conflicts.c.resolved_at.is_(None),
        )
    )


def load_edits(
    connection: Connection, company_id: int, organization_id: int | None = None, *, only_own: bool = False
) -> Sequence[Edit]:
    """The edits of one account, or of all, in the order of accounts and fields."""
    query = _edits(of_one=organization_id is not None, only_own=only_own)
    given = {"company": company_id, "organization": organization_id}
    return [Edit(*row) for row in connection.execute(query, given)]


@cache
def _edits(*, of_one: bool, only_own: bool) -> Select[Any]:
    query = (
        select(
            _EDITS.organization_id,
            _EDITS.field,
            _EDITS.base_value,
            _EDITS.value,
            _EDITS.edited_at,
            _EDITS.edited_by,
            _EDITS.change_id,
            _is_parked(),
            _is_disputed(),
        )
        .where(_MINE)
        .order_by(_EDITS.organization_id, _EDITS.field)
    )
    if of_one:
        query = query.where(_EDITS.organization_id == bindparam("organization"))
    if only_own:
        query = query.where(_EDITS.field.like("fields.%"))
    return query


def load_own_edits(connection: Connection, company_id: int) -> Sequence[Edit]:
    """The edits of accounts' own fields that are not parked."""
    own = [one for one in load_edits(connection, company_id, only_own=True) if not one.is_parked]
    return sorted(own, key=lambda one: one.change_id)


def count_edits_of(
    connection: Connection, company_id: int, organizations: Collection[int]
) -> Mapping[int, Mapping[str, int]]:
    """Of some accounts, how many edited fields are `waiting`, `parked` and `disputed`; accounts without are left out.

    Own fields wait for nobody.
    """
    counted = {
        "parked": _is_parked(),
        "disputed": ~_is_parked() & _is_disputed(),
        "waiting": ~_is_parked() & ~_is_disputed() & _EDITS.field.not_like("fields.%"),
    }
    sums = (func.sum(case((one, 1), else_=0)).label(name) for name, one in counted.items())
    query = (
        select(_EDITS.organization_id, *sums)
        .where(_EDITS.company_id == company_id, among(connection, _EDITS.organization_id, organizations))
        .group_by(_EDITS.organization_id)
    )
    found = connection.execute(query).mappings()
    return {row["organization_id"]: {name: int(row[name]) for name in counted} for row in found}


def count_edits(connection: Connection, company_id: int) -> dict[str, int]:
    """How many edited fields wait, are parked, and wait for a person to decide."""
    state = case((_is_parked(), "parked"), (_is_disputed(), "disputed"), else_="waiting")
    query = select(state.label("state"), func.count()).where(_EDITS.company_id == company_id).group_by(state)
    return {"waiting": 0, "parked": 0, "disputed": 0} | {row[0]: row[1] for row in connection.execute(query)}


def count_edited_by(connection: Connection, company_id: int, hand: str) -> int:
    """How many accounts have an edit by one hand that waits."""
    mine = (_EDITS.company_id == company_id) & (_EDITS.edited_by == hand)
    return connection.scalar(select(func.count(_EDITS.organization_id.distinct())).where(mine)) or 0


def any_edits(connection: Connection, company_id: int) -> bool:
    """Whether any field waits."""
    return connection.scalar(_ANY, {"company": company_id}) is not None


def drop_edits(connection: Connection, company_id: int, organization_id: int, fields: Collection[str]) -> None:
    """Both sides agree about these fields, or they are not to be sent: the account follows Pipedrive again."""
    if fields:
        for table in (account_edits, parked_changes):
            connection.execute(delete(table).where(*_of(table, company_id, organization_id, fields)))


def move_base(connection: Connection, edit: Edit, company_id: int, value: Any) -> None:
    """What both sides agreed on last, of a field that goes on waiting."""
    its_field = {"company": company_id, "organization": edit.organization_id, "its_field": edit.field}
    connection.execute(_MOVED, {**its_field, "base": value})


def lock_account(connection: Connection, company_id: int, organization_id: int) -> bool:
    """Let nobody edit an account before this transaction ends; whether there is one."""
    return connection.scalar(_LOCKED, {"company": company_id, "organization": organization_id}) is not None


def park(
    connection: Connection, company_id: int, organization_id: int, field: str, value: Any, reason: str, at: datetime
) -> None:
    """Keep an edit from being sent until it is edited again or retried."""
    key = {"company_id": company_id, "organization_id": organization_id, "field": field}
    values = {"value": value, "reason": reason[:500], "since": at}
    insert = insert_into(parked_changes, connection.dialect.name).values(**key, **values, attempts=1)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(key), set_={**values, "attempts": parked_changes.c.attempts + 1}
        )
    )


def park_field(connection: Connection, company_id: int, field: str, reason: str, at: datetime) -> None:
    """Park every edit of a field."""
    parked = parked_changes.c
    names = ["company_id", "organization_id", "field", "value", "reason", "since", "attempts"]
    rows = select(
        _EDITS.company_id,
        _EDITS.organization_id,
        _EDITS.field,
        _EDITS.value,
        literal(reason),
        literal(at, parked.since.type),
        literal(0),
    ).where(_EDITS.company_id == company_id, _EDITS.field == field)
    insert = insert_into(parked_changes, connection.dialect.name).from_select(names, rows)
    connection.execute(insert.on_conflict_do_nothing())


def unpark(
    connection: Connection, company_id: int, *, organization_id: int | None = None, fields: Collection[str] = ()
) -> int:
    """Let parked edits be tried again; how many."""
    conditions = [_PARKED.company_id == company_id]
    if organization_id is not None:
        conditions.append(_PARKED.organization_id == organization_id)
    if fields:
        conditions.append(_PARKED.field.in_(fields))
    return connection.execute(delete(parked_changes).where(*conditions)).rowcount


def load_parked(connection: Connection, company_id: int, organization_id: int | None = None) -> Sequence[Parked]:
    """What is parked, the oldest first."""
    query = select(
        _PARKED.organization_id, _PARKED.field, _PARKED.value, _PARKED.reason, _PARKED.since, _PARKED.attempts
    ).where(_PARKED.company_id == company_id)
    if organization_id is not None:
        query = query.where(_PARKED.organization_id == organization_id)
    ordered = query.order_by(_PARKED.since, _PARKED.organization_id, _PARKED.field)
    return [Parked(*row) for row in connection.execute(ordered)]


def _entries() -> Select[Any]:
    return select(
        _HISTORY.id,
        _HISTORY.organization_id,
        _HISTORY.field,
        _HISTORY.old_value,
        _HISTORY.new_value,
        _HISTORY.changed_at,
        _HISTORY.changed_by,
        _HISTORY.side,
    )


def load_history(
    connection: Connection,
    company_id: int,
    organization_id: int,
    limit: int | None = None,
    *,
    before: int | None = None,
) -> Sequence[HistoryEntry]:
    """The changes of an account, the latest first; those before one of them, if it is given."""
    mine = (_HISTORY.company_id == company_id) & (_HISTORY.organization_id == organization_id)
    query = _entries().where(mine).order_by(_HISTORY.id.desc())
    if before is not None:
        query = query.where(_HISTORY.id < before)
    return [HistoryEntry(*row) for row in connection.execute(query.limit(limit) if limit else query)]


def name_hands(connection: Connection, company_id: int, hands: Mapping[int, str], *, changed_at: datetime) -> None:
    """Say who made the changes that organizations brought in at a moment, by organization."""
    for organization_id, hand in hands.items():
        made_then = update(account_history).where(
            _HISTORY.company_id == company_id,
            _HISTORY.organization_id == organization_id,
            _HISTORY.changed_at == changed_at,
            _HISTORY.changed_by == "pipedrive",
        )
        connection.execute(made_then.values(changed_by=hand))


def load_change(connection: Connection, company_id: int, change_id: int) -> HistoryEntry | None:
    """One change by its number."""
    query = _entries().where(_HISTORY.company_id == company_id, _HISTORY.id == change_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else HistoryEntry(*row)


def load_batch(connection: Connection, company_id: int, change: HistoryEntry) -> Sequence[HistoryEntry]:
    """All changes made together with one: by the same hand, at the same moment. The latest first."""
    query = _entries().where(
        _HISTORY.company_id == company_id,
        _HISTORY.changed_at == change.changed_at,
        _HISTORY.changed_by == change.changed_by,
        _HISTORY.side == change.side,
    )
    return [HistoryEntry(*row) for row in connection.execute(query.order_by(_HISTORY.id.desc()))]


def _of(table: Any, company_id: int, organization_id: int, fields: Collection[str]) -> list[ColumnElement[bool]]:
    return [
        table.c.company_id == company_id,
        table.c.organization_id == organization_id,
        or_(*(table.c.field == field for field in sorted(fields))),
    ]
