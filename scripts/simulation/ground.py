"""Where many histories live one after the other: a database that is the same at the beginning of each.

Its connections and what SQLAlchemy has compiled for it outlive a history: both cost more than the history itself.
"""

import shutil
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path

from sqlalchemy import event, text

from scripts.simulation.program import Fate, MortalDatabase
from sync.store.database import Database
from sync.store.schema import metadata

_KEPT = "beginning"  # the schema that holds the rows of the beginning


class Ground(ABC):
    """A database for a history: `mortal` is the program's, `lasting` everybody else's."""

    def __init__(self, url: str) -> None:
        self.mortal = MortalDatabase(url, _no_fate)
        self.lasting = Database(url)

    @property
    def url(self) -> str:
        """The address, with what is secret in it."""
        return self.lasting.url.render_as_string(hide_password=False)

    @abstractmethod
    def renew(self) -> None:
        """Put everything back as it was at the beginning."""

    def close(self) -> None:
        """Let go of the connections."""
        self.mortal.close()
        self.lasting.close()


class SqliteGround(Ground):
    """A file, copied anew for each history."""

    def __init__(self, beginning: Path, file: Path) -> None:
        super().__init__(f"sqlite:///{file}")
        self._beginning = beginning
        self._file = file
        for database in (self.mortal, self.lasting):
            event.listen(database.engine, "connect", _forget_the_power_cord)

    def renew(self) -> None:
        self.close()
        for rest in self._file.parent.glob(f"{self._file.name}-*"):
            rest.unlink()
        shutil.copyfile(self._beginning, self._file)


class PostgresqlGround(Ground):
    """A database that holds the rows of its beginning twice: once to live with, once to come back to."""

    def __init__(self, url: str) -> None:
        """The address of a database that is at its beginning now."""
        super().__init__(url)
        self._tables = [table.name for table in metadata.sorted_tables]
        with self.lasting.writing() as connection:
            connection.execute(text(f"CREATE SCHEMA {_KEPT}"))
            for name in self._tables:
                connection.execute(text(f"CREATE TABLE {_KEPT}.{name} AS TABLE public.{name}"))

    def renew(self) -> None:
        with self.lasting.writing() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers, no foreign keys
            for name in self._tables:
                connection.execute(text(f"DELETE FROM public.{name}"))
                connection.execute(text(f"INSERT INTO public.{name} SELECT * FROM {_KEPT}.{name}"))


def _no_fate() -> Fate:
    return None


def _forget_the_power_cord(connection: sqlite3.Connection, _record: object) -> None:
    """It is the process that dies in a simulation, never the machine."""
    connection.execute("PRAGMA synchronous = OFF")
