"""The day's tokens as charts: numbers from which a template draws SVG. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sync.mirror.state import Tokens
from sync.web.pages.language import Language

DAYS = 14
WIDTH = 600
HEIGHT = 120  # of the bars of the days
_GAP = 0.25  # of the room of a day

# Purposes in the order in which they are drawn, in groups of one colour.
_GROUPS: Mapping[str, Sequence[str]] = {
    "write": ("write-back", "fill", "subscribe", "check"),
    "follow": ("follow-up",),
    "poll": ("poll", "reference", "webhooks"),
    "copy": ("backfill",),
    "sweep": ("sweep",),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar: what it was for, and how much."""

    group: str
    title: str
    tokens: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class TodayChart:
    """One bar of what was used today; the marks are our share and where the company's day stands."""

    pieces: Sequence[Piece]
    ours: float  # where our share ends
    company: float | None  # how far the company as a whole is
    limit: int  # what the whole width stands for
    company_used: int | None


@dataclass(frozen=True, slots=True)
class DayBar:
    """A day: its bar, and its tokens in words."""

    day: date
    x: float
    y: float
    width: float
    height: float
    tokens: int

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class DaysChart:
    """The last days, the latest at the right. `ours` is the height of our share of a day, if it is in the picture."""

    bars: Sequence[DayBar]
    top: int
    ours: float | None


def today_chart(tokens: Tokens, language: Language) -> TodayChart:
    """What was used today by what it was for, against our share and the company's limit."""
    limit = max(tokens.company_limit or tokens.our_limit, tokens.our_limit, tokens.used_today, 1)
    company_used = None
    if tokens.company_limit is not None and tokens.company_left is not None:
        company_used = max(tokens.company_limit - tokens.company_left, 0)
    pieces, x = [], 0.0
    for group, used in _grouped(tokens.used_by_purpose).items():
        width = WIDTH * used / limit
        pieces.append(Piece(group, _title(group, language), used, round(x, 1), round(width, 1)))
        x += width
    return TodayChart(
        pieces=pieces,
        ours=_place(tokens.our_limit, limit),
        company=None if company_used is None else _place(company_used, limit),
        limit=limit,
        company_used=company_used,
    )


def _place(tokens: int, limit: int) -> float:
    return round(min(WIDTH * tokens / limit, WIDTH), 1)


def _grouped(by_purpose: Mapping[str, int]) -> Mapping[str, int]:
    """Tokens by group of purposes; those that nothing was used for are left out."""
    known = {purpose: group for group, purposes in _GROUPS.items() for purpose in purposes}
    sums = dict.fromkeys([*_GROUPS, "other"], 0)
    for purpose, tokens in by_purpose.items():
        sums[known.get(purpose, "other")] += tokens
    return {group: tokens for group, tokens in sums.items() if tokens}


def _title(group: str, language: Language) -> str:
    say = language.say
    return {
        "write": say("Changes by people, and checks"),
        "follow": say("Reading what webhooks told of"),
        "poll": say("Looking for changes"),
        "copy": say("First copy"),
        "sweep": say("Looking for deletions"),
    }.get(group, say("Other"))


def days_chart(usage: Mapping[date, Mapping[str, int]], today: date, our_limit: int) -> DaysChart:
    """What was used on each of the last days."""
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    sums = [sum(usage.get(day, {}).values()) for day in days]
    highest = max(*sums, 1)
    top = max(highest, our_limit) if our_limit <= 3 * highest else highest  # else every bar would be a line
    room = WIDTH / DAYS
    bars = []
    for place, (day, tokens) in enumerate(zip(days, sums, strict=True)):
        height = round(HEIGHT * tokens / top, 1)
        x, y = round(room * (place + _GAP / 2), 1), round(HEIGHT - height, 1)
        bars.append(DayBar(day, x, y, round(room * (1 - _GAP), 1), height, tokens))
    return DaysChart(bars, top, round(HEIGHT * (1 - our_limit / top), 1) if our_limit <= top else None)
