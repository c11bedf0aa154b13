"""The burst window can never cause a 429, and the day's tokens never pass our share."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clock import ManualClock, SystemClock
from sync.errors import Interrupted
from sync.pipedrive.errors import BudgetSpent
from sync.pipedrive.limits import BudgetState, BurstWindow, TokenBudget, is_daily, retry_after
from tests.pipedrive.scripted import START

MIDNIGHT = datetime(2026, 11, 4, tzinfo=UTC)
LEFT, LIMIT = "x-daily-ratelimit-token-remaining", "x-daily-ratelimit-token-limit"


def headers(left: int, limit: int = 30_000) -> dict[str, str]:
    return {LEFT: str(left), LIMIT: str(limit)}


# --- the burst window -------------------------------------------------------------------------------------------------


def flights_through(window: BurstWindow, latencies: list[float]) -> list[tuple[float, float]]:
    """Send one request per latency as early as the window lets it; returns when each was sent and answered."""
    now, under_way, flights = 0.0, [], []
    for latency in latencies:
        while (wait := window.try_take(now)) > 0:
            until = min([now + wait, *under_way])
            now = until
            for answered in [moment for moment in under_way if moment <= now]:
                under_way.remove(answered)
                window.release(answered)
        flights.append((now, now + latency))
        under_way.append(now + latency)
    return flights


@given(limit=st.integers(1, 8), latencies=st.lists(st.floats(0.0, 9.0, allow_nan=False), max_size=60))
def test_no_window_of_any_possible_moments_of_counting_holds_more_than_the_limit(
    limit: int, latencies: list[float]
) -> None:
    flights = flights_through(BurstWindow(limit, 2.0), latencies)
    # A request may count in [start, start + 2] exactly when its flight overlaps that window. The fullest window starts
    # with the end of some flight, or ends with the beginning of one.
    for start in [answered for _, answered in flights] + [sent - 2.0 for sent, _ in flights]:
        assert sum(sent <= start + 2.0 and answered >= start for sent, answered in flights) <= limit


def test_a_saturated_window_keeps_more_than_nine_tenths_of_the_allowed_rate_at_100_ms() -> None:
    flights = flights_through(BurstWindow(20, 2.0), [0.1] * 2000)
    assert len(flights) / (flights[-1][0] / 2.0) >= 0.9 * 20


def test_a_full_window_tells_when_its_first_slot_is_free() -> None:
    window = BurstWindow(2, 2.0)
    assert [window.try_take(10.0), window.try_take(10.1)] == [0.0, 0.0]
    assert window.try_take(10.2) == pytest.approx(2.0)
    window.release(11.0)
    wait = window.try_take(11.5)
    assert wait == pytest.approx(1.5, abs=0.01)
    assert window.try_take(11.5 + wait) == 0.0


def test_the_more_urgent_goes_first_and_nobody_passes_the_line() -> None:
    window = BurstWindow(1, 2.0)
    assert window.try_take(0.0) == 0.0
    sweep, backfill, person = window.join(4), window.join(3), window.join(0)
    window.release(0.0)
    assert window.try_take(3.0, sweep) > 0
    assert window.try_take(3.0, backfill) > 0
    assert window.try_take(3.0) > 0
    assert window.try_take(3.0, person) == 0.0
    window.release(3.0)
    window.leave(backfill)
    assert window.try_take(6.0, sweep) == 0.0


def test_each_in_line_waits_for_the_slot_of_its_own_place() -> None:
    window = BurstWindow(2, 2.0)
    for moment in (0.0, 0.5):
        assert window.try_take(moment) == 0.0
        window.release(moment)
    first, second, third = window.join(2), window.join(2), window.join(2)
    waits = [window.try_take(1.0, ticket) for ticket in (first, second, third)]
    assert waits == pytest.approx([1.0, 1.5, 2.0], abs=0.01)


def test_after_a_429_everyone_holds() -> None:
    window = BurstWindow(20, 2.0)
    window.hold_until(5.0)
    window.hold_until(3.0)
    assert window.try_take(1.0) == pytest.approx(4.0)
    assert window.try_take(5.0) == 0.0


def test_the_true_limit_is_learned_in_both_directions() -> None:
    window = BurstWindow(1, 2.0)
    window.learn(3)
    assert [window.try_take(0.0) for _ in range(3)] == [0.0] * 3
    window.learn(0)
    assert window.limit == 1
    assert window.try_take(0.0) > 0


def test_a_wait_that_is_interrupted_leaves_the_line() -> None:
    clock = SystemClock()
    clock.stop()
    window = BurstWindow(1, 2.0)
    assert window.try_take(clock.monotonic()) == 0.0
    with pytest.raises(Interrupted), window.slot(clock, 0):
        raise AssertionError("there was no slot")
    window.release(0.0)
    assert window.try_take(clock.monotonic() + 10) == 0.0


def test_a_slot_is_given_back_when_the_body_fails() -> None:
    clock, window = ManualClock(START), BurstWindow(1, 2.0)
    with pytest.raises(ValueError, match="body"), window.slot(clock, 0):
        raise ValueError("body")
    clock.advance(3)
    assert window.try_take(clock.monotonic()) == 0.0


def test_many_threads_never_hold_more_slots_than_there_are() -> None:
    clock, window = ManualClock(START), BurstWindow(3, 2.0)
    inside, most, guard = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with window.slot(clock, 2):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3


# --- which 429 it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "daily"),
    [
        ({}, False),
        ({LEFT: "0"}, True),
        ({LEFT: "0.0"}, True),
        ({LEFT: "120", "x-ratelimit-reset": "2"}, False),
        ({LEFT: "nonsense"}, False),
        ({"x-ratelimit-reset": "43200"}, True),
        ({"retry-after": "3600"}, True),
        ({"retry-after": "1", "x-ratelimit-reset": "43200"}, False),
    ],
)
def test_a_429_is_the_days_when_nothing_is_left_or_the_reset_is_far_away(sent: dict[str, str], daily: bool) -> None:
    assert is_daily(sent, START) is daily


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Tue, 03 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 03 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("-4", None),
    ],
)
def test_retry_after_is_understood_in_both_forms(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, START) == seconds


# --- the day's tokens -------------------------------------------------------------------------------------------------


def spend(
    budget: TokenBudget, cost: int, now: datetime, sent: dict[str, str] | None = None, purpose: str = "poll"
) -> None:
    budget.require(cost, purpose, now)
    budget.record(cost, purpose, sent or {}, now)


def state_of(budget: TokenBudget) -> BudgetState:
    state = budget.snapshot()
    assert state is not None
    return state


def test_our_share_of_the_day_is_never_passed() -> None:
    budget = TokenBudget(0.5, 100)
    spend(budget, 40, START)
    with pytest.raises(BudgetSpent) as caught:
        budget.require(20, "backfill", START)
    assert caught.value.resets_at == MIDNIGHT
    assert caught.value.exit_code == 4
    assert "2026-11-04 00:00 UTC" in caught.value.remedy
    spend(budget, 10, START)
    assert state_of(budget).by_purpose == {"poll": 50}
    assert budget.available(START) == 0


def test_calls_under_way_count_towards_the_share_until_they_are_settled() -> None:
    budget = TokenBudget(0.5, 100)
    budget.require(30, "poll", START)
    with pytest.raises(BudgetSpent):
        budget.require(30, "poll", START)
    budget.forgo(30)
    budget.require(30, "poll", START)
    assert state_of(budget).used_by_us == 0


@given(costs=st.lists(st.integers(1, 40), max_size=80), share=st.floats(0.0, 0.99))
def test_whatever_the_calls_cost_the_share_holds(costs: list[int], share: float) -> None:
    budget = TokenBudget(share, 300)
    for cost in costs:
        try:
            spend(budget, cost, START)
        except BudgetSpent:
            continue
    used = sum(budget.drain().values())
    assert used <= share * 300 + 1e-6
    assert used == (budget.snapshot() or BudgetState(START.date())).used_by_us


def test_a_share_of_one_leaves_it_to_the_server() -> None:
    budget = TokenBudget(1.0, 100)
    spend(budget, 1000, START)
    assert budget.available(START) is None


def test_the_header_tells_the_true_limit_and_a_missing_one_changes_nothing() -> None:
    budget = TokenBudget(0.5, 100)
    spend(budget, 10, START, headers(59_990, 60_000))
    spend(budget, 10, START)
    state = state_of(budget)
    assert (state.daily_limit, state.left, state.used_by_us) == (60_000, 59_990, 20)
    assert budget.available(START) == 29_980


def test_a_new_day_begins_at_midnight_utc_when_nothing_better_is_known() -> None:
    budget = TokenBudget(0.5, 100)
    spend(budget, 50, START)
    spend(budget, 50, MIDNIGHT, purpose="backfill")
    assert state_of(budget).day == date(2026, 11, 4)
    assert state_of(budget).by_purpose == {"backfill": 50}
    assert budget.drain() == {(date(2026, 11, 3), "poll"): 50, (date(2026, 11, 4), "backfill"): 50}
    assert budget.drain() == {}


def test_a_jump_of_the_tokens_left_is_the_reset_and_its_moment_is_learned() -> None:
    budget = TokenBudget(0.5, 30_000)
    reset = datetime(2026, 11, 3, 22, 0, tzinfo=UTC)
    spend(budget, 10_000, reset - timedelta(minutes=10), headers(12_000))
    spend(budget, 10, reset + timedelta(minutes=7), headers(29_990))
    state = state_of(budget)
    assert (state.used_by_us, state.resets_at) == (10, reset + timedelta(days=1))
    assert state.day == date(2026, 11, 4)
    spend(budget, 10, MIDNIGHT, headers(29_900))
    assert state_of(budget).used_by_us == 20
    spend(budget, 10, reset + timedelta(days=3), headers(29_990))
    assert (state_of(budget).used_by_us, state_of(budget).resets_at) == (10, reset + timedelta(days=4))


def test_answers_out_of_order_and_bought_tokens_are_no_reset() -> None:
    budget = TokenBudget(0.5, 30_000)
    spend(budget, 1000, START, headers(20_000))
    spend(budget, 10, START, headers(20_320))
    spend(budget, 10, START, headers(49_990, 60_000))
    assert state_of(budget).used_by_us == 1020


def test_midnight_utc_is_taken_back_when_the_headers_show_that_the_day_goes_on() -> None:
    budget = TokenBudget(0.5, 30_000)
    spend(budget, 14_990, MIDNIGHT - timedelta(hours=3), headers(10_000))
    spend(budget, 10, MIDNIGHT, headers(9_990))
    state = state_of(budget)
    assert (state.day, state.used_by_us, state.left) == (date(2026, 11, 3), 15_000, 9_990)
    with pytest.raises(BudgetSpent) as caught:
        budget.require(10, "poll", MIDNIGHT + timedelta(minutes=30))
    assert caught.value.resets_at > MIDNIGHT + timedelta(minutes=30)
    spend(budget, 10, MIDNIGHT + timedelta(hours=5), headers(29_990))
    assert state_of(budget).used_by_us == 10


def test_when_the_server_says_spent_nothing_is_asked_before_the_reset_it_names() -> None:
    budget = TokenBudget(1.0, 30_000)
    resets_at = START + timedelta(hours=4)
    assert budget.exhausted({LEFT: "0", "x-ratelimit-reset": "14400"}, START) == resets_at
    with pytest.raises(BudgetSpent) as caught:
        budget.require(1, "poll", resets_at - timedelta(seconds=1))
    assert caught.value.resets_at == resets_at
    assert budget.available(START) == 0
    spend(budget, 1, resets_at, headers(29_999))
    assert state_of(budget).day == date(2026, 11, 4)


def test_without_a_named_reset_a_spent_day_is_looked_at_again_within_the_hour() -> None:
    budget = TokenBudget(1.0, 30_000)
    spend(budget, 10, START, headers(0))
    with pytest.raises(BudgetSpent) as caught:
        budget.require(1, "poll", START + timedelta(minutes=59))
    assert caught.value.resets_at == MIDNIGHT
    spend(budget, 1, START + timedelta(minutes=60), headers(29_999))
    assert state_of(budget).used_by_us == 1


def test_a_429_right_after_midnight_takes_the_new_day_back() -> None:
    budget = TokenBudget(0.5, 30_000)
    spend(budget, 14_000, START, headers(5))
    budget.require(10, "poll", MIDNIGHT)
    budget.forgo(10)
    budget.exhausted({LEFT: "0"}, MIDNIGHT)
    assert state_of(budget).used_by_us == 14_000
    assert budget.available(MIDNIGHT + timedelta(minutes=10)) == 0
    spend(budget, 10, MIDNIGHT + timedelta(hours=2), headers(29_990))
    assert state_of(budget).used_by_us == 10


def test_a_saved_state_goes_on_where_it_was() -> None:
    first = TokenBudget(0.5, 100)
    spend(first, 45, START)
    second = TokenBudget(0.5, 100, first.snapshot())
    with pytest.raises(BudgetSpent):
        second.require(10, "poll", START)
    assert second.drain() == {}


def test_a_state_that_lay_for_a_week_begins_a_new_day() -> None:
    budget = TokenBudget(0.5, 100, BudgetState(date(2026, 10, 27), used_by_us=50, left=10, resets_at=None))
    spend(budget, 50, START)
    assert state_of(budget).day == date(2026, 11, 3)


def test_threads_lose_no_tokens() -> None:
    budget = TokenBudget(1.0, 100)
    threads = [threading.Thread(target=lambda: [spend(budget, 1, START) for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state_of(budget).used_by_us == sum(budget.drain().values()) == 1600
