"""How soon a change at Pipedrive is in the account: from the event's sending to the commit, as another reader sees it.

A simulated Pipedrive in this process delivers 20 events a second to a real `run`; the accounts are read from outside.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from sqlalchemy import select

from scripts.benchmarks.places import both_kinds, free_port
from scripts.benchmarks.report import Finding
from sync.clock import SystemClock
from sync.sandbox import Proportions, Sandbox, generate
from sync.store.database import Database
from sync.store.schema import accounts
from sync.store.upgrade import upgrade

_RATE = 20  # events a second
_SECONDS = 30
_MOST = 1.0  # second
_GLANCE = 0.01  # seconds between two looks at the accounts
_PATIENCE = 60.0  # seconds
_ROOT = Path(__file__).parents[2]


def measure() -> list[Finding]:
    """On SQLite and on PostgreSQL."""
    findings = []
    with both_kinds() as kinds:
        for databases in kinds:
            template = Database(databases.template())
            upgrade(template)
            template.close()
            with databases.fresh() as database:
                lags = sorted(_lags(database))
            p50, p99 = lags[len(lags) // 2], lags[int(len(lags) * 0.99)]
            findings.append(
                Finding(
                    "latency",
                    f"an event's account, {_RATE} events/s, {databases.kind}: p99 (median {p50 * 1000:.0f} ms)",
                    f"{p99 * 1000:.0f} ms",
                    f"< {_MOST * 1000:.0f} ms",
                    p99 < _MOST,
                    {"p50": p50, "p99": p99, "events": len(lags)},
                )
            )
    return findings


def _lags(database: Database) -> Sequence[float]:
    proportions = Proportions(deals=3, persons=1, activities=3, notes=0.2, files=0.1)
    company = generate(3, clock=SystemClock(), organizations=300, proportions=proportions)
    with Sandbox(company, burst=None, daily_tokens=None) as sandbox, _running(sandbox, database):
        return _timed(sandbox, database)


@contextmanager
def _running(sandbox: Sandbox, database: Database) -> Iterator[None]:
    """A `run` with its first copy done, which Pipedrive delivers to."""
    port = free_port()
    environment = {
        **os.environ,
        "PIPEDRIVE_BASE_URL": sandbox.url,
        "PIPEDRIVE_API_TOKEN": sandbox.token,
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "WEBHOOK_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SYNC_PORT": str(port),
        "SYNC_LOGS__LEVEL": "error",
    }
    command = [sys.executable, "-m", "sync"]
    with subprocess.Popen([*command, "run"], env=environment, cwd=_ROOT) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/readyz")
            subprocess.run(
                [*command, "webhooks", "install"], env=environment, cwd=_ROOT, check=True, stdout=subprocess.DEVNULL
            )
            yield
        finally:
            process.terminate()


def _wait_for(address: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{address} did not answer in time")


def _timed(sandbox: Sandbox, database: Database) -> list[float]:
    """Change names at the rate, and look when each is in the accounts."""
    with database.reading() as connection:
        ids = list(connection.scalars(select(accounts.c.organization_id).where(accounts.c.status == "active")))
    pending: dict[str, float] = {}
    lags: list[float] = []
    sent, total, began = 0, _RATE * _SECONDS, time.monotonic()
    while len(lags) < total and time.monotonic() < began + _SECONDS + _PATIENCE:
        if sent < total and time.monotonic() >= began + sent / _RATE:
            name = f"name {sent}"
            pending[name] = time.monotonic()
            sandbox.company.update("organizations", ids[sent % len(ids)], {"name": name})
            sent += 1
            continue
        with database.reading() as connection:
            shown = set(connection.scalars(select(accounts.c.name)))
        now = time.monotonic()
        for name in pending.keys() & shown:
            lags.append(now - pending.pop(name))
        time.sleep(_GLANCE)
    # What never came counts as if it came now.
    return [*lags, *(time.monotonic() - moment for moment in pending.values())]
