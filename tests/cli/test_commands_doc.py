"""docs/commands.md tells of every command and every option there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from sync.cli.main import app
from tests.cli.conftest import ROOT

TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def commands(of: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in getattr(of, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(get_command(app)))


def section(name: str) -> str:
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_section_that_names_all_its_options(name: str) -> None:
    text = section(name)
    assert f"pipedrive-sync {name}" in text
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option != "--help" and option not in text] == []


def test_no_command_is_told_of_that_does_not_exist() -> None:
    told = [line.removeprefix("## ") for line in TEXT.splitlines() if line.startswith("## ")]
    assert set(told) - {"Output, errors, exit codes"} == set(COMMANDS)
