"""How many deliveries the webhook receiver takes in a second, and how long one waits for its answer.

`pipedrive-sync receive` runs as a command, the load generator in another process, both on this machine; a delivery
counts when its event is committed, for only then it is answered.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.benchmarks.deliveries import Measured
from scripts.benchmarks.places import Databases, both_kinds, free_port
from scripts.benchmarks.report import Finding
from sync.store.database import Database
from sync.store.dialect import put
from sync.store.schema import companies
from sync.store.upgrade import upgrade

_AT_LEAST = {"SQLite": 400, "PostgreSQL": 800}  # deliveries per second
_MOST = 250.0  # ms, for 99 of 100
_START = 30.0  # seconds
_USER, _COMPANY = "bench", 1


def measure() -> list[Finding]:
    """One kind of database after the other."""
    findings = []
    with both_kinds() as kinds:
        for databases in kinds:
            _prepare(databases)
            with databases.fresh() as database:
                findings += _findings(databases.kind, _measure(database))
    return findings


def _prepare(databases: Databases) -> None:
    """The newest schema and a company, in the template."""
    database = Database(databases.template())
    upgrade(database)
    with database.writing() as connection:
        put(connection, companies, {"company_id": _COMPANY}, {"synced_at": datetime.now(UTC)})
    database.close()


def _measure(database: Database) -> Measured:
    password = secrets.token_hex()
    with _receiver(database, password) as address:
        command = [sys.executable, "-m", "scripts.benchmarks.deliveries", address, _USER, password]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout))


@contextmanager
def _receiver(database: Database, password: str) -> Iterator[str]:
    """The command, until it listens; its address."""
    port = free_port()
    with TemporaryDirectory(prefix="bench-") as folder:
        environment = os.environ | {
            "DATABASE_URL": database.url.render_as_string(hide_password=False),
            "WEBHOOK_USER": _USER,
            "WEBHOOK_PASSWORD": password,
            "SYNC_PORT": str(port),
            "SYNC_LOGS__LEVEL": "warning",
            "SYNC_CONFIG": str(_empty(folder)),
            "PYTHONPATH": str(Path.cwd()),
        }
        with subprocess.Popen([sys.executable, "-m", "sync", "receive"], env=environment) as process:
            try:
                _wait_for(port, process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _empty(folder: str) -> Path:
    """A configuration file that sets nothing: whatever settings this checkout has are not to be used."""
    file = Path(folder) / "empty.toml"
    file.touch()
    return file


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the receiver did not start")


def _findings(kind: str, measured: Measured) -> list[Finding]:
    rate, least = measured.deliveries / measured.seconds, _AT_LEAST[kind]
    details = {"database": kind, "deliveries": measured.deliveries, "rate": rate, "failed": measured.failed}
    times = {"p50": measured.p50, "p99": measured.p99, "worst": measured.worst}
    return [
        Finding(
            "receiver",
            f"{kind}: deliveries stored per second ({measured.deliveries:,}, {measured.failed} refused)",
            f"{rate:,.0f}",
            f"≥ {least}",
            rate >= least and not measured.failed,
            details,
        ),
        Finding(
            "receiver",
            f"{kind}: ms to the answer, 99 of 100 (half: {measured.p50:.0f}, longest: {measured.worst:.0f})",
            f"{measured.p99:.0f}",
            f"< {_MOST:.0f}",
            measured.p99 < _MOST,
            details | times,
        ),
    ]
