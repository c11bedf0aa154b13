"""Who may pass our share of the day's tokens: calls that a person waits for, up to what the company has, no others."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sync.clock import ManualClock
from sync.pipedrive.client import Client
from sync.pipedrive.connect import connect
from sync.pipedrive.errors import BudgetSpent
from sync.pipedrive.limits import TokenBudget
from sync.pipedrive.purpose import Purpose
from sync.sandbox import Sandbox, generate
from sync.settings import load_settings

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY, SHARE = 1_000, 0.5

of_a_person = pytest.mark.parametrize("purpose", [one for one in Purpose if one.priority == 0])
of_the_program = pytest.mark.parametrize("purpose", [one for one in Purpose if one.priority > 0])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    with Sandbox(generate(1, clock=clock, organizations=0), clock=clock, burst=None, daily_tokens=DAY) as running:
        yield running


@pytest.fixture
def budget() -> TokenBudget:
    return TokenBudget(SHARE, DAY)


@pytest.fixture
def client(sandbox: Sandbox, clock: ManualClock, budget: TokenBudget) -> Iterator[Client]:
    settings = load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token})
    with connect(settings, clock, budget) as made:
        yield made


def read(client: Client, purpose: Purpose) -> None:
    client.get("/api/v1/users", cost=20, purpose=purpose.label, priority=purpose.priority)


def use_up_our_share(client: Client, budget: TokenBudget, clock: ManualClock) -> None:
    while budget.available(clock.now()):
        read(client, Purpose.POLL)


def test_only_what_a_person_waits_for_or_the_reserve_pays_has_priority_0() -> None:
    first = {Purpose.CHECK, Purpose.SUBSCRIBE, Purpose.DOWNLOAD, Purpose.WRITE_BACK, Purpose.FILL}
    assert {one for one in Purpose if one.priority == 0} == first


@of_a_person
def test_a_call_that_a_person_waits_for_passes_our_share(
    client: Client, budget: TokenBudget, clock: ManualClock, sandbox: Sandbox, purpose: Purpose
) -> None:
    use_up_our_share(client, budget, clock)
    assert sandbox.limits.spent == SHARE * DAY

    read(client, purpose)

    assert sandbox.limits.spent == SHARE * DAY + 20
    assert sandbox.limits.daily_rejections == 0


@of_the_program
def test_every_other_call_is_refused_at_our_share_before_it_is_sent(
    client: Client, budget: TokenBudget, clock: ManualClock, sandbox: Sandbox, purpose: Purpose
) -> None:
    use_up_our_share(client, budget, clock)
    calls = len(sandbox.calls)

    with pytest.raises(BudgetSpent, match="share") as caught:
        read(client, purpose)

    assert (caught.value.exit_code, caught.value.endpoint) == (4, "GET /api/v1/users")
    assert len(sandbox.calls) == calls


@of_the_program
def test_what_a_person_used_beyond_our_share_is_counted_to_it(
    client: Client, budget: TokenBudget, clock: ManualClock, purpose: Purpose
) -> None:
    for _ in range(30):
        read(client, Purpose.CHECK)

    assert budget.available(clock.now()) == 0
    with pytest.raises(BudgetSpent):
        read(client, purpose)


@of_a_person
def test_nobody_passes_what_the_company_has(
    client: Client, budget: TokenBudget, clock: ManualClock, sandbox: Sandbox, purpose: Purpose
) -> None:
    use_up_our_share(client, budget, clock)
    sandbox.limits.spend(DAY)

    for _ in range(5):
        with pytest.raises(BudgetSpent, match="Pipedrive's tokens of this day are spent") as caught:
            read(client, purpose)
        assert caught.value.resets_at == datetime(2026, 11, 3, tzinfo=UTC)

    assert sandbox.limits.daily_rejections == 1  # it was asked once, and then believed


@of_a_person
def test_the_company_s_last_token_ends_a_person_s_calls_without_a_refusal(
    client: Client, sandbox: Sandbox, purpose: Purpose
) -> None:
    for _ in range(DAY // 20):
        read(client, purpose)

    with pytest.raises(BudgetSpent):
        read(client, purpose)

    assert (sandbox.limits.spent, sandbox.limits.daily_rejections) == (DAY, 0)


@pytest.mark.parametrize("beyond", [False, True])
def test_the_bookkeeping_stops_at_our_share_but_for_those_who_may_go_beyond(beyond: bool) -> None:
    budget = TokenBudget(SHARE, DAY)
    budget.require(500, "poll", NOON)
    budget.record(500, "poll", {}, NOON)

    if not beyond:
        with pytest.raises(BudgetSpent):
            budget.require(1, "poll", NOON)
        return
    budget.require(1, "check", NOON, beyond_share=True)
    budget.record(1, "check", {"x-daily-ratelimit-token-remaining": "0"}, NOON)
    with pytest.raises(BudgetSpent):
        budget.require(1, "check", NOON, beyond_share=True)
