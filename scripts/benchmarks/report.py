"""What was measured, what it should be, and whether it is: as a table to read, or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_HEAD = ("part", "measured", "result", "target", "holds")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table; `holds` is None where there is nothing to hold."""

    part: str
    what: str
    result: str
    target: str = ""
    holds: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


def table(findings: Sequence[Finding]) -> str:
    """The findings in columns."""
    verdicts = {True: "yes", False: "NO", None: ""}
    rows = [_HEAD, *((one.part, one.what, one.result, one.target, verdicts[one.holds]) for one in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def as_json(findings: Sequence[Finding]) -> str:
    """The findings with all their numbers."""
    return json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False)
