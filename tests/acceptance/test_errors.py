"""Bad input, and what it gets: one clear line with the remedy, the right exit code, and never a secret."""

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.sandbox import Sandbox
from tests.acceptance.conftest import MakeProgram, Program, the_same


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small company: what goes wrong does so with any."""
    with Sandbox(the_same(organizations=20), burst=None) as running:
        yield running


@pytest.fixture
def here(make_program: MakeProgram, tmp_path: Path) -> Program:
    """The program on a new SQLite file."""
    return make_program(f"sqlite:///{tmp_path / 'mirror.db'}")


def complaint(program: Program, *arguments: str, code: int, **environment: str) -> str:
    """The one line that a failing command ends with."""
    ended = program.run(*arguments, code=code, **environment)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("pipedrive-sync: ")]
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_a_wrong_token_is_said_with_where_to_find_the_right_one(here: Program) -> None:
    said = complaint(here, "backfill", code=2, PIPEDRIVE_API_TOKEN="0000wrong")

    assert "token" in said
    assert "0000wrong" not in said


def test_no_token_at_all_names_what_is_missing(here: Program) -> None:
    assert "PIPEDRIVE_API_TOKEN" in complaint(here, "sync", code=2, PIPEDRIVE_API_TOKEN="")


def test_a_domain_that_does_not_exist_is_said_without_long_waiting(here: Program) -> None:
    said = complaint(here, "sync", code=2, PIPEDRIVE_BASE_URL="https://no-such-company.invalid")

    assert "no-such-company.invalid" in said


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(402, 2, "account"), (403, 2, "Forbidden words"), (415, 2, "plan"), (410, 1, "removed")],
)
def test_what_pipedrive_refuses_is_said_in_its_own_words(
    here: Program, sandbox: Sandbox, status: int, code: int, word: str
) -> None:
    sandbox.faults.answer(
        {"success": False, "error": "Forbidden words", "errorCode": status}, status=status, path="*/users/me"
    )

    said = complaint(here, "sync", code=code)

    assert "Forbidden words" in said
    assert word in said


def test_one_list_that_is_refused_is_said_and_the_rest_is_copied(here: Program, sandbox: Sandbox) -> None:
    here.run("backfill")
    sandbox.faults.fail(status=403, path="*/notes", times=100)
    sandbox.company.update("organizations", 1, {"name": "Renamed meanwhile"})

    assert "notes" in complaint(here, "sync", code=2)
    with sqlite3.connect(here.folder / "mirror.db") as connection:
        assert connection.execute("SELECT name FROM organizations WHERE id = 1").fetchone() == ("Renamed meanwhile",)
    connection.close()


def test_a_database_that_does_not_answer_is_said_without_its_password(here: Program) -> None:
    said = complaint(here, "status", code=2, DATABASE_URL="postgresql://user:hunter22@127.0.0.1:9/none")

    assert "DATABASE_URL" in said
    assert "hunter22" not in said


def test_a_database_of_a_newer_version_is_left_alone(here: Program) -> None:
    here.run("db", "upgrade")
    with sqlite3.connect(here.folder / "mirror.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    assert "newer version" in complaint(here, "sync", code=2)


def test_a_file_that_is_no_database_is_said(here: Program) -> None:
    (here.folder / "mirror.db").write_text("not a database at all, but long enough to be read as one" * 50)

    assert "mirror.db" in complaint(here, "sync", code=2)


def test_an_unknown_entity_is_answered_with_those_there_are(here: Program) -> None:
    said = complaint(here, "backfill", "--entity", "organisations", "--entity", "leads", code=2)

    assert "organisations, leads" in said
    assert "organizations" in said


def test_every_mistake_in_the_settings_is_named_at_once(here: Program) -> None:
    ended = here.run("sync", code=2, SYNC_BUDGET__SHARE="7", SYNC_SWEEP__PAGES="none", SYNC_POLL__OVERLAPS="1")

    for name in ("budget.share", "sweep.pages", "poll.overlaps"):
        assert name in ended.stderr


def test_a_typing_error_in_privacy_stops_the_run_before_anything_is_stored(here: Program) -> None:
    said = complaint(here, "backfill", code=2, SYNC_PRIVACY__LEAVE_OUT="persons.fones,noets")

    assert "persons.fones" in said
    assert "noets" in said
    with sqlite3.connect(here.folder / "mirror.db") as connection:
        assert connection.execute("SELECT count(*) FROM persons").fetchone() == (0,)
    connection.close()


def test_no_secret_is_in_anything_a_noisy_failing_run_prints_or_stores(
    program: Program, sandbox: Sandbox, database_url: str, tmp_path: Path
) -> None:
    faults = sandbox.faults
    faults.fail(status=500, times=2)
    faults.reset_before(skip=4)
    faults.truncate(skip=6)
    faults.not_json(skip=8)
    faults.html_403(skip=40)
    noisy = {"SYNC_LOGS__LEVEL": "debug", "SYNC_LOGS__FORMAT": "json", "SYNC_PRIVACY__HASH_KEY": "salt-and-pepper"}
    printed = ""
    for arguments in (["check"], ["backfill"], ["backfill"], ["sync", "--sweep"], ["status", "--json"]):
        ended = program.run(*arguments, code=None, **noisy)
        printed += ended.stdout + ended.stderr
        faults.fail(status=429, times=1, headers={"retry-after": "0"})

    assert "pipedrive_retry" in printed  # it was noisy
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (sandbox.token, "salt-and-pepper", base64.b64encode(sandbox.token.encode()).decode()):
        assert secret not in printed
        assert secret.encode() not in stored
    assert "x-api-token" not in printed.lower()
