"""One active instance per database, however the last one ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from sync.store.database import Database
from sync.store.errors import AlreadyRunning, DatabaseError
from sync.store.lock import instance_lock, sole_instance

_HOLDER = """
import sys
from sync.store.database import Database
from sync.store.lock import sole_instance
with sole_instance(Database(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends, or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_instance_is_refused_and_may_start_when_the_first_is_done(
    database: Database, database_url: str
) -> None:
    with _holder(database_url) as process:
        with pytest.raises(AlreadyRunning, match="Another pipedrive-sync is active") as caught, sole_instance(database):
            pass
        assert caught.value.exit_code == 3
        process.communicate()
    with sole_instance(database):
        pass


def test_the_lock_ends_with_a_process_that_is_killed(database: Database, database_url: str) -> None:
    with _holder(database_url) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    for _ in range(100):  # PostgreSQL's own process notices that the connection is gone
        try:
            with sole_instance(database):
                return
        except AlreadyRunning:
            subprocess.run([sys.executable, "-c", ""], check=True)
    pytest.fail("the lock of a killed process is still held")


def test_the_lock_is_given_back_when_the_work_fails(database: Database) -> None:
    with pytest.raises(RuntimeError), sole_instance(database):
        raise RuntimeError
    with sole_instance(database):
        pass


def test_the_lock_lets_the_same_database_be_read_and_written(database: Database, database_url: str) -> None:
    beside = Database(database_url)
    with sole_instance(database), database.writing(), beside.reading():
        pass
    beside.close()


def test_no_name_of_a_database_shows_its_password(postgresql_server: object) -> None:
    address = postgresql_server.set(password="hunter2").render_as_string(hide_password=False)  # type: ignore[attr-defined]
    first, second = Database(address), Database(address)
    with sole_instance(first):
        with pytest.raises(AlreadyRunning) as caught, sole_instance(second):
            pass
        assert "hunter2" not in str(caught.value)
    first.close()
    second.close()


# --- a lock that is waited for and looked after -----------------------------------------------------------------------


@pytest.fixture
def beside(database_url: str) -> Iterator[Database]:
    """The same database, opened by somebody else."""
    opened = Database(database_url)
    yield opened
    opened.close()


def test_the_lock_is_held_from_when_it_is_taken_until_it_is_given_back(database: Database, beside: Database) -> None:
    ours, theirs = instance_lock(database), instance_lock(beside)
    assert (ours.is_held(), theirs.is_held()) == (False, False)

    assert ours.try_acquire()
    assert not theirs.try_acquire()
    assert (ours.is_held(), theirs.is_held()) == (True, False)

    ours.release()
    assert not ours.is_held()
    assert theirs.try_acquire()
    theirs.release()


def test_giving_back_what_is_not_held_does_no_harm(database: Database, beside: Database) -> None:
    ours, theirs = instance_lock(database), instance_lock(beside)
    ours.release()
    assert theirs.try_acquire()
    ours.release()
    assert theirs.is_held()
    assert not ours.try_acquire()
    theirs.release()


def test_the_lock_is_the_process_s_whichever_thread_took_it(database: Database, beside: Database) -> None:
    ours, theirs, seen = instance_lock(database), instance_lock(beside), []
    assert ours.try_acquire()

    def use() -> None:
        seen.append(ours.is_held())
        ours.release()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()

    assert seen == [True]
    assert theirs.try_acquire()
    theirs.release()


def test_who_stands_by_for_long_uses_nothing_up(database: Database, beside: Database) -> None:
    ours, theirs = instance_lock(database), instance_lock(beside)
    assert theirs.try_acquire()

    for _ in range(100):
        assert not ours.try_acquire()

    theirs.release()
    assert ours.try_acquire()
    ours.release()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lock_whose_session_has_ended_is_lost_and_may_be_taken_again(database: Database, beside: Database) -> None:
    ours, theirs = instance_lock(database), instance_lock(beside)
    assert ours.try_acquire()

    with beside.reading() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        )

    assert not ours.is_held()
    ours.release()
    assert theirs.try_acquire()
    assert not ours.try_acquire()
    theirs.release()
    assert ours.try_acquire()
    assert ours.is_held()
    ours.release()


def test_a_database_that_does_not_answer_is_said_and_not_taken_for_another_s_lock() -> None:
    nowhere = Database("postgresql://somebody@127.0.0.1:9/none")

    with pytest.raises(DatabaseError):
        instance_lock(nowhere).try_acquire()

    nowhere.close()
