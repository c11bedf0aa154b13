"""What can go wrong with the database, in words a person can act on. No address with a password is ever in them."""

from sqlalchemy.exc import DBAPIError

from sync.errors import SyncError


class DatabaseError(SyncError):
    """The database refused or failed something."""


class DatabaseUnreachable(DatabaseError):
    """The address, the credentials, the server or the disk: nothing can be read."""

    exit_code = 2


class DatabaseTooNew(DatabaseError):
    """A newer version of this program migrated the database."""

    exit_code = 2


class DatabaseBusy(DatabaseError):
    """Another process holds the database for longer than is reasonable."""


class AlreadyRunning(DatabaseError):
    """Another instance is active on this database."""

    exit_code = 3


def words_of(error: BaseException) -> str:
    """The driver's own words, on one line, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(cause).split())[:300]
