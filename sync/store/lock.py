"""One active instance per database: the lock that `sync`, `backfill` and the service hold while they work.

SQLite: a lock file beside the database; PostgreSQL: an advisory lock of a session of its own. Both end with the process
that holds them, however it ends. Commands that only read, or record an edit, don't take it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from sqlalchemy import text

from sync.store.database import Database
from sync.store.errors import AlreadyRunning

_LOCK = 7_063_905_110_316_244_402  # any number no other program uses for an advisory lock


@contextmanager
def sole_instance(database: Database) -> Iterator[None]:
    """Be the one instance that is active on this database. Raises `AlreadyRunning` if another one is."""
    error = AlreadyRunning(
        f"Another pipedrive-sync is active on the database {database.name}.",
        "Wait until it is done, or stop it.",
    )
    if database.file:
        try:
            with FileLock(f"{database.file}.lock", timeout=0):
                yield
        except Timeout:
            raise error from None
        return
    with database.reading() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            raise error
        connection.commit()  # the lock belongs to the session; no transaction needs to stay open for it
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
