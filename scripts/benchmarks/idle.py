"""What a cycle costs when nothing changed: its calls and tokens, against the table of entities.

Allowed is one page of every list that is polled, and the pages of the sweep's slice. As slices take the lists in turn,
the mean of as many cycles as there are lists is compared. The lists that are read whole are not due meanwhile. The
sandbox and the mirror share a clock that only this module turns.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from scripts.benchmarks.places import empty_sqlite
from scripts.benchmarks.report import Finding
from sync.clock import ManualClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import Mirror, open_mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.mirror.sweep import swept_listings
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import ENTITIES
from sync.pipedrive.limits import TokenBudget
from sync.sandbox import Proportions, Sandbox, generate
from sync.settings import load_settings

_NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
_BETWEEN = 1000  # seconds between two cycles: files are due again


def measure() -> list[Finding]:
    """A few cycles over a company in which nothing happens."""
    clock = ManualClock(_NOW)
    proportions = Proportions(deals=3, activities=4, persons=1)
    company = generate(3, clock=clock, organizations=600, proportions=proportions)
    with Sandbox(company, clock=clock, burst=None, daily_tokens=None) as sandbox, empty_sqlite() as database:
        settings = load_settings(
            {
                "PIPEDRIVE_BASE_URL": sandbox.url,
                "PIPEDRIVE_API_TOKEN": sandbox.token,
                "SYNC_POLL__REFERENCE_INTERVAL": "86400",
            }
        )
        budget = token_budget(settings, use_all_tokens=True)
        with connect(settings, clock, budget) as client:
            mirror = open_mirror(client, database, clock, settings, budget)
            mirror, _ = read_reference(mirror, Refusals(), only_due=False)
            copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())
            lists = [listing for _, listing in swept_listings(mirror)]
            _cycles(mirror, clock, len(lists))  # until what the backfill left to the polls is read
            before = _Spent.at(sandbox, budget)
            _cycles(mirror, clock, len(lists))
            spent = _Spent.at(sandbox, budget) - before
    slices = len(lists) * settings.sweep.pages
    pages = len(lists) ** 2 + slices
    tokens = sum(one.cost for one in lists) * (len(lists) + settings.sweep.pages)
    shares = ", ".join(f"{purpose} {used / len(lists):.0f}" for purpose, used in sorted(spent.by_purpose.items()))
    return [
        _finding("calls", "", spent.calls / len(lists), pages / len(lists)),
        _finding("tokens", f" ({shares})", spent.tokens / len(lists), tokens / len(lists)),
    ]


def _cycles(mirror: Mirror, clock: ManualClock, count: int) -> None:
    for _ in range(count):
        clock.advance(_BETWEEN)
        run_cycle(mirror)


@dataclass(frozen=True, slots=True)
class _Spent:
    """What was spent so far, as the server counts it, and as we book it."""

    calls: int
    tokens: int
    by_purpose: Counter[str]

    @classmethod
    def at(cls, sandbox: Sandbox, budget: TokenBudget) -> "_Spent":
        state = budget.snapshot()
        return cls(len(sandbox.calls), sandbox.limits.spent, Counter(state.by_purpose if state else {}))

    def __sub__(self, other: "_Spent") -> "_Spent":
        return _Spent(self.calls - other.calls, self.tokens - other.tokens, self.by_purpose - other.by_purpose)


def _finding(unit: str, shares: str, used: float, most: float) -> Finding:
    what = f"{unit} of a sync with nothing changed{shares}"
    target = f"≤ {most:.1f} (a page per list + sweep slice)"
    return Finding("idle", what, f"{used:.1f}", target, used <= most + 1e-9, {"used": used, "most": most})
