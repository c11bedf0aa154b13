"""Taking the readable views away, before a migration changes what they show. What they show is decided above."""

from sqlalchemy import Connection, inspect, update
from sqlalchemy.exc import DBAPIError

from sync.store.errors import DatabaseError, words_of
from sync.store.schema import TABLES, accounts, companies


class ViewsInUse(DatabaseError):
    """Other views hang on one of ours, which would lose or change a column."""


def view_name(table: str) -> str:
    """The name of the readable view over a table."""
    return f"v_{table}"


def drop_views(connection: Connection) -> None:
    """Remove the views; they are made again when the field definitions are read next.

    Raises `ViewsInUse`, with the caller's transaction still usable, where somebody's own views are built on one.
    """
    inspector = inspect(connection)
    ours = {view_name(table) for table in (*TABLES, accounts.name)}
    for name in sorted(ours & set(inspector.get_view_names())):
        drop_view(connection, name)
    if inspector.has_table(companies.name):
        connection.execute(update(companies).values(views_basis=None))


def drop_view(connection: Connection, name: str) -> None:
    """Remove one view, if it is there. Raises `ViewsInUse`."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    except DBAPIError as error:
        raise ViewsInUse(
            f"The view {name} can't be changed: {words_of(error)}.",
            f"Drop the views built on {name}, and make them again after the next run.",
        ) from error
