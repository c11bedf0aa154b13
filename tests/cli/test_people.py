"""`users` and `tokens`: who may sign in, and what lets programs in; on an empty database, beside a running service."""

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest
import typer
from sqlalchemy import select

from sync.cli import people
from sync.store.database import Database
from sync.store.logins import find_login
from sync.store.passwords import password_fits, token_hash
from sync.store.schema import api_tokens, logins, sessions
from sync.store.sessions import begin_session
from tests.cli.conftest import Outcome, Program

PASSWORD = "correct horse"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What comes from standard input."""
    given = io.StringIO(f"{PASSWORD}\nand more\n")
    monkeypatch.setattr(sys, "stdin", given)
    return given


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def add(program: Program, monkeypatch: pytest.MonkeyPatch, name: str, *more: str, code: int = 0) -> Outcome:
    type_in(monkeypatch, f"{PASSWORD}\n")
    return program.run("users", "add", name, "--password-stdin", *more, code=code)


def signed_in(database: Database, name: str) -> None:
    with database.writing() as connection:
        login = find_login(connection, name)
        assert login is not None
        assert begin_session(connection, login, f"hash of {name}", at=datetime.now(UTC))


def password_of(database: Database, name: str) -> str:
    with database.reading() as connection:
        login = find_login(connection, name)
    assert login is not None
    return login.password_hash


def test_a_user_is_added_and_listed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "users add" in program.run("users", "list").out
    assert program.json("users", "list") == []
    assert add(program, monkeypatch, "Anna", "--role", "editor").out == (
        "Anna may sign in, as an editor, who may change accounts.\n"
    )
    add(program, monkeypatch, "Ben")
    signed_in(program.database, "Anna")
    anna, ben = program.json("users", "list")
    assert (anna["name"], anna["role"], anna["sessions"]) == ("Anna", "editor", 1)
    assert datetime.fromisoformat(anna["seen_at"]) - datetime.fromisoformat(anna["created_at"]) < timedelta(minutes=5)
    assert (ben["name"], ben["role"], ben["sessions"], ben["seen_at"]) == ("Ben", "viewer", 0, None)
    assert "Anna" in program.run("users", "list").out


def test_the_password_is_the_first_line_and_only_a_hash_is_kept(program: Program, typed: io.StringIO) -> None:
    outcome = program.run("users", "add", "Anna", "--password-stdin")
    assert password_fits(PASSWORD, password_of(program.database, "Anna"))
    with program.database.reading() as connection:
        assert PASSWORD not in str(connection.execute(select(logins)).all())
    assert PASSWORD not in outcome.out + outcome.err


def test_a_terminal_asks_twice(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append(options)
        return PASSWORD

    type_in(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(people.typer, "prompt", prompt)
    program.run("users", "add", "Anna")
    assert [one["hide_input"] for one in asked] == [True]
    assert asked[0]["confirmation_prompt"]


def test_who_thinks_better_of_it_is_told_that_nothing_changed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise typer.Abort

    type_in(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(people.typer, "prompt", interrupted)
    assert "Nothing is changed" in program.run("users", "add", "Anna", code=130).err
    assert program.json("users", "list") == []


def test_without_a_terminal_it_says_how_to_give_the_password(program: Program, typed: io.StringIO) -> None:
    assert "--password-stdin" in program.run("users", "add", "Anna", code=2).err


@pytest.mark.parametrize("password", ["", "123456789", "x" * 1025])
def test_a_password_has_a_decent_length(program: Program, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    type_in(monkeypatch, f"{password}\n")
    outcome = program.run("users", "add", "Anna", "--password-stdin", code=2)
    assert "10 characters" in outcome.err
    assert not password or password not in outcome.err
    assert program.json("users", "list") == []


@pytest.mark.parametrize("name", ["", " Anna", "a:b", "x" * 65, "a\nb", "a\x1b[2J", "\u202eanna"])
def test_what_is_no_name_is_refused(program: Program, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert "no name" in add(program, monkeypatch, name, code=2).err
    assert "no name" in program.run("tokens", "add", name, code=2).err


@pytest.mark.parametrize("spelled", ["Änna", "änna", "A\u0308NNA"])
def test_a_name_is_given_once_however_it_is_spelled(
    program: Program, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    add(program, monkeypatch, "Änna")
    assert "There is a login called Änna" in add(program, monkeypatch, spelled, code=1).err
    assert len(program.json("users", "list")) == 1


def test_a_new_password_signs_its_owner_out(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    add(program, monkeypatch, "Anna")
    add(program, monkeypatch, "Ben")
    signed_in(program.database, "Anna")
    signed_in(program.database, "Ben")
    type_in(monkeypatch, "another password\n")
    program.run("users", "password", "anna", "--password-stdin")
    assert password_fits("another password", password_of(program.database, "Anna"))
    assert not password_fits(PASSWORD, password_of(program.database, "Anna"))
    assert [one["sessions"] for one in program.json("users", "list")] == [0, 1]


def test_who_is_removed_is_signed_out(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    add(program, monkeypatch, "Anna")
    signed_in(program.database, "Anna")
    program.run("users", "remove", "Anna")
    assert program.json("users", "list") == []
    with program.database.reading() as connection:
        assert connection.execute(select(sessions)).all() == []


def test_a_role_can_be_changed(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    add(program, monkeypatch, "Anna")
    program.run("users", "role", "Anna", "editor")
    assert program.json("users", "list")[0]["role"] == "editor"
    assert "viewer" in program.run("users", "role", "Anna", "boss", code=2).err


@pytest.mark.parametrize("arguments", [("remove", "x"), ("password", "x", "--password-stdin"), ("role", "x", "viewer")])
def test_a_name_that_nobody_has_is_told(program: Program, typed: io.StringIO, arguments: tuple[str, ...]) -> None:
    assert "users list" in program.run("users", *arguments, code=1).err


def test_a_token_is_shown_once_and_only_its_hash_is_kept(program: Program) -> None:
    outcome = program.run("tokens", "add", "crm", "--role", "editor")
    token = outcome.out.strip()
    assert token.startswith("pds_")
    assert len(token) == 47
    assert token not in outcome.err
    with program.database.reading() as connection:
        held = str(connection.execute(select(api_tokens)).all())
    assert token not in held
    assert token_hash(token) in held
    (listed,) = program.json("tokens", "list")
    assert listed.keys() == {"name", "role", "created_at", "used_at"}
    assert (listed["name"], listed["role"], listed["used_at"]) == ("crm", "editor", None)
    assert "never" in program.run("tokens", "list").out


def test_a_token_is_revoked(program: Program) -> None:
    program.run("tokens", "add", "crm")
    assert "There is a token called crm" in program.run("tokens", "add", "CRM", code=1).err
    program.run("tokens", "revoke", "crm")
    assert program.json("tokens", "list") == []
    assert "tokens add" in program.run("tokens", "list").out
    assert "tokens list" in program.run("tokens", "revoke", "crm", code=1).err


def test_the_service_does_not_start_where_anybody_could_use_the_page(program: Program) -> None:
    outcome = program.run("run", code=2, SYNC_HOST="0.0.0.0")
    assert "users add" in outcome.err
    assert outcome.err.count("\n") == 1
