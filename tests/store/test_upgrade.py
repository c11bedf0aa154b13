"""Migrations and models give the same schema; whoever comes first migrates, once."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from sync.store.database import Database
from sync.store.errors import DatabaseError, DatabaseTooNew
from sync.store.migrating import config
from sync.store.schema import metadata
from sync.store.upgrade import newest_revision, revision_of, upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.db"
        return
    run = request.getfixturevalue("postgresql_template")
    server = request.getfixturevalue("postgresql_server")
    run("CREATE DATABASE blank TEMPLATE template0")
    try:
        yield server.set(database="blank").render_as_string(hide_password=False)
    finally:
        run("DROP DATABASE blank WITH (FORCE)")


@pytest.fixture
def blank(blank_url: str) -> Iterator[Database]:
    opened = Database(blank_url)
    yield opened
    opened.close()


def test_migrations_and_models_give_the_same_schema(database: Database) -> None:
    def is_of_this_kind(item: Any, *_: Any) -> bool:
        """That a thing is no index that only the other kind of database has: Alembic does not look at `ddl_if`."""
        only_if = getattr(item, "_ddl_if", None)
        return only_if is None or only_if.dialect == database.engine.dialect.name

    looked_at = {"include_name": _no_views, "include_object": is_of_this_kind}
    with database.reading() as connection:
        opts = {"compare_type": True, "compare_server_default": True, **looked_at}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_keys_links_and_defaults_are_those_of_the_models(database: Database, blank: Database) -> None:
    if database.is_sqlite != blank.is_sqlite:
        return
    with blank.writing() as connection:
        metadata.create_all(connection)
    assert _description(database) == _description(blank)


def test_a_fresh_database_is_migrated_once(blank: Database) -> None:
    assert revision_of(blank) is None
    assert upgrade(blank)[-1] == newest_revision()
    assert upgrade(blank) == []
    assert revision_of(blank) == newest_revision()


def test_two_processes_that_start_at_once_both_find_the_newest_schema(blank_url: str) -> None:
    processes = multiprocessing.get_context("spawn")
    with processes.Pool(2) as pool:
        runs = pool.map(_upgrade, [blank_url] * 2, chunksize=1)
    assert sorted(runs)[0] == []
    assert sorted(runs)[1] != []


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="9999") as caught:
        upgrade(database)
    assert caught.value.exit_code == 2
    assert revision_of(database) == "9999"


def test_a_migration_that_fails_stops_the_start_and_leaves_nothing_behind(blank: Database) -> None:
    with blank.writing() as connection:
        connection.execute(text("CREATE TABLE stages (mine integer)"))
    with pytest.raises(DatabaseError, match="Migrating the database failed") as caught:
        upgrade(blank)
    assert "db upgrade" in caught.value.remedy
    with blank.reading() as connection:
        assert set(inspect(connection).get_table_names()) - {"alembic_version"} == {"stages"}
    assert revision_of(blank) is None


def test_the_migrations_can_be_undone(blank: Database) -> None:
    upgrade(blank)
    with blank.writing() as connection:
        command.downgrade(config(connection), "base")
    with blank.reading() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}


def _upgrade(url: str) -> list[str]:
    database = Database(url)
    try:
        return upgrade(database)
    finally:
        database.close()


def _no_views(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or name != "alembic_version"


def _description(database: Database) -> dict[str, Any]:
    """Everything a catalogue tells of the tables."""
    with database.reading() as connection:
        inspector = inspect(connection)
        found = MetaData()
        found.reflect(connection)
        return {
            name: {
                "columns": [
                    (column["name"], str(column["type"]), column["nullable"], column["default"])
                    for column in sorted(inspector.get_columns(name), key=lambda column: column["name"])
                ],
                "key": inspector.get_pk_constraint(name),
                "links": sorted(inspector.get_foreign_keys(name), key=str),
                "indexes": sorted((_told(index) for index in inspector.get_indexes(name)), key=str),
            }
            for name in sorted(found.tables)
            if name != "alembic_version"
        }


def _told(index: Any) -> dict[str, Any]:
    """An index with its condition in words, which then can be compared."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}
