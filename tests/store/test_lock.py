"""One active instance per database, however the last one ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sync.store.database import Database
from sync.store.errors import AlreadyRunning
from sync.store.lock import sole_instance

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
