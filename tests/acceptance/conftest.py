"""The real commands as processes of their own, against a simulated Pipedrive over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sync.clock import ManualClock, SystemClock
from sync.sandbox import Company, Proportions, Sandbox, generate
from tests.acceptance.nursery import Child, Nursery, opened_nursery
from tests.conftest import BeginWith

ROOT = Path(__file__).parents[2]
_BEGAN = SystemClock().now()


Running = subprocess.Popen[str] | Child
Start = Callable[[Sequence[str], Path, Mapping[str, str]], Running]


def from_a_shell(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Running:
    """A command as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "sync", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Program:
    """`pipedrive-sync` with an environment of its own."""

    environment: dict[str, str]
    folder: Path
    begin: Start = from_a_shell
    started: list[Running] = field(default_factory=list)

    def run(self, *arguments: str, code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        if code is not None:
            assert process.returncode == code, f"{arguments} ended with {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int = 0, **environment: str) -> Any:
        """Run a command with `--json`; the document it prints."""
        return json.loads(self.run(*arguments, "--json", code=code, **environment).stdout)

    def start(self, *arguments: str, **environment: str) -> Running:
        """Start a command."""
        process = self.begin(arguments, self.folder, {**self.environment, **environment})
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


MakeProgram = Callable[..., Program]


@pytest.fixture(autouse=True)
def _hash_quickly() -> None:
    """As always here: what one process hashes is looked at by another."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company of some pages in every list, without a burst limit."""
    proportions = Proportions(deals=2, activities=2, persons=1, notes=1, files=0.5)
    with Sandbox(the_same(organizations=600, proportions=proportions), burst=None) as running:
        yield running


def the_same(organizations: int, proportions: Proportions | None = None) -> Company:
    """A company that is the same for every test of this worker; from now on it goes by the real clock."""
    company = generate(3, clock=ManualClock(_BEGAN), organizations=organizations, proportions=proportions)
    company.clock = SystemClock()
    return company


@pytest.fixture
def copied(request: pytest.FixtureRequest, begin_with: BeginWith, make_program: MakeProgram, sandbox: Sandbox) -> None:
    """The database after `backfill`, which one test of a module runs and the others copy."""
    begin_with(f"copied_for_{request.module.__name__.rpartition('.')[2]}", lambda url: _backfill(make_program(url)))


def _backfill(program: Program) -> None:
    program.run("backfill")


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where the commands of these tests come from."""
    with opened_nursery(ROOT) as opened:
        yield opened


@pytest.fixture
def make_program(sandbox: Sandbox, tmp_path: Path, nursery: Nursery) -> Iterator[MakeProgram]:
    """Makes programs on a database address."""
    made: list[Program] = []

    def make(database_url: str, **environment: str) -> Program:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        program = Program(
            {
                **clean,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",
                "PIPEDRIVE_BASE_URL": sandbox.url,
                "PIPEDRIVE_API_TOKEN": sandbox.token,
                "DATABASE_URL": database_url,
                **environment,
            },
            tmp_path,
            nursery.start,
        )
        made.append(program)
        return program

    yield make
    for program in made:
        program.close()


@pytest.fixture
def program(make_program: MakeProgram, database_url: str) -> Program:
    """The program on an empty database, once on SQLite and once on PostgreSQL."""
    return make_program(database_url)
