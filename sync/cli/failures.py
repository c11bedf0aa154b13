"""Every failure as one sentence, with the exit code of its class."""

import sys

import structlog
import typer

from sync.errors import SyncError
from sync.telemetry.logs import redact


def tell(failure: Exception) -> int:
    """Say on standard error what a command failed with, and no secret; the exit code."""
    match failure:
        case typer.TyperException():
            if text := str(failure).rstrip("."):  # nothing where a group without a command has printed its help
                _complain(f"{text}. `pipedrive-sync --help` tells what there is.")
            return 2
        case SyncError():
            _complain(str(failure))
            return failure.exit_code
        case _:
            structlog.get_logger(__name__).debug("internal_error", exc_info=failure)
            _complain(
                f"Internal error: {type(failure).__name__}: {failure}. Nothing committed is lost. "
                "Run it again with SYNC_LOGS__LEVEL=debug and report what it prints."
            )
            return 1


def _complain(text: str) -> None:
    print(f"pipedrive-sync: {redact(text)}", file=sys.stderr)
