"""Bringing a database to this version's schema, once, whoever comes first.

Every command calls `upgrade` before it touches a table: it costs one query when there is nothing to do. A migration
runs in one transaction, so that a failed one leaves the database as it was and stops the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from sync.store.database import Database
from sync.store.errors import DatabaseError, DatabaseTooNew, words_of
from sync.store.views import drop_views

_LOCK = 7_063_905_110_316_244_401  # any number no other program uses for an advisory lock


def upgrade(database: Database) -> list[str]:
    """Run the migrations that are missing; the revisions that were run, oldest first.

    Raises `DatabaseTooNew` if a newer version of the program was here, `DatabaseError` if a migration fails.
    """
    with database.reading() as connection:
        if _missing(connection) == []:
            return []
    # Alembic takes as long to import as most commands take to run, and is needed once a release.
    from sync.store.migrating import migrate

    with _exclusively(database) as connection:
        missing = _missing(connection)  # another process may have been quicker
        if missing:
            drop_views(connection)
            try:
                migrate(connection)
            except DBAPIError as error:
                raise DatabaseError(
                    f"Migrating the database failed: {words_of(error)}.",
                    "Nothing was changed. Mend the cause and run `pipedrive-sync db upgrade`.",
                ) from error
        return missing


def revision_of(database: Database) -> str | None:
    """The revision a database stands at; None before the first migration."""
    with database.reading() as connection:
        return _current(connection)


def newest_revision() -> str:
    """The revision this version of the program works with."""
    return _revisions()[-1]


def _revisions() -> list[str]:
    """Oldest first, as the files of the migrations are named: v0001_…"""
    versions = files("sync.store") / "migrations" / "versions"
    return sorted(file.name[1:5] for file in versions.iterdir() if file.name.startswith("v"))


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _missing(connection: Connection) -> list[str]:
    current, known = _current(connection), _revisions()
    if current is None:
        return known
    if current not in known:
        raise DatabaseTooNew(
            f"The database was migrated by a newer version of pipedrive-sync (revision {current}).",
            "Upgrade pipedrive-sync on this machine, or use another DATABASE_URL.",
        )
    return known[known.index(current) + 1 :]


@contextmanager
def _exclusively(database: Database) -> Iterator[Connection]:
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield connection
