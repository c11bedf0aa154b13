"""Bringing a database to this version's schema, once, whoever comes first.

Every command calls `upgrade` before it touches a table: it costs one query when there is nothing to do. A migration
runs in one transaction, so that a failed one leaves the database as it was and stops the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sync.store.database import Database
from sync.store.errors import DatabaseError, DatabaseTooNew, words_of
from sync.store.views import drop_views

_LOCK = 7_063_905_110_316_244_401  # any number no other program uses for an advisory lock


def upgrade(database: Database) -> list[str]:
    """Run the migrations that are missing; the revisions that were run, oldest first.

    Raises `DatabaseTooNew` if a newer version of the program was here, `DatabaseError` if a migration fails.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    with database.reading() as connection:
        if _missing(script, connection) == []:
            return []
    with _exclusively(database) as connection:
        missing = _missing(script, connection)  # another process may have been quicker
        if missing:
            drop_views(connection)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except DBAPIError as error:
                raise DatabaseError(
                    f"Migrating the database failed: {words_of(error)}.",
                    "Nothing was changed. Mend the cause and run `pipedrive-sync db upgrade`.",
                ) from error
        return missing


def revision_of(database: Database) -> str | None:
    """The revision a database stands at; None before the first migration."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """The revision this version of the program works with."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("sync.store") / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _missing(script: ScriptDirectory, connection: Connection) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    known = [revision.revision for revision in script.walk_revisions()][::-1]
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
