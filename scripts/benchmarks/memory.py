"""The peak memory of `pipedrive-sync backfill`, run as a command, with 100,000 and with 1,000,000 records.

The server is another process, the database an SQLite file. It takes minutes, and so is not part of the default run.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.benchmarks.places import Address, server
from scripts.benchmarks.report import Finding

SMALL, LARGE = 100_000, 1_000_000
_MOST = 250  # MB
_GROWTH = 1.2


@dataclass(frozen=True, slots=True)
class _Peak:
    megabytes: float
    seconds: float


def measure(records: int = LARGE) -> list[Finding]:
    """The peak at 100,000 records and at `records`."""
    small = _backfill(SMALL)
    findings = [_finding(SMALL, small)]
    if records > SMALL:
        large = _backfill(records)
        ratio = large.megabytes / small.megabytes
        growth = Finding(
            "memory",
            f"peak at {records:,} to peak at {SMALL:,} records",
            f"{ratio:.2f} ×",
            f"≤ {_GROWTH} ×",
            ratio <= _GROWTH,
            {"ratio": ratio},
        )
        findings += [_finding(records, large), growth]
    return findings


def _finding(records: int, peak: _Peak) -> Finding:
    what = f"peak of a backfill of {records:,} records (took {peak.seconds:.0f} s, SQLite)"
    details = {"records": records, "megabytes": peak.megabytes, "seconds": peak.seconds}
    return Finding("memory", what, f"{peak.megabytes:.0f} MB", f"< {_MOST} MB", peak.megabytes < _MOST, details)


def _backfill(records: int) -> _Peak:
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        server("scripts.benchmarks.remote", "--records", str(records)) as address,
    ):
        environment = os.environ | _environment(address, Path(folder))
        command = [sys.executable, "-m", "sync", "backfill", "--use-all-tokens"]
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("peak.py")), *command]
        done = subprocess.run(launcher, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the backfill failed: {done.stderr[-2000:]}")
    megabytes, seconds = done.stdout.splitlines()[-1].split()
    return _Peak(float(megabytes), float(seconds))


def _environment(address: Address, folder: Path) -> dict[str, str]:
    config = folder / "empty.toml"  # whatever settings this checkout has are not to be used
    config.touch()
    return {
        "PIPEDRIVE_BASE_URL": address.url,
        "PIPEDRIVE_API_TOKEN": address.token,
        "DATABASE_URL": f"sqlite:///{folder}/mirror.db",
        "SYNC_CONFIG": str(config),
        "PYTHONPATH": str(Path.cwd()),
    }
