"""When a job runs next: a table of how it fared and what the plan says."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.service.jobs import Job
from sync.service.plan import Pace, Plan
from sync.service.timing import Fared, next_run, remembered
from sync.store.jobs import JobRecord

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
RESET = datetime(2026, 11, 3, tzinfo=UTC)
GOING = Plan(Pace.PLANNED, None, False, reserve=0, fixed=0, polls=0, sweep=0)
STOPPED = replace(GOING, pace=Pace.STOPPED, resumes_at=RESET)
STOPPED_LONGER = replace(STOPPED, resumes_at=RESET + timedelta(hours=1))
PAST_STOP = replace(STOPPED, resumes_at=NOW - timedelta(hours=1))

SPENDER = Job("poll deals", lambda mirror, plan: None, lambda plan: 60.0)
THRIFTY = Job("apply", lambda mirror, plan: None, lambda plan: 60.0, spends=False)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ran(started: float, ended: float) -> Fared:
    """A run that went through, so many seconds ago."""
    return Fared().succeeded(ago(started), ago(ended))


def failed(times: int, *, ended: float = 0) -> Fared:
    """So many runs that failed, the last of which ended so many seconds ago."""
    fared = ran(3600, 3600)
    for _ in range(times):
        fared = fared.failed(ago(ended + 1), ago(ended), "no")
    return fared


@dataclass(frozen=True)
class Case:
    why: str
    fared: Fared
    due: datetime
    job: Job = SPENDER
    plan: Plan = GOING


SPENT = Fared().out_of_tokens(ago(5), ago(4), "spent", RESET)
CASES = [
    Case("a job that never ran is due now", Fared(), NOW),
    Case("an interval after its last start", ran(10, 9), after(50)),
    Case("a moment that has passed is told as it was", ran(100, 99), ago(40)),
    Case("a run longer than the interval is followed by the next at once", ran(100, 0), NOW),
    Case("a run just shorter than the interval keeps to it", ran(59, 1), after(1)),
    Case("the first failure waits five seconds", failed(1), after(5)),
    Case("counted from its end, not from its start", failed(1, ended=3), after(2)),
    Case("the second ten", failed(2), after(10)),
    Case("the fifth eighty", failed(5), after(80)),
    Case("the eighth ten minutes and forty seconds", failed(8), after(640)),
    Case("from the ninth on it is a quarter of an hour", failed(9), after(900)),
    Case("and never more", failed(5000), after(900)),
    Case("even a rarely run job is tried again soon", failed(1), after(5), Job("x", SPENDER.work, lambda plan: 86_400)),
    Case("out of tokens it rests until they come back", SPENT, RESET),
    Case("a reset before its turn does not hasten it", Fared().out_of_tokens(ago(5), ago(4), "", ago(1)), after(55)),
    Case("a stopped plan holds what spends", ran(100, 99), RESET, plan=STOPPED),
    Case("and what never ran", Fared(), RESET, plan=STOPPED),
    Case("and what failed", failed(1), RESET, plan=STOPPED),
    Case("but not what spends nothing", ran(10, 9), after(50), THRIFTY, STOPPED),
    Case("nor what spends nothing and failed", failed(2), after(10), THRIFTY, STOPPED),
    Case("a stop that is over holds nothing", ran(10, 9), after(50), plan=PAST_STOP),
    Case("the later of two reasons to rest counts", SPENT, RESET + timedelta(hours=1), plan=STOPPED_LONGER),
    Case("a clock that was set back does not keep a job waiting", ran(-7200, -7199), NOW),
    Case("nor does it one that failed", failed(1, ended=-7200), NOW),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_a_job_runs_next(case: Case) -> None:
    assert next_run(case.job, case.fared, case.plan, NOW) == case.due


def test_a_success_wipes_out_what_went_wrong_before() -> None:
    fared = failed(3).succeeded(ago(2), ago(1))

    assert fared == Fared(ago(2), ago(1), ago(1))


def test_a_failure_keeps_when_the_last_success_was_and_counts_up() -> None:
    fared = ran(100, 90).failed(ago(20), ago(19), "first").failed(ago(10), ago(9), "second")

    assert fared == Fared(ago(10), ago(9), ago(90), failures=2, error="second")


def test_being_out_of_tokens_is_no_failure_and_keeps_the_reason() -> None:
    fared = failed(3).out_of_tokens(ago(2), ago(1), "tokens are spent", RESET)

    assert (fared.failures, fared.error, fared.not_before) == (0, "tokens are spent", RESET)
    assert fared.succeeded_at == ago(3600)


def test_a_failure_after_a_rest_backs_off_from_its_own_end() -> None:
    fared = Fared().out_of_tokens(ago(50), ago(49), "spent", RESET).failed(ago(2), ago(1), "no")

    assert next_run(SPENDER, fared, GOING, NOW) == after(4)


def test_after_a_restart_the_next_run_goes_by_the_last_one_and_failures_are_forgotten() -> None:
    record = JobRecord("poll deals", ago(20), ago(19), ago(900), after(300), failures=7, error="no")

    fared = remembered(record)

    assert fared == Fared(ago(20), ago(19), ago(900))
    assert next_run(SPENDER, fared, GOING, NOW) == after(40)
    assert remembered(None) == Fared()
