"""What becomes of an account's own fields when Pipedrive merges its organization into another one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, literal, select, update

from sync.accounts.overlay import SHARED_FIELDS
from sync.accounts.selecting import take_turn
from sync.store.schema import TABLES, accounts


def absorb_own_fields(connection: Connection, company_id: int, *, loser: int, survivor: int, now: datetime) -> None:
    """Fill what the survivor's account lacks (no value, or null) with the loser's own fields; the loser keeps them.

    A survivor without an account gets a `former` one to hold them: build it afterwards, as ever after a change.
    Repeating it changes nothing.
    """
    take_turn(connection, company_id)
    own = _own_fields(connection, company_id, loser)
    if not own or loser == survivor:
        return
    held = _own_fields(connection, company_id, survivor)
    if held is None:
        _make_room(connection, company_id, loser, survivor, now)
    merged = filled(held or {}, own)
    if merged != held:
        its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == survivor)
        values = {"fields": merged, "updated_at": now, "revision": accounts.c.revision + 1}
        connection.execute(update(accounts).where(its_row).values(values))


def filled(held: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """What is held, with every field that has no value there taken from what is offered. Empty is a value."""
    return {**offered, **{name: value for name, value in held.items() if value is not None or name not in offered}}


def _own_fields(connection: Connection, company_id: int, organization: int) -> dict[str, Any] | None:
    """The account's own fields, empty if it has none; None if there is no account."""
    row = connection.execute(
        select(accounts.c.fields).where(accounts.c.company_id == company_id, accounts.c.organization_id == organization)
    ).one_or_none()
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
