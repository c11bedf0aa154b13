"""The commands as functions, on a database filled from a simulated Pipedrive; the clock is the real one."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main

from sync.cli import main
from sync.clock import SystemClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import Mirror, open_mirror
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Company, Sandbox, generate
from sync.settings import load_settings
from sync.store.database import Database

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and the code it exited with."""

    code: int
    out: str
    err: str


@dataclass
class Program:
    """`pipedrive-sync` in this process, with an environment of its own."""

    environment: dict[str, str]
    sandbox: Sandbox
    database: Database
    call: Callable[[dict[str, str], tuple[str, ...]], Outcome]

    def run(self, *arguments: str, code: int = 0, **environment: str) -> Outcome:
        """Run a command; check the code it exits with."""
        outcome = self.call({**self.environment, **environment}, arguments)
        assert outcome.code == code, outcome
        return outcome

    def json(self, *arguments: str, code: int = 0, **environment: str) -> Any:
        """Run a command with `--json`; the document it prints."""
        return json.loads(self.run(*arguments, "--json", code=code, **environment).out)

    @contextmanager
    def mirror(self, **environment: str) -> Iterator[Mirror]:
        """The mirror as a command that works on it opens it."""
        settings = load_settings({**self.environment, **environment})
        budget = token_budget(settings)
        clock = SystemClock()
        with connect(settings, clock, budget) as client:
            yield open_mirror(client, self.database, clock, settings, budget)

    def fill(self, **environment: str) -> None:
        """Copy everything, as `backfill` does."""
        with self.mirror(**environment) as mirror:
            ready, _ = read_reference(mirror, Refusals(), only_due=False)
            copy(ready, survey(ready, unfinished(ready, ENTITIES)), Silent())

    def process(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as a process, in a clean environment."""
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "sync", *arguments],
            env={**clean, **self.environment, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
            text=True,
            timeout=60,
            check=False,
            **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
        )


@pytest.fixture(scope="session", autouse=True)
def _one_command_line() -> Iterator[None]:
    """What typer makes of the commands takes it longer than most of them take."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("typer.main.get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands configure the logs of the whole process."""
    loggers = [logging.getLogger(name) for name in (None, "alembic", "urllib3")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A simulated Pipedrive whose company has users, stages and fields, and nothing else yet."""
    with Sandbox(generate(1, clock=SystemClock(), organizations=0), burst=None) as running:
        yield running


@pytest.fixture
def company(sandbox: Sandbox) -> Company:
    return sandbox.company


@pytest.fixture
def program(
    sandbox: Sandbox,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Program:
    """The program on an empty database, once on SQLite and once on PostgreSQL."""

    def call(environment: dict[str, str], arguments: tuple[str, ...]) -> Outcome:
        with monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith(("SYNC_", "PIPEDRIVE_", "WEBHOOK_"))]:
                patched.delenv(name)
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["pipedrive-sync", *arguments])
            patched.chdir(tmp_path)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    environment = {
        "PIPEDRIVE_BASE_URL": sandbox.url,
        "PIPEDRIVE_API_TOKEN": sandbox.token,
        "DATABASE_URL": database_url,
        "SYNC_CURRENCY__RATES": "USD=0.9,JPY=0.006,CHF=1.05",
    }
    return Program(environment, sandbox, database, call)


def won(company: Company, name: str, *amounts: tuple[float | None, str], **attributes: Any) -> int:
    """An organization with won deals of these amounts; its id."""
    organization: int = company.create("organizations", {"name": name, "owner_id": 1, "visible_to": 3, **attributes})[
        "id"
    ]
    for value, currency in amounts:
        deal = company.create(
            "deals",
            {
                "title": f"Deal of {name}",
                "org_id": organization,
                "value": value,
                "currency": currency,
                "status": "open",
                "stage_id": 1,
                "pipeline_id": 1,
                "owner_id": 1,
                "visible_to": 3,
            },
        )
        company.win_deal(deal["id"])
    return organization
