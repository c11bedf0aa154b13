"""How far each list of the API has been read: one row per listing, written in the transaction of the rows it counts.

The columns and what they mean stand in `schema.checkpoints`. What follows from them is decided in `mirror`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select

from sync.store.dialect import put
from sync.store.schema import checkpoints

Checkpoint = Mapping[str, Any]

_FRESH: Checkpoint = {column.name: None for column in checkpoints.c} | {
    "backfill_rows": 0,
    "sweep_rows": 0,
    "mark_settled": False,
}

_ALL = select(checkpoints).where(checkpoints.c.company_id == bindparam("company"))
_ONE = _ALL.where(checkpoints.c.listing == bindparam("its_listing"))


def load_checkpoint(connection: Connection, company_id: int, listing: str) -> Checkpoint:
    """The checkpoint of a listing; one without any progress if it was never read."""
    found = connection.execute(_ONE, {"company": company_id, "its_listing": listing}).one_or_none()
    return found._asdict() if found else {**_FRESH, "company_id": company_id, "listing": listing}


def load_checkpoints(connection: Connection, company_id: int) -> dict[str, Checkpoint]:
    """Every checkpoint of a company, by listing."""
    found = connection.execute(_ALL, {"company": company_id})
    return {row.listing: row._asdict() for row in found}


def longest_lists(connection: Connection, company_id: int) -> dict[str, int]:
    """How many rows each listing had when it was last read through, without counting them."""
    checkpoints = load_checkpoints(connection, company_id)
    return {name: max(one["backfill_rows"], one["sweep_rows"]) for name, one in checkpoints.items()}


def save_checkpoint(connection: Connection, company_id: int, listing: str, **progress: Any) -> None:
    """Record progress; what is not named stays as it is."""
    put(connection, checkpoints, {"company_id": company_id, "listing": listing}, progress)


def forget_backfill(connection: Connection, company_id: int, listing: str) -> None:
    """Make the next backfill of a listing start from the beginning."""
    save_checkpoint(
        connection,
        company_id,
        listing,
        backfill_position=None,
        backfill_last_id=None,
        backfill_started_at=None,
        backfill_completed_at=None,
        backfill_rows=0,
    )
