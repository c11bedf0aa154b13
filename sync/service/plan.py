"""The plan for what is left of the day: how often each list is polled, and how fast the sweep goes. Pure arithmetic.

First a reserve for people's changes; then the lists that have no other way (reference lists, files); then the polls,
the most pressing lists more often than others; the sweep takes what is left. With webhooks alive, polls are a safety
net. At 80 % of our share everything slows down, at 100 % it stops until the day's tokens come back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from sync.mirror.state import Tokens
from sync.pipedrive.entities import ENTITIES, Listing, Poll
from sync.settings import Settings

SHORTEST = 15.0  # seconds between two polls of one list
SAFETY_NET = 900.0  # seconds between two polls while webhooks are alive
_LONGEST = 86_400.0
_SLOW_FROM = 0.8  # of our share
_FOR_FIXED = 0.3  # of what may be spent, at most, on what has an interval of its own
_FOR_POLLS = 0.8  # of the rest; the sweep has what remains
_ROUND = 6 * 3600.0  # seconds that a round of the sweep takes at least
_ROUND_WITH_WEBHOOKS = 3 * 86_400.0  # they tell of deletions


class Pace(StrEnum):
    """How the day goes."""

    PLANNED = "planned"
    SLOWED = "slowed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left of the day, shared out. Tokens are for the rest of the day, intervals in seconds."""

    pace: Pace
    resumes_at: datetime | None  # when stopped
    webhooks_alive: bool
    reserve: int
    fixed: int
    polls: int
    sweep: int
    intervals: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # of each list
    newest_ids: float = SAFETY_NET
    reference: float = _LONGEST
    sweep_page: float = _LONGEST
    follow_up: float = SAFETY_NET  # how long a record may wait to be read


def plan_day(
    tokens: Tokens,
    settings: Settings,
    now: datetime,
    *,
    webhooks_alive: bool,
    rows: Mapping[str, int],
) -> Plan:
    """Share out what may still be used today; `rows` is how long each list is."""
    seconds = max((tokens.resets_at - now).total_seconds(), 60.0)
    left = _left(tokens)
    used = tokens.used_today / max(tokens.our_limit, 1)
    pace = Pace.STOPPED if left <= 0 else Pace.SLOWED if used >= _SLOW_FROM else Pace.PLANNED
    reserve = min(int(settings.budget.reserve * tokens.our_limit), left)
    spendable = float(left - reserve)

    lists = _polled(settings)
    wanted = _fixed(lists, settings, seconds)
    fixed = min(wanted, _FOR_FIXED * spendable)
    stretch = wanted / fixed if fixed else _LONGEST
    spendable -= fixed

    every = _cost_of_a_turn(lists)
    interval = _poll_interval(settings, webhooks_alive, _FOR_POLLS * spendable, every, seconds)
    if pace is Pace.SLOWED:
        interval, stretch, fixed = 2 * interval, 2 * stretch, fixed / 2
    polls = min(every * seconds / interval, _FOR_POLLS * spendable)

    sweep_page = _sweep_interval(lists, rows, spendable - polls, seconds, webhooks_alive)
    return Plan(
        pace=pace,
        resumes_at=tokens.spent_until or tokens.resets_at if pace is Pace.STOPPED else None,
        webhooks_alive=webhooks_alive,
        reserve=reserve,
        fixed=int(fixed),
        polls=int(polls),
        sweep=int(spendable - polls),
        intervals=MappingProxyType(
            {
                one.name: min(
                    _own_interval(settings.poll.files_interval, stretch)
                    if one.poll is Poll.NEWEST
                    else interval * one.pace,
                    _LONGEST,
                )
                for one in lists
            }
        ),
        newest_ids=min(interval * (4 if webhooks_alive else 1), _LONGEST),
        reference=_own_interval(settings.poll.reference_interval, stretch),
        sweep_page=_LONGEST if pace is Pace.SLOWED else sweep_page,
        follow_up=SAFETY_NET,
    )


def _left(tokens: Tokens) -> int:
    """What we may still use today; where the server alone sets the limit and has not told it, our share of it."""
    return max(tokens.our_limit - tokens.used_today, 0) if tokens.available is None else tokens.available


def _polled(settings: Settings) -> Sequence[Listing]:
    left_out = settings.privacy.leave_out
    return [
        listing
        for entity in ENTITIES
        if not entity.is_reference and entity.name not in left_out
        for listing in entity.listings
    ]


def _fixed(lists: Sequence[Listing], settings: Settings, seconds: float) -> float:
    """The tokens that lists with an interval of their own cost in that time: reference lists, and files."""
    reference = sum(listing.cost for entity in ENTITIES if entity.is_reference for listing in entity.listings)
    files = sum(listing.cost for listing in lists if listing.poll is Poll.NEWEST)
    return seconds * (
        reference / _own_interval(settings.poll.reference_interval)
        + files / _own_interval(settings.poll.files_interval)
    )


def _own_interval(seconds: int, stretch: float = 1.0) -> float:
    """An interval of the settings, stretched; within what any list may have."""
    return min(max(seconds, SHORTEST) * stretch, _LONGEST)


def _cost_of_a_turn(lists: Sequence[Listing]) -> float:
    """The tokens of polling each list once, those that are polled less often counting less."""
    return sum(one.cost / one.pace + (one.cost if one.newest_ids else 0) for one in lists if one.poll is Poll.SINCE)


def _poll_interval(settings: Settings, webhooks_alive: bool, tokens: float, every: float, seconds: float) -> float:
    if settings.poll.interval is not None:
        return float(settings.poll.interval)
    affordable = every * seconds / tokens if tokens > 0 else _LONGEST
    return min(max(SAFETY_NET if webhooks_alive else SHORTEST, affordable), _LONGEST)


def _sweep_interval(
    lists: Sequence[Listing], rows: Mapping[str, int], tokens: float, seconds: float, webhooks_alive: bool
) -> float:
    """Seconds between two pages of the sweep: no faster than the shortest round, and within the tokens."""
    pages = {one: rows.get(one.name, 0) // one.page_size + 1 for one in lists}
    count = sum(pages.values())
    cost = sum(one.cost * number for one, number in pages.items()) / count
    affordable = cost * seconds / tokens if tokens > 0 else _LONGEST
    shortest = (_ROUND_WITH_WEBHOOKS if webhooks_alive else _ROUND) / count
    return min(max(shortest, affordable, SHORTEST), _LONGEST)
