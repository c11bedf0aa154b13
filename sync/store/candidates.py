"""Rows that the present round of a sweep did not see, kept between the slices of the round."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from sync.store.dialect import insert_into
from sync.store.schema import sweep_candidates


def add_candidates(connection: Connection, company_id: int, listing: str, ids: Collection[int]) -> None:
    """Note rows that a page did not show."""
    if ids:
        rows = [{"company_id": company_id, "listing": listing, "id": one} for one in ids]
        statement = insert_into(sweep_candidates, connection.dialect.name).on_conflict_do_nothing()
        connection.execute(statement, rows)


def load_candidates(connection: Connection, company_id: int, listing: str) -> set[int]:
    """What the round has not seen so far."""
    return set(
        connection.scalars(
            select(sweep_candidates.c.id).where(
                sweep_candidates.c.company_id == company_id, sweep_candidates.c.listing == listing
            )
        )
    )


def clear_candidates(connection: Connection, company_id: int, listing: str) -> None:
    """Forget them: the round is over, or begins."""
    connection.execute(
        delete(sweep_candidates).where(
            sweep_candidates.c.company_id == company_id, sweep_candidates.c.listing == listing
        )
    )
