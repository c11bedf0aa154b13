"""A command imports what it needs and no more, so that it begins at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT

PIPEDRIVE = {"requests", "tenacity"}
SERVICE = {"fastapi", "uvicorn", "jinja2", "babel", "apscheduler"}
ALL = {"sqlalchemy", "alembic", "psycopg", "structlog", "sync.settings"} | PIPEDRIVE | SERVICE


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        ("--help", ALL),
        ("accounts --help", ALL),
        ("config", ALL),
        ("db upgrade", {"alembic", "psycopg"} | PIPEDRIVE | SERVICE),
        ("accounts list --help", {"alembic", "psycopg"} | PIPEDRIVE | SERVICE),
        ("sync --help", {"alembic", "psycopg"} | SERVICE),
        ("status", {"alembic", "psycopg"} | SERVICE),
    ],
)
def test_a_command_imports_no_library_that_it_does_without(
    arguments: str, needless: set[str], sqlite_template: Path
) -> None:
    program = (
        "import sys, atexit\n"
        "from sync.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments.split()],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{sqlite_template}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert needless & set(ended.stderr.splitlines()[-1].split()) == set()
