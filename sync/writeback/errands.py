"""Work for an account that a person wants done at Pipedrive: activities planned, moved, done, deleted; notes added.

Asking puts a row into the journal, and nothing more: it needs the database alone and works beside a running service,
which carries it out (`sending`). What can't be done is refused here, as far as the mirror can tell. All functions work
in the caller's transaction.
"""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Connection

from sync.errors import SyncError
from sync.pipedrive.entities import ACTIVITIES, DEALS, NOTES, ORGANIZATIONS, USERS, Entity
from sync.pipedrive.records import INTEGER_RANGE
from sync.store.errands import (
    account_exists,
    drop_open_errand,
    load_activity_types,
    load_open_errands,
    retry_failed_errand,
)
from sync.store.journal import Action, Write, add_write
from sync.store.mirror import load_record

_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class UnfitErrand(SyncError):
    """What was asked for can't be done the way it was asked."""


class NothingThere(SyncError):
    """There is no such account, activity, deal or user to do it for."""


class NoSuchErrand(SyncError):
    """No errand with this number is in the state that it would have to be in."""


def ask_for_activity(
    connection: Connection,
    company_id: int,
    *,
    organization_id: int,
    subject: str,
    type: str,
    due_date: date | str,
    due_time: time | str | None = None,
    duration: time | str | None = None,
    owner_id: int | None = None,
    deal_id: int | None = None,
    note: str | None = None,
    by: str,
    now: datetime,
) -> int:
    """Plan an activity for an account; the errand's number.

    `type` is the key or the name of an activity type. `due_time` is in UTC, as the API has it; without one the activity
    is due all day. `duration` is hours and minutes. `note` is HTML (see `html_of`). Without an owner it is the token's
    user's. Raises `UnfitErrand`, `NothingThere`.
    """
    _require_account(connection, company_id, organization_id)
    body = {
        "subject": _text("subject", subject),
        "type": _type(connection, company_id, type),
        "org_id": organization_id,
        "due_date": _day(due_date),
        "due_time": _clock("due time", due_time),
        "duration": _clock("duration", duration),
        "owner_id": _owner(connection, company_id, owner_id),
        "deal_id": _deal(connection, company_id, deal_id, organization_id),
        "note": None if note is None else _text("note", note),
    }
    sent = {name: value for name, value in body.items() if value is not None}
    return _ask(connection, company_id, ACTIVITIES, Action.CREATE, organization_id, sent, by=by, now=now)


def ask_to_reschedule(
    connection: Connection,
    company_id: int,
    activity_id: int,
    *,
    due_date: date | str,
    due_time: time | str | None = None,
    duration: time | str | None = None,
    organization_id: int | None = None,
    by: str,
    now: datetime,
) -> int:
    """Move an activity to another day; the errand's number. A time (UTC) or duration that is not given stays.

    With `organization_id` the activity has to be one of this account. Raises `UnfitErrand`, `NothingThere`.
    """
    holder = _holder(connection, company_id, activity_id, organization_id)
    body = {
        "due_date": _day(due_date),
        "due_time": _clock("due time", due_time),
        "duration": _clock("duration", duration),
    }
    sent = {name: value for name, value in body.items() if value is not None}
    return _ask(connection, company_id, ACTIVITIES, Action.CHANGE, holder, sent, activity_id, by=by, now=now)


def ask_to_complete(
    connection: Connection,
    company_id: int,
    activity_id: int,
    *,
    done: bool = True,
    organization_id: int | None = None,
    by: str,
    now: datetime,
) -> int:
    """Mark an activity as done, or as not done; the errand's number. Raises `NothingThere`."""
    holder = _holder(connection, company_id, activity_id, organization_id)
    return _ask(connection, company_id, ACTIVITIES, Action.CHANGE, holder, {"done": done}, activity_id, by=by, now=now)


def ask_to_delete(
    connection: Connection,
    company_id: int,
    activity_id: int,
    *,
    organization_id: int | None = None,
    by: str,
    now: datetime,
) -> int:
    """Delete an activity; the errand's number. Raises `NothingThere`."""
    holder = _holder(connection, company_id, activity_id, organization_id)
    return _ask(connection, company_id, ACTIVITIES, Action.DELETE, holder, {}, activity_id, by=by, now=now)


def ask_for_note(
    connection: Connection, company_id: int, *, organization_id: int, content: str, by: str, now: datetime
) -> int:
    """Add a note to an account; the errand's number. `content` is HTML (see `html_of`).

    Raises `UnfitErrand`, `NothingThere`.
    """
    _require_account(connection, company_id, organization_id)
    body = {"content": _text("note", content), "org_id": organization_id}
    return _ask(connection, company_id, NOTES, Action.CREATE, organization_id, body, by=by, now=now)


def load_errands(connection: Connection, company_id: int, organization_id: int | None = None) -> Sequence[Write]:
    """The errands of an account, or of all, that are not done: waiting, without an answer yet, or failed."""
    return load_open_errands(connection, company_id, organization_id)


def retry_errand(connection: Connection, company_id: int, errand_id: int) -> None:
    """Let an errand that failed be sent again. Raises `NoSuchErrand`."""
    if errand_id not in INTEGER_RANGE or not retry_failed_errand(connection, company_id, errand_id):
        raise NoSuchErrand(f"No errand {errand_id} has failed.", "Those that wait go out by themselves.")


def drop_errand(connection: Connection, company_id: int, errand_id: int) -> None:
    """Forget an errand that waits or has failed. Raises `NoSuchErrand`, also for one that may be on its way."""
    if errand_id not in INTEGER_RANGE or not drop_open_errand(connection, company_id, errand_id):
        raise NoSuchErrand(
            f"No errand {errand_id} waits or has failed.",
            "What was sent already can't be taken back from here; change or delete it again.",
        )


def html_of(text: str) -> str:
    """Plain text as the HTML that notes are made of."""
    return html.escape("\n".join(text.splitlines()), quote=False).replace("\n", "<br>")


def _ask(
    connection: Connection,
    company_id: int,
    entity: Entity,
    action: Action,
    organization_id: int,
    body: Mapping[str, Any],
    record_id: int | None = None,
    *,
    by: str,
    now: datetime,
) -> int:
    write = Write(
        organization_id=organization_id,
        entity=entity.name,
        action=action,
        record_id=record_id,
        body=dict(body),
        requested_at=now,
        requested_by=by,
    )
    return add_write(connection, company_id, write)


def _held(connection: Connection, company_id: int, entity: Entity, record_id: Any) -> Mapping[str, Any] | None:
    """A mirrored record that is not deleted."""
    if type(record_id) is not int or record_id not in INTEGER_RANGE:
        return None
    record = load_record(connection, company_id, entity, record_id)
    return None if record is None or record["deleted_at"] is not None else record


def _require_account(connection: Connection, company_id: int, organization_id: int) -> None:
    if not _has_account(connection, company_id, organization_id):
        raise NothingThere(
            f"Organization {organization_id} has no account, or Pipedrive has it no more.",
            "`pipedrive-sync accounts list` shows those there are.",
        )


def _has_account(connection: Connection, company_id: int, organization_id: Any) -> bool:
    is_live = _held(connection, company_id, ORGANIZATIONS, organization_id) is not None
    return is_live and account_exists(connection, company_id, organization_id)


def _holder(connection: Connection, company_id: int, activity_id: int, organization_id: int | None) -> int:
    """The organization to whose account an activity belongs, by itself or through its deal."""
    activity = _held(connection, company_id, ACTIVITIES, activity_id)
    if activity is None:
        raise NothingThere(
            f"There is no activity {activity_id}, or it is deleted.",
            "`pipedrive-sync accounts show … --json` lists an account's; one that is new comes with the next sync.",
        )
    deal = _held(connection, company_id, DEALS, activity["deal_id"])
    holders = [activity["org_id"], deal["org_id"] if deal else None]
    for one in holders:
        if organization_id in (None, one) and _has_account(connection, company_id, one):
            return int(one)
    whose = "any account" if organization_id is None else f"the account of organization {organization_id}"
    raise NothingThere(
        f"Activity {activity_id} does not belong to {whose}.",
        "Only activities of an account, or of one of its deals, are changed from here.",
    )


def _type(connection: Connection, company_id: int, text: str) -> str:
    types = load_activity_types(connection, company_id)
    wanted = text.strip().casefold()
    fitting = [key for key in types if key.casefold() == wanted]
    fitting = fitting or [key for key, name in types.items() if name.casefold() == wanted]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(key if key.casefold() == name.casefold() else f"{key} ({name})" for key, name in types.items())
    if fitting:
        raise UnfitErrand(f"Several activity types are called {text!r}.", f"Give the key; there are {listed}.")
    raise UnfitErrand(f"There is no activity type {text!r}.", f"There are {listed}." if listed else "Run a sync first.")


def _owner(connection: Connection, company_id: int, owner_id: int | None) -> int | None:
    if owner_id is None:
        return None
    user = _held(connection, company_id, USERS, owner_id)
    if user is None or not user["active_flag"] or user["is_deleted"]:
        raise NothingThere(f"User {owner_id} does not exist or is not active.", "Choose another owner.")
    return owner_id


def _deal(connection: Connection, company_id: int, deal_id: int | None, organization_id: int) -> int | None:
    if deal_id is None:
        return None
    deal = _held(connection, company_id, DEALS, deal_id)
    if deal is None or deal["org_id"] != organization_id:
        raise NothingThere(
            f"Organization {organization_id} has no deal {deal_id}.",
            "`pipedrive-sync accounts show` lists the deals of an account with their ids.",
        )
    return deal_id


def _text(what: str, text: str) -> str:
    if not text.strip():
        raise UnfitErrand(f"The {what} is empty.", "Say what it is about.")
    if "\0" in text or not _encodes(text):
        raise UnfitErrand(f"The {what} contains characters that are no text.", "Leave them out; it takes UTF-8.")
    return text.strip()


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _day(value: date | str) -> str:
    """A calendar date as the API writes it."""
    text = str(value).strip()
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UnfitErrand(f"{text!r} is not a date.", "Write it like 2026-12-01.") from None


def _clock(what: str, value: time | str | None) -> str | None:
    """A time of day or a duration as the API writes it."""
    if value is None:
        return None
    found = _TIME_OF_DAY.fullmatch(str(value).strip())
    if found is None:
        raise UnfitErrand(f"{str(value)!r} is not a {what}.", "Write it like 09:30; times of day are in UTC.")
    hours, minutes, seconds = found.groups()
    return f"{int(hours):02}:{minutes}:{seconds or '00'}"
