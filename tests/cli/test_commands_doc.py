"""docs/commands.md tells of every command and every option there is, and `--help` of every command."""

from collections.abc import Iterator
from typing import cast

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from sync.cli.commands import Command
from sync.cli.main import app
from tests.cli.conftest import ROOT

TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def commands(of: TyperGroup, *path: str) -> Iterator[tuple[str, Command]]:
    for name, command in of.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        elif isinstance(command, Command):
            yield " ".join((*path, name)), command


LISTED = dict(commands(cast(TyperGroup, get_command(app))))
COMMANDS = {name: command.load() for name, command in LISTED.items()}


def section(name: str) -> str:
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_section_that_names_all_its_options(name: str) -> None:
    text = section(name)
    assert f"pipedrive-sync {name}" in text
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option != "--help" and option not in text] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_lists_of_commands_say_of_each_what_its_own_help_begins_with(name: str) -> None:
    own = COMMANDS[name].help or ""
    assert LISTED[name].help == " ".join(own.partition("\n\n")[0].split())


def test_no_command_is_told_of_that_does_not_exist() -> None:
    told = [line.removeprefix("## ") for line in TEXT.splitlines() if line.startswith("## ")]
    assert set(told) - {"Output, errors, exit codes"} == set(COMMANDS)
