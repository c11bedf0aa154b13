"""How fast edits of accounts reach Pipedrive, what they cost, and how fast they are planned.

One statement edits every account; the sandbox, in a process of its own, allows a burst of 100 requests in 2 seconds
(an API token on a Premium plan). Who plans is measured alone, in its own time of the processor.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text

from scripts.benchmarks.places import empty_sqlite, mirror_of, server
from scripts.benchmarks.rate import watched
from scripts.benchmarks.report import Finding
from sync.accounts.kinds import STANDARD, FieldKind, FieldType
from sync.accounts.planner import Local, Policy, Remote, Rule, plan
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import Mirror
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES
from sync.pipedrive.purpose import Purpose
from sync.store.schema import accounts
from sync.writeback.cycle import write_back

ACCOUNTS = 10_000
_BURST = 100
_ALLOWED = _BURST / 2  # requests per second
_MOST_TOKENS = 6.1  # an account
_PLANS = 50_000  # accounts a second, at least
_ROUNDS = 9


def measure(count: int) -> list[Finding]:
    """Edit so many accounts, write them back; and plan."""
    # Nine of ten organizations have won deals.
    arguments = ("--organizations", str(count * 10 // 9 + 50), "--burst", str(_BURST), "--daily-tokens", "0")
    with (
        server("sync.sandbox", *arguments) as address,
        empty_sqlite() as database,
        mirror_of(address, database) as mirror,
    ):
        mirror, _ = read_reference(mirror, Refusals(), only_due=False)
        copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())
        edited = _edit(mirror, count)
        settings = mirror.settings.model_copy(
            update={"write_back": mirror.settings.write_back.model_copy(update={"max_accounts": count})}
        )
        mirror = replace(mirror, settings=settings)
        before = _tokens(mirror)
        time.sleep(3)  # until the windows of what went before are over
        with watched() as attempts:
            began = time.monotonic()
            pushed = write_back(mirror)
            seconds = time.monotonic() - began
        tokens = (_tokens(mirror) - before) / edited
    if pushed.writes != edited:
        raise RuntimeError(f"{pushed.writes} of {edited} accounts were written")
    rate = len(attempts.sent) / seconds
    return [
        Finding(
            "push",
            f"requests per second while {edited:,} edited accounts are written ({seconds:.0f} s)",
            f"{rate:.1f} of {_ALLOWED:.0f} = {rate / _ALLOWED:.0%}",
            "≥ 90 %",
            rate / _ALLOWED >= 0.9,
            {"seconds": seconds, "accounts": edited, "rate": rate},
        ),
        Finding("push", "answers with status 429", str(attempts.refused), "0", attempts.refused == 0),
        Finding("push", "tokens an account", f"{tokens:.2f}", f"≤ {_MOST_TOKENS}", tokens <= _MOST_TOKENS),
        _planner(),
    ]


def _edit(mirror: Mirror, count: int) -> int:
    """One statement of any program."""
    with mirror.database.writing() as connection:
        some = connection.scalars(select(accounts.c.organization_id).order_by(accounts.c.organization_id).limit(count))
        last = max(some)
        statement = text("UPDATE accounts SET name = name || ' (edited)' WHERE organization_id <= :last")
        return connection.execute(statement, {"last": last}).rowcount


def _tokens(mirror: Mirror) -> int:
    state = mirror.budget.snapshot()
    return state.by_purpose.get(Purpose.WRITE_BACK.label, 0) if state else 0


def _planner() -> Finding:
    rules, cases = _cases(2_000)
    best = min(_timed(rules, cases) for _ in range(_ROUNDS))
    rate = len(cases) / best
    what = "accounts planned per second of the processor, 2 of 12 fields edited"
    return Finding("push", what, f"{rate:,.0f}", f"≥ {_PLANS:,}", rate >= _PLANS, {"rate": rate})


def _timed(rules: Mapping[str, Rule], cases: Sequence[tuple[Any, Local, Remote]]) -> float:
    began = time.process_time()
    for base, local, remote in cases:
        plan(base, local, remote, rules)
    return time.process_time() - began


def _cases(count: int) -> tuple[Mapping[str, Rule], Sequence[tuple[Any, Local, Remote]]]:
    choices, budget = "a" * 40, "b" * 40
    rules = {name: Rule(kind, Policy.NEWEST) for name, kind in STANDARD.items()}
    rules |= {choices: Rule(FieldType(FieldKind.SET), Policy.NEWEST)}
    rules |= {budget: Rule(FieldType(FieldKind.MONETARY), Policy.NEWEST)}
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    cases = []
    for number in range(count):
        base, local, remote = _values(choices, budget), _values(choices, budget), _values(choices, budget)
        local["name"], local[budget] = f"Acme {number}", {"value": 6, "currency": "EUR"}
        edited = {"name": moment, budget: moment}
        cases.append((base, Local(local, edited), Remote(remote, moment)))
    return rules, cases


def _values(choices: str, budget: str) -> dict[str, Any]:
    return {
        "name": "Acme",
        "owner_id": 3,
        "address": {"value": "Main St 1", "country": "CH", "locality": "Bern", "route": None},
        "label_ids": [1, 2],
        "visible_to": 3,
        "website": "https://acme.example",
        "linkedin": None,
        "industry": 3,
        "annual_revenue": 1000,
        "employee_count": 12,
        choices: [1, 2],
        budget: {"value": 5, "currency": "EUR"},
    }
