"""The plan of the day: what is left is shared out, never more than that, and what presses most comes first."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.mirror.state import Tokens, token_state
from sync.pipedrive.entities import ENTITIES, Entity, Listing, Poll
from sync.pipedrive.limits import BudgetState, TokenBudget
from sync.service.plan import Pace, Plan, plan_day
from sync.settings import Settings

DAY = 86_400.0
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
MORNING = MIDNIGHT - timedelta(hours=16)
PRESSING = ("organizations", "deals", "activities")
OTHERS = ("persons", "notes", "deals_archived")
ROWS = {"organizations": 4_000, "deals": 9_000, "deals_archived": 2_000, "persons": 8_000, "activities": 30_000}
CLOSE = 1 + 1e-9  # for what floating point loses


def settings(**sections: Mapping[str, Any]) -> Settings:
    return Settings.model_validate(sections)


def tokens(used: int = 0, *, limit: int = 30_000, share: float = 0.5, **known: Any) -> Tokens:
    """A day of which we have used so much; `known` replaces what follows from that."""
    ours = int(share * limit)
    values: dict[str, Any] = {
        "used_today": used,
        "used_by_purpose": {},
        "share": share,
        "our_limit": ours,
        "available": max(ours - used, 0),
        "company_limit": limit,
        "company_left": max(limit - used, 0),
        "seen_at": None,
        "resets_at": MIDNIGHT,
        "spent_until": None,
    }
    return Tokens(**(values | known))


def planned(
    state: Tokens, *, webhooks_alive: bool = False, now: datetime = MORNING, **sections: Mapping[str, Any]
) -> Plan:
    return plan_day(state, settings(**sections), now, webhooks_alive=webhooks_alive, rows=ROWS)


def lists(settled: Settings) -> Iterator[tuple[Entity, Listing]]:
    for entity in ENTITIES:
        if entity.name not in settled.privacy.leave_out:
            yield from ((entity, listing) for listing in entity.listings)


def costs(plan: Plan, settled: Settings, rows: Mapping[str, int], seconds: float) -> Iterator[float]:
    """What each job costs in so many seconds, by its interval, but for those that run once a day at most."""
    swept, pages = 0, 0
    for entity, listing in lists(settled):
        interval = plan.reference if entity.is_reference else plan.intervals[listing.name]
        if interval < DAY:
            yield listing.cost * seconds / interval
        if listing.newest_ids and plan.newest_ids < DAY:
            yield listing.cost * seconds / plan.newest_ids
        if not entity.is_reference:
            count = rows.get(listing.name, 0) // listing.page_size + 1
            swept, pages = swept + listing.cost * count, pages + count
    if plan.sweep_page < DAY:
        yield swept / pages * seconds / plan.sweep_page


@st.composite
def days(draw: st.DrawFn) -> Tokens:
    """What may be left of a day, whoever used the rest of it."""
    limit = draw(st.integers(1, 5_000_000))
    share = draw(st.floats(0.01, 1.0))
    used = draw(st.integers(0, limit))
    company_left = draw(st.none() | st.integers(0, limit))
    ours = int(share * limit)
    own = None if share == 1.0 else max(ours - used, 0)
    available = min((known for known in (own, company_left) if known is not None), default=None)
    return tokens(used, limit=limit, share=share, available=available, company_left=company_left)


chosen_settings = st.builds(
    lambda reserve, reference, files, left_out: settings(
        budget={"reserve": reserve},
        poll={"reference_interval": reference, "files_interval": files},
        privacy={"leave_out": left_out},
    ),
    reserve=st.floats(0.0, 0.99),
    reference=st.integers(0, 100_000),
    files=st.integers(0, 100_000),
    left_out=st.sets(st.sampled_from(["persons", "activities", "notes", "files"])).map(sorted),
)
moments = st.floats(1.0, DAY).map(lambda seconds: MIDNIGHT - timedelta(seconds=seconds))
lengths = st.dictionaries(st.sampled_from(sorted(ROWS)), st.integers(0, 3_000_000))


def left(state: Tokens) -> int:
    return max(state.our_limit - state.used_today, 0) if state.available is None else state.available


# --- never more than there is -----------------------------------------------------------------------------------------


@given(state=days(), settled=chosen_settings, now=moments, rows=lengths, alive=st.booleans())
def test_what_is_planned_never_exceeds_what_is_left_and_leaves_the_reserve(
    state: Tokens, settled: Settings, now: datetime, rows: Mapping[str, int], alive: bool
) -> None:
    plan = plan_day(state, settled, now, webhooks_alive=alive, rows=rows)

    assert min(plan.reserve, plan.fixed, plan.polls, plan.sweep) >= 0
    assert plan.fixed + plan.polls + plan.sweep <= left(state) - plan.reserve
    assert plan.reserve == min(int(settled.budget.reserve * state.our_limit), left(state))


@given(state=days(), settled=chosen_settings, now=moments, rows=lengths, alive=st.booleans())
def test_intervals_cost_no_more_than_what_is_left_without_the_reserve(
    state: Tokens, settled: Settings, now: datetime, rows: Mapping[str, int], alive: bool
) -> None:
    plan = plan_day(state, settled, now, webhooks_alive=alive, rows=rows)
    seconds = (MIDNIGHT - now).total_seconds()

    assert sum(costs(plan, settled, rows, seconds)) <= (left(state) - plan.reserve) * CLOSE


@given(state=days(), settled=chosen_settings, now=moments, rows=lengths, alive=st.booleans())
def test_no_list_is_read_more_than_four_times_a_minute_nor_less_than_once_a_day(
    state: Tokens, settled: Settings, now: datetime, rows: Mapping[str, int], alive: bool
) -> None:
    plan = plan_day(state, settled, now, webhooks_alive=alive, rows=rows)

    for interval in (*plan.intervals.values(), plan.newest_ids, plan.reference, plan.sweep_page):
        assert 15 <= interval <= DAY


@given(state=days(), settled=chosen_settings, now=moments, rows=lengths)
def test_with_webhooks_alive_polls_are_a_safety_net_of_a_quarter_of_an_hour_at_most(
    state: Tokens, settled: Settings, now: datetime, rows: Mapping[str, int]
) -> None:
    alive = plan_day(state, settled, now, webhooks_alive=True, rows=rows)
    alone = plan_day(state, settled, now, webhooks_alive=False, rows=rows)

    for entity, listing in lists(settled):
        if listing.poll is Poll.SINCE:
            assert alive.intervals[listing.name] >= max(900, alone.intervals[listing.name] / CLOSE), entity.name


# --- more for more ----------------------------------------------------------------------------------------------------


@given(state=days(), more=st.integers(0, 3_000_000), settled=chosen_settings, now=moments, alive=st.booleans())
def test_more_tokens_left_never_mean_that_a_list_is_polled_less_often(
    state: Tokens, more: int, settled: Settings, now: datetime, alive: bool
) -> None:
    richer = tokens(
        state.used_today, limit=2 * (state.company_limit or 0), share=state.share, available=left(state) + more
    )
    poorer = tokens(state.used_today, limit=2 * (state.company_limit or 0), share=state.share, available=left(state))
    fast = plan_day(richer, settled, now, webhooks_alive=alive, rows=ROWS)
    slow = plan_day(poorer, settled, now, webhooks_alive=alive, rows=ROWS)

    if slow.pace is not Pace.STOPPED:  # when nothing at all is polled
        assert fast.pace is not Pace.STOPPED
        for name, interval in fast.intervals.items():
            assert interval <= slow.intervals[name] * CLOSE
        assert fast.reference <= slow.reference * CLOSE


@given(used=st.integers(0, 15_000), less=st.integers(0, 15_000), now=moments, alive=st.booleans())
def test_who_has_used_less_by_the_same_hour_never_polls_less_often(
    used: int, less: int, now: datetime, alive: bool
) -> None:
    fast = planned(tokens(min(used, less)), now=now, webhooks_alive=alive)
    slow = planned(tokens(max(used, less)), now=now, webhooks_alive=alive)

    if slow.pace is not Pace.STOPPED:
        for name, interval in fast.intervals.items():
            assert interval <= slow.intervals[name] * CLOSE


@given(state=days(), settled=chosen_settings, now=moments, alive=st.booleans())
def test_what_makes_an_account_is_never_polled_less_often_than_the_rest(
    state: Tokens, settled: Settings, now: datetime, alive: bool
) -> None:
    intervals = plan_day(state, settled, now, webhooks_alive=alive, rows=ROWS).intervals

    for pressing in PRESSING:
        for other in OTHERS:
            assert intervals.get(pressing, 0) <= intervals.get(other, DAY)


# --- the day goes by --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "pace"),
    [
        (0, Pace.PLANNED),
        (11_999, Pace.PLANNED),
        (12_000, Pace.SLOWED),
        (14_999, Pace.SLOWED),
        (15_000, Pace.STOPPED),
        (15_500, Pace.STOPPED),
    ],
)
def test_it_slows_at_four_fifths_of_our_share_and_stops_when_that_is_used(used: int, pace: Pace) -> None:
    assert planned(tokens(used)).pace is pace


@pytest.mark.parametrize("alive", [False, True])
def test_slowed_polls_go_at_half_their_pace_and_the_sweep_rests(alive: bool) -> None:
    # The same is left to spend: only how much we have used of our share differs.
    before = planned(tokens(11_999, available=3_000), webhooks_alive=alive)
    slowed = planned(tokens(12_000, available=3_000), webhooks_alive=alive)

    for name in slowed.intervals:
        assert slowed.intervals[name] == pytest.approx(2 * before.intervals[name])
    assert slowed.reference == pytest.approx(2 * before.reference)
    assert before.sweep_page < DAY
    assert slowed.sweep_page == DAY


def test_only_who_is_stopped_is_told_when_it_goes_on() -> None:
    assert planned(tokens(0)).resumes_at is None
    assert planned(tokens(12_500)).resumes_at is None
    assert planned(tokens(15_000)).resumes_at == MIDNIGHT


def test_a_day_that_others_have_spent_stops_us_too() -> None:
    plan = planned(tokens(100, available=0, company_left=0))

    assert (plan.pace, plan.resumes_at) == (Pace.STOPPED, MIDNIGHT)


def test_it_stops_until_the_reset_that_pipedrive_was_seen_to_have() -> None:
    evening = datetime(2026, 11, 2, 23, tzinfo=UTC)
    state = BudgetState(MORNING.date(), used_by_us=15_000, daily_limit=30_000, left=9_000, resets_at=evening)

    plan = planned(token_state(TokenBudget(0.5, 30_000, state), settings(), MORNING))

    assert (plan.pace, plan.resumes_at) == (Pace.STOPPED, evening)


def test_after_a_refusal_it_stops_until_pipedrive_may_be_asked_again() -> None:
    in_an_hour = MORNING + timedelta(hours=1)
    state = BudgetState(MORNING.date(), used_by_us=40, daily_limit=30_000, left=0, spent_until=in_an_hour)

    plan = planned(token_state(TokenBudget(0.5, 30_000, state), settings(), MORNING))

    assert (plan.pace, plan.resumes_at) == (Pace.STOPPED, in_an_hour)


def test_what_is_not_used_by_noon_makes_the_afternoon_faster() -> None:
    morning = planned(tokens(2_000), now=MIDNIGHT - timedelta(hours=20))
    afternoon = planned(tokens(2_000), now=MIDNIGHT - timedelta(hours=10))

    assert afternoon.intervals["deals"] < morning.intervals["deals"]


def test_in_the_last_second_of_a_day_what_is_left_is_not_thrown_away() -> None:
    plan = planned(tokens(0), now=MIDNIGHT - timedelta(seconds=1))

    assert plan.intervals["deals"] == 15


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alive", [False, True])
def test_a_fixed_interval_is_kept_whatever_is_left(alive: bool) -> None:
    for state in (tokens(0), tokens(0, limit=5_000_000), tokens(0, available=10)):
        plan = planned(state, webhooks_alive=alive, poll={"interval": 60})
        assert {plan.intervals[name] for name in PRESSING} == {60}
        assert plan.intervals["notes"] == 240


def test_a_fixed_interval_too_is_doubled_when_the_share_runs_out() -> None:
    assert planned(tokens(12_000), poll={"interval": 60}).intervals["deals"] == 120


def test_what_is_left_out_is_not_planned_for_and_leaves_more_for_the_rest() -> None:
    everything = planned(tokens(0))
    private = planned(tokens(0), privacy={"leave_out": ["persons", "notes", "files", "organizations.address"]})

    assert everything.intervals.keys() - private.intervals.keys() == {"persons", "notes", "files"}
    assert private.intervals["organizations"] < everything.intervals["organizations"]


def test_who_always_wants_reference_lists_and_files_gets_them_every_quarter_of_a_minute_at_best() -> None:
    plan = planned(tokens(0, limit=50_000_000), poll={"reference_interval": 0, "files_interval": 0})

    assert (plan.reference, plan.intervals["files"]) == (15, 15)


def test_the_largest_company_is_polled_every_fifteen_seconds() -> None:
    assert planned(tokens(0, limit=30_000 * 7 * 100)).intervals["deals"] == 15


def test_the_smallest_company_gets_its_polls_every_ten_minutes_and_a_sweep_every_day_or_two() -> None:
    plan = planned(tokens(0), now=MIDNIGHT - timedelta(days=1))

    assert plan.pace is Pace.PLANNED
    assert 300 <= plan.intervals["deals"] <= 900
    assert plan.reference <= 2 * 3600
    assert plan.intervals["files"] <= 1800
    pages = sum(ROWS.get(name, 0) // 500 + 1 for name in plan.intervals)
    assert pages * plan.sweep_page <= 2 * DAY


def test_the_smallest_company_with_webhooks_spends_on_polls_what_a_safety_net_costs() -> None:
    plan = planned(tokens(0), now=MIDNIGHT - timedelta(days=1), webhooks_alive=True)

    assert plan.intervals["deals"] == 900
    assert plan.polls < planned(tokens(0), now=MIDNIGHT - timedelta(days=1)).polls
