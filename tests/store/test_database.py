"""Transactions are whole or nothing, and every failure of a database is one clear error without a password."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

import sync.store.database
from sync.store.database import Database, decode_json, encode_json
from sync.store.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable
from sync.store.upgrade import upgrade


def test_sqlite_keeps_a_write_ahead_log_and_checks_foreign_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new folder/mirror.db")
    with database.reading() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA synchronous")) == 2
    database.close()


def test_a_row_of_an_unknown_company_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError), database.writing() as connection:
        connection.execute(text("INSERT INTO checkpoints (company_id, listing) VALUES (404, 'deals')"))


def test_a_block_that_fails_leaves_nothing_behind(database: Database) -> None:
    def add_and_fail(error: Exception | None) -> None:
        with database.writing() as connection:
            _add_company(connection, 1)
            if error:
                raise error
            connection.execute(text("SELECT nonsense"))

    with pytest.raises(RuntimeError, match="half way"):
        add_and_fail(RuntimeError("half way"))
    with pytest.raises(DatabaseError):
        add_and_fail(None)
    assert _companies(database) == []


def test_a_block_that_ends_well_is_committed_whole(database: Database) -> None:
    with database.writing() as connection:
        _add_company(connection, 1)
        _add_company(connection, 2)
    assert _companies(database) == [1, 2]


def test_a_reader_cannot_write(database: Database) -> None:
    """And leaves nothing behind that would keep the next one from it."""
    insert = text("INSERT INTO companies (company_id, synced_at) VALUES (1, '2026-11-02')")
    with pytest.raises(DatabaseError), database.reading() as connection:
        connection.execute(insert)
    with database.writing() as connection:
        connection.execute(insert)
    with database.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM companies")) == 1


def test_a_reader_does_not_see_a_transaction_under_way(database: Database) -> None:
    with database.writing() as connection:
        _add_company(connection, 1)
        assert _companies(database) == []
    assert _companies(database) == [1]


def test_threads_write_one_after_the_other(database: Database) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 10):
            with database.writing() as connection:
                _add_company(connection, number)

    threads = [threading.Thread(target=add, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _companies(database) == list(range(40))


def test_a_database_that_another_process_holds_is_called_busy(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mirror.db"
    file.write_bytes(sqlite_template.read_bytes())
    monkeypatch.setattr(sync.store.database, "BUSY_TIMEOUT", 0.01)
    database = Database(f"sqlite:///{file}")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="in use by another process") as caught, database.writing():
        pass
    assert caught.value.exit_code == 1
    other.execute("ROLLBACK")
    other.close()
    with database.writing() as connection:
        _add_company(connection, 1)
    database.close()


def test_a_server_that_does_not_answer_is_reported_without_the_password() -> None:
    database = Database("postgresql://sync:hunter2@127.0.0.1:1/mirror")
    with pytest.raises(DatabaseUnreachable) as caught:
        upgrade(database)
    assert caught.value.exit_code == 2
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__} {database.name}"
    database.close()


def test_a_wrong_password_is_reported_without_it(postgresql_server: object, tmp_path: Path) -> None:
    address = postgresql_server.set(database="no_such_database", password="hunter2")  # type: ignore[attr-defined]
    database = Database(address.render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnreachable, match="no_such_database") as caught:
        upgrade(database)
    assert "hunter2" not in str(caught.value)
    database.close()


def test_a_file_that_is_no_database_is_reported_as_such(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnreachable, match="file is not a database") as caught:
        upgrade(database)
    assert caught.value.exit_code == 2
    database.close()
    assert file.read_text().startswith("Dear Sir")


def test_a_damaged_file_is_reported_as_such(sqlite_template: Path, tmp_path: Path) -> None:
    file = tmp_path / "damaged.db"
    whole = sqlite_template.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    database = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnreachable, match="malformed"):
        upgrade(database)
    database.close()


@pytest.mark.parametrize("place", ["a folder", "below a file", "where nothing can be made"])
def test_a_place_where_no_file_can_be_is_reported_as_such(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    path = {"a folder": tmp_path, "below a file": tmp_path / "file" / "x.db"}.get(place, Path("/proc/mirror.db"))
    with pytest.raises(DatabaseUnreachable) as caught:
        upgrade(Database(f"sqlite:///{path}"))
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_that_can_only_be_read_is_reported_as_such(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mirror.db"
    file.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(DatabaseUnreachable, match="readonly"), database.writing() as connection:
        _add_company(connection, 1)
    assert database.file == file
    assert not any(one.is_dir() for one in tmp_path.iterdir())
    database.close()


@pytest.mark.parametrize(
    "address",
    [
        "mirror.db",
        "",
        "mysql://root:hunter2@localhost/mirror",
        "postgresql://sync:hunter2@host:port/mirror",
        "postgresql://sync:s@t:hunter2@host/mirror",
        "nonsense+driver://x",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(DatabaseUnreachable) as caught:
        upgrade(Database(address))
    assert caught.value.exit_code == 2
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__} {caught.value.remedy}"


def test_the_plain_names_of_postgresql_all_mean_the_same_driver() -> None:
    for name in ("postgres", "postgresql", "postgresql+psycopg"):
        database = Database(f"{name}://sync@localhost/mirror")
        assert database.url.drivername == "postgresql+psycopg"
        assert not database.is_sqlite


@pytest.mark.parametrize(
    "document", [None, 0, 1.5, "ü", [], {}, {"b": 1, "a": [None, True]}, "\ud800", 2**64 - 1, -(2**63), {"": ""}]
)
def test_documents_come_back_from_their_text(document: object) -> None:
    assert decode_json(encode_json(document)) == document


def test_equal_documents_are_equal_texts() -> None:
    assert encode_json({"a": 1, "b": {"d": 2, "c": 3}}) == encode_json({"b": {"c": 3, "d": 2}, "a": 1})


def _add_company(connection: object, number: int) -> None:
    statement = text("INSERT INTO companies (company_id, synced_at) VALUES (:number, '2026-11-02T12:00:00Z')")
    connection.execute(statement, {"number": number})  # type: ignore[attr-defined]


def _companies(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.scalars(text("SELECT company_id FROM companies ORDER BY 1")))
