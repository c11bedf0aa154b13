"""What becomes of an account when Pipedrive merges its organization into another one: nothing of it is lost.

Its own fields fill what the survivor's account lacks, and what was edited and waits goes on as an edit of the survivor.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, literal, select, update

from sync.accounts.overlay import OWN, SHARED_ATTRIBUTES, SHARED_FIELDS
from sync.accounts.selecting import take_turn
from sync.store.conflicts import Conflict, move_open_conflicts, record_conflict
from sync.store.edits import Edit, drop_edits, load_edits, lock_account, move_base
from sync.store.errands import move_errands
from sync.store.schema import TABLES, accounts


def absorb_account(connection: Connection, company_id: int, *, loser: int, survivor: int, now: datetime) -> None:
    """Let the survivor's account take over what the loser's holds by itself: own fields, edits, open conflicts.

    A survivor without an account gets a `former` one to hold them: build it afterwards, as ever after a change.
    Repeating it changes nothing.
    """
    if loser == survivor:
        return
    take_turn(connection, company_id)
    move_errands(connection, company_id, loser=loser, survivor=survivor)
    lock_account(connection, company_id, loser)
    own, edits = _own_fields(connection, company_id, loser), load_edits(connection, company_id, loser)
    if not (own or edits):
        return
    if not lock_account(connection, company_id, survivor):
        _make_room(connection, company_id, loser, survivor, now)
    _absorb_own_fields(connection, company_id, own or {}, survivor, now)
    held = {one.field: one for one in load_edits(connection, company_id, survivor)}
    for edit in edits:
        if not edit.field.startswith(OWN):
            _hand_on(connection, company_id, edit, held.get(edit.field), survivor, now)
    drop_edits(connection, company_id, loser, [edit.field for edit in edits])
    move_open_conflicts(connection, company_id, loser=loser, survivor=survivor)


def _absorb_own_fields(
    connection: Connection, company_id: int, own: Mapping[str, Any], survivor: int, now: datetime
) -> None:
    held = _own_fields(connection, company_id, survivor) or {}
    merged = filled(held, own)
    if merged != held:
        values = {"fields": merged, "updated_at": now, "revision": accounts.c.revision + 1}
        connection.execute(update(accounts).where(*_its_row(company_id, survivor)).values(values))


def _hand_on(
    connection: Connection, company_id: int, edit: Edit, held: Edit | None, survivor: int, now: datetime
) -> None:
    """Make a loser's edit one of the survivor, of its original time; of two, the later one stands and both are kept."""
    if held is not None:
        _keep_both(connection, company_id, edit, held, now)
        if held.edited_at >= edit.edited_at:
            return
    is_attribute = edit.field in SHARED_ATTRIBUTES
    value = {edit.field: edit.value} if is_attribute else {"custom_fields": {edit.field: edit.value}}
    who = {"edited_by": edit.edited_by, "edited_at": edit.edited_at}
    connection.execute(update(accounts).where(*_its_row(company_id, survivor)).values(**value, **who))
    for made in load_edits(connection, company_id, survivor):
        if made.field == edit.field and held is None:
            move_base(connection, made, company_id, edit.base_value)


def _keep_both(connection: Connection, company_id: int, edit: Edit, held: Edit, now: datetime) -> None:
    later, earlier = (held, edit) if held.edited_at >= edit.edited_at else (edit, held)
    conflict = Conflict(
        organization_id=held.organization_id,
        field=edit.field,
        base_value=earlier.base_value,
        account_value=earlier.value,
        pipedrive_value=later.value,
        account_time=earlier.edited_at,
        account_by=earlier.edited_by,
        pipedrive_time=later.edited_at,
        pipedrive_by=later.edited_by,
        policy="newest",
        detected_at=now,
        resolution="value",
        resolved_at=now,
        resolved_by="merge",
    )
    record_conflict(connection, company_id, conflict)


def _its_row(company_id: int, organization: int) -> tuple[Any, Any]:
    return accounts.c.company_id == company_id, accounts.c.organization_id == organization


def filled(held: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """What is held, with every field that has no value there taken from what is offered. Empty is a value."""
    return {**offered, **{name: value for name, value in held.items() if value is not None or name not in offered}}


def _own_fields(connection: Connection, company_id: int, organization: int) -> dict[str, Any] | None:
    """The account's own fields, empty if it has none; None if there is no account."""
    row = connection.execute(select(accounts.c.fields).where(*_its_row(company_id, organization))).one_or_none()
    return None if row is None else row.fields or {}


def _make_room(connection: Connection, company_id: int, loser: int, survivor: int, now: datetime) -> None:
    """An account for a survivor that is mirrored but has none yet; it came into being when the loser's did."""
    organization = TABLES["organizations"]
    columns = {
        "company_id": organization.c.company_id,
        "organization_id": organization.c.id,
        "status": literal("former"),
        **{name: organization.c[name] for name in SHARED_FIELDS},
        "won_deals_count": literal(0),
        "open_deals_count": literal(0),
        "won_value": literal(0),
        "currency": accounts.c.currency,
        "created_by_deal_id": accounts.c.created_by_deal_id,
        "created_at": accounts.c.created_at,
        "updated_at": literal(now, accounts.c.updated_at.type),
    }
    its_account = (accounts.c.company_id == organization.c.company_id) & (accounts.c.organization_id == loser)
    row = (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(organization.join(accounts, its_account))
        .where(organization.c.company_id == company_id, organization.c.id == survivor)
    )
    connection.execute(accounts.insert().from_select(list(columns), row))
