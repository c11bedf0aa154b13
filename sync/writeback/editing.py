"""Editing accounts from inside the program: checked first, then one statement that the triggers see like any other.

Also what a person does about edits later: taking one back, deciding a conflict. All of it needs the database alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from sync.accounts.deciding import organization_values
from sync.accounts.fields import Fields, NoSuchField
from sync.accounts.kinds import OF_USERS, STANDARD
from sync.accounts.lists.indexing import refresh_index
from sync.accounts.meanings import equal, same
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import fit_own, parse_own
from sync.accounts.queries import account_columns, find_users
from sync.accounts.values import Unfit, check, parse
from sync.errors import SyncError
from sync.pipedrive.entities import ORGANIZATIONS
from sync.store.conflicts import Conflict, load_conflict, settle_conflict
from sync.store.edits import HistoryEntry, load_batch, load_change, load_edits, lock_account, move_base
from sync.store.mirror import load_record
from sync.store.schema import accounts


class CannotEdit(SyncError):
    """A value that a field can't have, or an edit that makes no sense any more."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of changes that were to be taken back."""

    undone: Sequence[HistoryEntry]
    changed_since: Sequence[HistoryEntry]  # and so left alone
    refused: Sequence[tuple[HistoryEntry, str]]


def typed_values(
    connection: Connection, company_id: int, fields: Fields, assignments: Sequence[str]
) -> Mapping[str, Any]:
    """What a person typed as `FIELD=VALUE`, by attribute or code. Raises `CannotEdit`, `NoSuchField`."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise CannotEdit(f"{assignment!r} is not of the form FIELD=VALUE.", "For example: name='Acme & Co'.")
        field = _field(fields, name)
        values[field] = typed_value(connection, company_id, fields, field, text)
    return values


def _field(fields: Fields, name: str) -> str:
    try:
        return fields.find(name)
    except NoSuchField:
        if name.strip() in account_columns():
            raise CannotEdit(
                f"{name.strip()} is computed from Pipedrive and can't be edited.",
                "Change the organization's deals or activities there.",
            ) from None
        raise


def typed_value(connection: Connection, company_id: int, fields: Fields, field: str, text: str) -> Any:
    """The value a person typed for a field; users by name too. Raises `CannotEdit`."""
    own = fields.own.get(field)
    kind = None if own else fields.rules[field].field_type
    if kind and kind.kind in OF_USERS and text.strip():
        return _user(connection, company_id, fields.name_of(field), text)
    try:
        return parse_own(own, text) if own else parse(fields.rules[field].field_type, text)
    except Unfit as error:
        raise CannotEdit(f"{fields.name_of(field)}: {error}.") from None


def _user(connection: Connection, company_id: int, name: str, text: str) -> int:
    users = find_users(connection, company_id, text)
    if len(users) == 1:
        return users[0].id
    known = ", ".join(f"{one.id} {one.name}" for one in users)
    raise CannotEdit(
        f"{name}: {len(users)} users fit {text!r}{f': {known}' if known else ''}.", "Give a user's full name or id."
    )


def edit_account(
    connection: Connection,
    company_id: int,
    fields: Fields,
    organization_id: int,
    values: Mapping[str, Any],
    *,
    by: str,
    at: datetime,
) -> Sequence[str]:
    """Change fields of an account; those that really changed. It travels to the organization like any edit.

    Raises `CannotEdit` for a value that a field can't have; nothing is changed then.
    """
    checked = {field: fitting(fields, field, value) for field, value in values.items()}
    if not lock_account(connection, company_id, organization_id):
        raise CannotEdit(f"There is no account {organization_id}.")
    held = _held(connection, company_id, organization_id)
    changed = {
        field: value
        for field, value in checked.items()
        if not _same(fields, field, held.get(field), value) or _says_more(held.get(field), value)
    }
    if changed:
        its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
        row = _columns(changed, {name: value for name, value in held.items() if name.startswith(OWN)})
        connection.execute(update(accounts).where(its_row).values(**row, edited_by=by, edited_at=at))
        refresh_index(connection, company_id, [organization_id])
    return sorted(changed)


def fitting(fields: Fields, field: str, value: Any) -> Any:
    """The value as a field takes it. Raises `CannotEdit` for one that it can't have."""
    own = fields.own.get(field)
    if own is None and field not in fields.rules:
        raise CannotEdit(f"{field} is no field of an account that can be edited.")
    try:
        return fit_own(own, value) if own else check(fields.rules[field].field_type, value)
    except Unfit as error:
        raise CannotEdit(f"{fields.name_of(field)}: {error}.") from None


def _same(fields: Fields, field: str, a: Any, b: Any) -> bool:
    return equal(a, b) if field in fields.own else same(fields.rules[field].field_type, a, b)


def _says_more(held: Any, value: Any) -> bool:
    """Whether two addresses that mean the same differ in their parts after all."""
    return isinstance(held, dict) and isinstance(value, dict) and not value.items() <= held.items()


def _held(connection: Connection, company_id: int, organization_id: int) -> Mapping[str, Any]:
    """What an account holds now, by attribute and code."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    account = dict(connection.execute(select(accounts).where(its_row)).mappings().one())
    own = {f"{OWN}{name}": value for name, value in (account["fields"] or {}).items()}
    return {**organization_values(account), **own}


def _columns(values: Mapping[str, Any], held_own: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column. Custom fields that are not named stay as they are; own fields do not, so all are given."""
    row = {field: value for field, value in values.items() if field in STANDARD}
    own = {field: value for field, value in values.items() if field.startswith(OWN)}
    custom = {field: value for field, value in values.items() if field not in row and field not in own}
    if custom:
        row["custom_fields"] = custom
    if own:
        row["fields"] = {name.removeprefix(OWN): value for name, value in {**held_own, **own}.items()}
    return row


def undo_change(
    connection: Connection, company_id: int, fields: Fields, change_id: int, *, batch: bool, by: str, at: datetime
) -> Undone:
    """Take a change back, or all that were made together with it: each an edit like any other.

    What was changed again since is left alone. Raises `CannotEdit` for a change that is not there.
    """
    change = load_change(connection, company_id, change_id)
    if change is None:
        raise CannotEdit(f"There is no change {change_id}.", "`pipedrive-sync accounts show` lists them.")
    undone: list[HistoryEntry] = []
    since: list[HistoryEntry] = []
    refused: list[tuple[HistoryEntry, str]] = []
    for one in load_batch(connection, company_id, change) if batch else [change]:
        try:
            done = _take_back(connection, company_id, fields, one, by, at)
        except CannotEdit as error:
            refused.append((one, error.message))
        else:
            (undone if done else since).append(one)
    return Undone(undone, since, refused)


def _take_back(
    connection: Connection, company_id: int, fields: Fields, change: HistoryEntry, by: str, at: datetime
) -> bool:
    """Whether the field still held what the change made of it, and was changed back."""
    if change.field not in fields.own and change.field not in fields.rules:
        raise CannotEdit(f"{change.field} is no field that can be edited (any more).")
    if not lock_account(connection, company_id, change.organization_id):
        raise CannotEdit(f"There is no account {change.organization_id} any more.")
    held = _held(connection, company_id, change.organization_id).get(change.field)
    if not _same(fields, change.field, held, change.new_value):
        return False
    values = {change.field: change.old_value}
    edit_account(connection, company_id, fields, change.organization_id, values, by=by, at=at)
    return True


_CHOICES: Mapping[str, str] = {"theirs": "pipedrive", "ours": "account", "value": "value"}


def resolve_conflict(
    connection: Connection,
    company_id: int,
    fields: Fields,
    conflict_id: int,
    keep: str,
    *,
    value: Any = None,
    by: str,
    at: datetime,
) -> Conflict:
    """Decide a conflict, open or not: keep `theirs`, `ours`, or a third `value`; what is kept travels as an edit.

    Raises `CannotEdit` where there is no such conflict, or the value does not fit.
    """
    conflict = load_conflict(connection, company_id, conflict_id)
    if conflict is None:
        raise CannotEdit(f"There is no conflict {conflict_id}.", "`pipedrive-sync conflicts list` shows them.")
    theirs = conflict.pipedrive_value
    if conflict.resolved_at is None:  # Pipedrive may have changed it once more since
        theirs = _agree_on_theirs(connection, company_id, conflict)
    kept = {"theirs": theirs, "ours": conflict.account_value, "value": value}[keep]
    edit_account(connection, company_id, fields, conflict.organization_id, {conflict.field: kept}, by=by, at=at)
    settle_conflict(connection, company_id, conflict_id, resolution=_CHOICES[keep], by=by, at=at)
    return conflict


def _agree_on_theirs(connection: Connection, company_id: int, conflict: Conflict) -> Any:
    """A person has seen Pipedrive's value, which is returned: what he decides is no conflict with it any more."""
    organization = load_record(connection, company_id, ORGANIZATIONS, conflict.organization_id)
    remote = organization_values(organization).get(conflict.field)
    for edit in load_edits(connection, company_id, conflict.organization_id):
        if edit.field == conflict.field:
            move_base(connection, edit, company_id, remote)
    return remote
