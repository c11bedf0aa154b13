"""`users` and `tokens`: who may sign in to the page, and which programs may use the JSON API.

They need the database alone, also an empty one. What they change holds at once, beside a running service.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from sync.cli.output import Json, print_json, print_table
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.errors import Interrupted, SyncError
from sync.store.api_tokens import add_api_token, load_api_tokens, remove_api_token
from sync.store.database import Database
from sync.store.logins import (
    LONGEST_NAME,
    NameTaken,
    Role,
    Usage,
    add_login,
    is_name,
    load_logins,
    load_usage,
    name_key,
    remove_login,
    require_free,
    save_password,
    save_role,
    the_login,
)
from sync.store.passwords import LONGEST, SHORTEST, hash_password, new_token, token_hash

TOKEN_PREFIX = "pds_"  # by which people, and programs that search for leaked secrets, know what it is

Name = Annotated[str, typer.Argument(metavar="NAME")]
RoleOption = Annotated[Role, typer.Option("--role", help="viewer: may look; editor: may change accounts.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, its first line.")
]


class NoSuchToken(SyncError):
    """There is no token of this name."""


class NotTaken(SyncError):
    """A name or a password that can't be one."""

    exit_code = 2


def add_user(name: Name, role: RoleOption = Role.VIEWER, password_stdin: PasswordStdin = False) -> None:
    """Let somebody sign in to the page, with a password that is asked for."""
    _require_name(name)
    with _opened() as database:
        with database.reading() as connection:
            require_free(connection, name)
        hashed = hash_password(_password(password_stdin))
        with database.writing() as connection:
            add_login(connection, name, hashed, role, at=SystemClock().now())
    typer.echo(f"{name} may sign in, as {_described(role)}.")


def list_users(json: Json = False) -> None:
    """Show who may sign in, and who is signed in."""
    with _opened() as database, database.reading() as connection:
        logins, usage = load_logins(connection), load_usage(connection, now=SystemClock().now())
    shown = [
        {"name": one.name, "role": one.role, "created_at": one.created_at} | asdict(usage.get(one.name, Usage()))
        for one in logins
    ]
    if json:
        print_json(shown)
    elif not shown:
        typer.echo("Nobody: `pipedrive-sync users add NAME` makes a login.")
    else:
        rows = [[one["name"], one["role"], one["created_at"], one["sessions"], one["seen_at"]] for one in shown]
        print_table("", ("name", "role", "since", "signed in", "last seen"), rows, right=("signed in",))


def remove_user(name: Name) -> None:
    """Let somebody sign in no more; where he is signed in, he is signed out."""
    with _opened() as database, database.writing() as connection:
        login = the_login(connection, name)
        remove_login(connection, login.name)
    typer.echo(f"{login.name} may sign in no more.")


def change_password(name: Name, password_stdin: PasswordStdin = False) -> None:
    """Change somebody's password; wherever he is signed in, he is signed out."""
    with _opened() as database:
        with database.reading() as connection:
            login = the_login(connection, name)
        hashed = hash_password(_password(password_stdin))
        with database.writing() as connection:
            login = the_login(connection, name)
            save_password(connection, login.name, hashed)
    typer.echo(f"{login.name} has a new password, and is signed out everywhere.")


def change_role(name: Name, role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer or editor")]) -> None:
    """Let somebody do more or less, at once."""
    with _opened() as database, database.writing() as connection:
        login = the_login(connection, name)
        save_role(connection, login.name, role)
    typer.echo(f"{login.name} is {_described(role)}.")


def add_token(name: Name, role: RoleOption = Role.VIEWER) -> None:
    """Let a program use the JSON API; prints its token, which nobody can see again."""
    _require_name(name)
    token = TOKEN_PREFIX + new_token()
    with _opened() as database, database.writing() as connection:
        for one in load_api_tokens(connection):
            if name_key(one.name) == name_key(name):
                raise NameTaken(f"There is a token called {one.name}.", "`pipedrive-sync tokens revoke` ends it.")
        add_api_token(connection, name, token_hash(token), role, at=SystemClock().now())
    typer.echo(f"{name} is {_described(role)}. Its token is shown this once:", err=True)
    typer.echo(token)


def list_tokens(json: Json = False) -> None:
    """Show which programs may use the JSON API, and when they last did."""
    with _opened() as database, database.reading() as connection:
        found = load_api_tokens(connection)
    if json:
        print_json([asdict(one) for one in found])
    elif not found:
        typer.echo("None: `pipedrive-sync tokens add NAME` makes one.")
    else:
        rows = [(one.name, one.role, one.created_at, one.used_at or "never") for one in found]
        print_table("", ("name", "role", "since", "last used"), rows)


def revoke_token(name: Name) -> None:
    """Let a program in no more, at once."""
    with _opened() as database, database.writing() as connection:
        if not remove_api_token(connection, name):
            raise NoSuchToken(
                f"There is no token called {name}.", "`pipedrive-sync tokens list` tells which there are."
            )
    typer.echo(f"{name} is let in no more.")


@contextmanager
def _opened() -> Iterator[Database]:
    with migrated_database(start()) as database:
        yield database


def _require_name(name: str) -> None:
    if not is_name(name):
        raise NotTaken(
            f"That is no name: it has to be printable, of at most {LONGEST_NAME} characters, without a colon, and "
            "without blanks around it.",
            "Choose another one.",
        )


def _password(from_stdin: bool) -> str:
    """A password that will do: asked for twice on a terminal, or read from standard input."""
    if from_stdin:
        password = _first_line()
    elif sys.stdin.isatty():
        password = _asked()
    else:
        raise NotTaken("There is no terminal to ask for the password at.", "Give it with --password-stdin.")
    if not SHORTEST <= len(password) <= LONGEST:
        raise NotTaken(
            f"A password has {SHORTEST} characters at least, and {LONGEST:,} at most.", "Nothing is changed."
        )
    return password


def _first_line() -> str:
    try:
        line = sys.stdin.readline()
        line.encode()
    except UnicodeError:
        raise NotTaken("Standard input is not UTF-8.", "Nothing is changed.") from None
    return line.removesuffix("\n").removesuffix("\r")


def _asked() -> str:
    try:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))
    except typer.Abort:  # Ctrl-C
        raise Interrupted("Stopped.", "Nothing is changed.") from None


def _described(role: Role) -> str:
    return "a viewer, who may look" if role is Role.VIEWER else "an editor, who may change accounts"
