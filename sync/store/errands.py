"""The journal's rows that a person asked for: activities and notes of an account. And what of the mirror bears on them.

All functions work in the caller's transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from sync.store.journal import State, Write, load_failed, load_not_done, load_unsettled, load_write
from sync.store.schema import TABLES, accounts, journal

ERRANDS = ("activities", "notes")  # the entities

_JOURNAL = journal.c


def load_open_errands(
    connection: Connection, company_id: int, organization_id: int | None = None, *, failed: bool = True
) -> Sequence[Write]:
    """Errands of one account, or of all, that are not done, in the order in which they were asked for."""
    found = [
        one
        for entity in ERRANDS
        for one in load_unsettled(connection, company_id, entity=entity, organization_id=organization_id)
    ]
    if failed:
        refused = load_failed(connection, company_id, entities=ERRANDS)
        found += [one for one in refused if organization_id in (None, one.organization_id)]
    return sorted(found, key=lambda one: one.id)


def load_errands_of(connection: Connection, company_id: int, organizations: Collection[int]) -> Sequence[Write]:
    """Errands of some accounts that are not done, in the order in which they were asked for; one statement."""
    return load_not_done(connection, company_id, organizations, entities=ERRANDS)


def load_errand(connection: Connection, company_id: int, errand_id: int) -> Write | None:
    """One errand by its number, whatever became of it."""
    found = load_write(connection, company_id, errand_id)
    return found if found is not None and found.entity in ERRANDS else None


def claim_errand(connection: Connection, errand: Write, at: datetime, before: Any) -> bool:
    """An errand is about to go out; False if somebody has dropped it meanwhile.

    `before` is what Pipedrive holds, as far as the mirror knows, of what is to be changed.
    """
    values = {"state": State.SENT, "sent_at": at, "attempts": _JOURNAL.attempts + 1, "before": before}
    mine = (_JOURNAL.id == errand.id) & (_JOURNAL.state == errand.state)
    return connection.execute(update(journal).where(mine).values(values)).rowcount > 0


def retry_failed_errand(connection: Connection, company_id: int, errand_id: int) -> bool:
    """Let an errand that failed be sent again; whether there is such a one."""
    failed = _one(company_id, errand_id, State.FAILED)
    values = {"state": State.WAITING, "ended_at": None, "error": None}
    return connection.execute(update(journal).where(*failed).values(values)).rowcount > 0


def drop_open_errand(connection: Connection, company_id: int, errand_id: int) -> bool:
    """Forget an errand that waits or has failed; whether there is such a one."""
    open_one = _one(company_id, errand_id, State.WAITING, State.FAILED)
    return connection.execute(delete(journal).where(*open_one)).rowcount > 0


def move_errands(connection: Connection, company_id: int, *, loser: int, survivor: int) -> int:
    """After a merge, let what was asked for the loser's account be done for the survivor's; how many there were."""
    open_ones = load_open_errands(connection, company_id, loser)
    for one in open_ones:
        body = {**one.body, "org_id": survivor} if one.body and one.body.get("org_id") == loser else one.body
        values = {"organization_id": survivor, "body": body}
        connection.execute(update(journal).where(_JOURNAL.id == one.id).values(values))
    return len(open_ones)


def account_exists(connection: Connection, company_id: int, organization_id: int) -> bool:
    """Whether an organization has an account, active or former."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    return connection.scalar(select(accounts.c.organization_id).where(its_row)) is not None


def switched_off_accounts(connection: Connection, company_id: int) -> set[int]:
    """The organizations to whose accounts nothing is written at present."""
    off = (accounts.c.company_id == company_id) & ~accounts.c.write_back
    return set(connection.scalars(select(accounts.c.organization_id).where(off)))


def load_activity_types(connection: Connection, company_id: int) -> dict[str, str]:
    """The activity types that may be used: names by key."""
    columns = TABLES["activity_types"].c
    usable = (columns.company_id == company_id, columns.active_flag, columns.deleted_at.is_(None))
    query = select(columns.key_string, columns.name).where(*usable, columns.key_string.is_not(None))
    return {key: name or key for key, name in connection.execute(query.order_by(columns.id))}


def _one(company_id: int, errand_id: int, *states: State) -> tuple[Any, ...]:
    return (
        _JOURNAL.company_id == company_id,
        _JOURNAL.id == errand_id,
        _JOURNAL.entity.in_(ERRANDS),
        _JOURNAL.state.in_(states),
    )
