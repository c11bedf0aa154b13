"""One active instance per database: the lock that `sync`, `backfill` and the service hold while they work.

SQLite: a lock file beside the database; PostgreSQL: an advisory lock of a session of its own. Both end with the process
that holds them, however it ends. Commands that only read, or record an edit, don't take it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text

from sync.store.database import Database
from sync.store.errors import AlreadyRunning, DatabaseError

_LOCK = 7_063_905_110_316_244_402  # any number no other program uses for an advisory lock

# A holder whose machine is gone sends no farewell: the server asks after it this often, and so frees the lock in 8 s.
_NOTICE_DEATH = "SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"


class InstanceLock(Protocol):
    """The right to be the one who works on a database."""

    def try_acquire(self) -> bool:
        """Take it if nobody else has it. Raises `DatabaseError`."""
        ...

    def is_held(self) -> bool:
        """Whether it is still ours; a lost connection loses it."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


def instance_lock(database: Database) -> InstanceLock:
    """The lock of a database, not taken yet."""
    return _FileInstanceLock(database) if database.file else _SessionInstanceLock(database)


@contextmanager
def sole_instance(database: Database) -> Iterator[None]:
    """Be the one instance that is active on this database. Raises `AlreadyRunning` if another one is."""
    lock = instance_lock(database)
    if not lock.try_acquire():
        raise already_running(database)
    try:
        yield
    finally:
        lock.release()


def already_running(database: Database) -> AlreadyRunning:
    """The error to raise where another instance has the lock."""
    return AlreadyRunning(
        f"Another pipedrive-sync is active on the database {database.name}.", "Wait until it is done, or stop it."
    )


class _FileInstanceLock:
    def __init__(self, database: Database) -> None:
        # Of this process, whichever of its threads took it.
        self._lock = FileLock(f"{database.file}.lock", timeout=0, thread_local=False)

    def try_acquire(self) -> bool:
        try:
            self._lock.acquire()
        except Timeout:
            return False
        return True

    def is_held(self) -> bool:
        return self._lock.is_locked

    def release(self) -> None:
        self._lock.release()


class _SessionInstanceLock:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None

    def try_acquire(self) -> bool:
        with self._database.failures():
            session = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                session.exec_driver_sql(_NOTICE_DEATH)
                if session.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
                    self._session = session
                    return True
            except BaseException:
                session.invalidate()
                raise
            finally:
                if self._session is not session:
                    session.close()
        return False

    def is_held(self) -> bool:
        if self._session is None:
            return False
        try:
            with self._database.failures():
                self._session.exec_driver_sql("SELECT 1")
        except DatabaseError:
            self._drop()
            return False
        return True

    def release(self) -> None:
        if self._session is not None:
            # At once: the server may take its time to notice that a session has ended.
            with suppress(DatabaseError), self._database.failures():
                self._session.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
        self._drop()

    def _drop(self) -> None:
        """The session ends, and the lock with it, rather than go back to the pool."""
        if self._session is not None:
            session, self._session = self._session, None
            session.invalidate()
            session.close()
