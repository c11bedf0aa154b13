"""`scripts/bench [part] …`: measures parts of the program, prints one table.

Exits 1 if a target is missed.
"""

import argparse
import sys
from collections.abc import Callable, Mapping

import structlog

from scripts.benchmarks import day, floor, idle, latency, memory, page, push, rate, receiver
from scripts.benchmarks.report import Finding, as_json, table

_BY_DEFAULT = ("rate", "floor", "idle", "receiver", "latency")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether every target is met."""
    parser = _parser()
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    parts: Mapping[str, Callable[[], list[Finding]]] = {
        "rate": rate.measure,
        "floor": lambda: floor.measure(profile=options.profile, say=_say),
        "memory": lambda: memory.measure(options.records),
        "idle": idle.measure,
        "receiver": receiver.measure,
        "latency": latency.measure,
        "day": lambda: day.measure(changes=options.changes),
        "push": lambda: push.measure(options.accounts),
        "page": page.measure,
    }
    if unknown := set(options.parts) - set(parts):
        parser.error(f"{', '.join(sorted(unknown))}: choose among {', '.join(parts)}")
    findings = []
    for name in dict.fromkeys(options.parts or _BY_DEFAULT):
        _say(f"Measuring {name} …")
        findings += parts[name]()
    print(as_json(findings) if options.json else table(findings))
    return int(any(one.holds is False for one in findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures speed and memory against their targets.",
        epilog="memory, day, push and page take minutes, and are measured only when they are named.",
    )
    parts = "rate, floor, idle, receiver, latency, memory, day, push or page; all but the last four if none"
    parser.add_argument("parts", nargs="*", metavar="part", help=parts)
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument("--profile", action="store_true", help="floor: say where the time goes")
    parser.add_argument("--records", type=int, default=memory.LARGE, help="memory: of the larger backfill")
    parser.add_argument("--changes", type=int, default=day.CHANGES, help="day: how many there are")
    parser.add_argument("--accounts", type=int, default=push.ACCOUNTS, help="push: how many are edited")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
