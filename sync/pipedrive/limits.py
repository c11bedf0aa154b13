"""How fast and how much we may ask: the rolling 2-second burst window, and the day's tokens.

Both are bookkeeping only: they decide from the moments and headers they are given, and threads may share them. They
send nothing and store nothing; waiting goes through the caller's clock, and the caller saves and restores the state.
"""

import math
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime

from sync.clock import Clock
from sync.pipedrive.errors import BudgetSpent

_MARGIN = 0.005  # seconds: Pipedrive's clock and ours do not tick in step
_FAR_AWAY = 60.0  # seconds: a burst window never resets so late, so it is the day's budget
_FARTHEST = 26 * 3600.0  # seconds: no day is longer, so what says more is no time until a reset
_DAY = timedelta(days=1)
_PROBE = timedelta(hours=1)  # how soon to look again when the moment of the reset is only assumed
_MEANINGFUL_GAP = timedelta(hours=2)  # a reset seen after a longer silence could have been at any time

Ticket = tuple[int, int]


def number_header(headers: Mapping[str, str], name: str) -> float | None:
    """A header as a number of 0 or more; None when it is missing or unreadable."""
    try:
        value = float(headers[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _whole_header(headers: Mapping[str, str], name: str) -> int | None:
    value = number_header(headers, name)
    return None if value is None else int(value)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, in either of its two forms; None without one."""
    if "retry-after" not in headers:
        return None
    seconds = number_header(headers, "retry-after")
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(headers["retry-after"])
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds(), 0.0)


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds a 429 asks to wait: `Retry-After`, else `x-ratelimit-reset` (Pipedrive API: relative seconds)."""
    asked = retry_after(headers, now)
    return number_header(headers, "x-ratelimit-reset") if asked is None else asked


def is_daily(headers: Mapping[str, str], now: datetime) -> bool:
    """Whether a 429 with these headers is the day's budget, not the burst window: then waiting seconds cannot help."""
    if number_header(headers, "x-daily-ratelimit-token-remaining") == 0:
        return True
    return (asked_wait(headers, now) or 0.0) > _FAR_AWAY


class BurstWindow:
    """At most `limit` requests in any rolling `seconds`, as the server counts them.

    When between sending and answer the server counts a request is unknown. So a slot is held from the sending until
    `seconds` after the answer: whatever moments the server counted, no window of its own can hold more than `limit`.
    Who waits stands in line by priority (0 first), and is woken when the slot of its place in the line can be free.
    """

    def __init__(self, limit: int = 20, seconds: float = 2.0) -> None:
        self._limit = limit
        self._seconds = seconds
        self._in_flight = 0
        self._freed_at: list[float] = []
        self._line: list[Ticket] = []
        self._joined = 0
        self._held_until = 0.0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        return self._limit

    def join(self, priority: int) -> Ticket:
        """Stand in line: behind everyone of the same or a more urgent priority."""
        with self._lock:
            self._joined += 1
            ticket = (priority, self._joined)
            insort(self._line, ticket)
            return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give up the place in the line, if there still is one."""
        with self._lock:
            if ticket in self._line:
                self._line.remove(ticket)

    def try_take(self, now: float, ticket: Ticket | None = None) -> float:
        """Take a slot at monotonic `now` and return 0.0, or return the seconds to wait before asking again.

        Without a ticket, the caller stands behind everyone in line.
        """
        with self._lock:
            if now < self._held_until:
                return self._held_until - now
            del self._freed_at[: bisect_right(self._freed_at, now)]
            ahead = len(self._line) if ticket is None else bisect_left(self._line, ticket)
            missing = self._in_flight + len(self._freed_at) + ahead + 1 - self._limit
            if missing > 0:
                return self._wait_for(missing, now)
            self._in_flight += 1
            if ticket is not None:
                self._line.remove(ticket)
            return 0.0

    def release(self, now: float) -> None:
        """The answer of a taken slot arrived (or never will) at monotonic `now`."""
        with self._lock:
            self._in_flight -= 1
            insort(self._freed_at, now + self._seconds + _MARGIN)

    def learn(self, limit: int) -> None:
        """Take over the true limit, as `x-ratelimit-limit` tells it."""
        with self._lock:
            self._limit = max(limit, 1)

    def hold_until(self, moment: float) -> None:
        """After a 429: nobody takes a slot before monotonic `moment`."""
        with self._lock:
            self._held_until = max(self._held_until, moment)

    @contextmanager
    def slot(self, clock: Clock, priority: int) -> Iterator[None]:
        """Wait for a slot, hold it for the body, release it. Raises what `clock.sleep` raises."""
        ticket = self.join(priority)
        try:
            while (wait := self.try_take(clock.monotonic(), ticket)) > 0:
                clock.sleep(wait)
        finally:
            self.leave(ticket)
        try:
            yield
        finally:
            self.release(clock.monotonic())

    def _wait_for(self, missing: int, now: float) -> float:
        if missing <= len(self._freed_at):
            return self._freed_at[missing - 1] - now
        return self._seconds  # a request still under way cannot free its slot any sooner


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What is known of the day's tokens; made to be saved and restored.

    `left` and `daily_limit` are the company's, as the headers last told them at `seen_at`. `resets_at` is the next
    reset as far as it was learned (None: midnight UTC is assumed). `spent_until`: the server said the day is spent.
    """

    day: date
    used_by_us: int = 0
    by_purpose: Mapping[str, int] = field(default_factory=dict)
    daily_limit: int | None = None
    left: int | None = None
    resets_at: datetime | None = None
    spent_until: datetime | None = None
    seen_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When this day ends: the learned reset, else the midnight (UTC) after it."""
        return self.resets_at or datetime.combine(self.day + _DAY, time(), UTC)

    def plus(self, cost: int, purpose: str) -> "BudgetState":
        """This state after `cost` more tokens for `purpose`."""
        by_purpose = {**self.by_purpose, purpose: self.by_purpose.get(purpose, 0) + cost}
        return replace(self, used_by_us=self.used_by_us + cost, by_purpose=by_purpose)

    def next_day(self, now: datetime, resets_at: datetime | None) -> "BudgetState":
        """The day that `now` lies in, with nothing used yet; `resets_at` is any learned moment of reset."""
        if resets_at is not None and resets_at <= now:
            resets_at += _DAY * ((now - resets_at) // _DAY + 1)
        return BudgetState(_day_of(now, resets_at), daily_limit=self.daily_limit, resets_at=resets_at)


def _day_of(now: datetime, resets_at: datetime | None) -> date:
    """A day carries the date of its middle, so that a reset late in the evening begins the day after."""
    return now.date() if resets_at is None else (resets_at - _DAY / 2).date()


def _jumped(before: BudgetState, left: int, limit: int | None) -> bool:
    """Whether the tokens left rose as only a reset explains: not by answers out of order, nor by bought tokens."""
    bought = limit - before.daily_limit if limit is not None and before.daily_limit is not None else 0
    return before.left is not None and left - before.left - bought >= _noticeable(limit)


def _goes_on(before: BudgetState, left: int, limit: int | None) -> bool:
    """Whether the server's day is still `before`: enough of it was used for a reset to show, and none shows."""
    if before.daily_limit is None or before.left is None:
        return not _jumped(before, left, limit)
    return before.daily_limit - before.left >= 2 * _noticeable(limit) and not _jumped(before, left, limit)


def _noticeable(limit: int | None) -> int:
    return max(400, (limit or 0) // 50)


def _reset_after(seen_at: datetime | None, now: datetime) -> datetime | None:
    """The next reset, after a jump between `seen_at` and `now`; None when they are too far apart to tell.

    A reset is midnight somewhere, and every time zone's midnight is a quarter of an hour in UTC.
    """
    if seen_at is None or now - seen_at > _MEANINGFUL_GAP:
        return None
    quarter = now.replace(minute=now.minute - now.minute % 15, second=0, microsecond=0)
    return (quarter if quarter > seen_at else now) + _DAY


class TokenBudget:
    """The tokens of one company's day, and our share of them.

    `share` (0..1) of the daily limit is ours; 1 lifts our own limit and leaves it to the server to say stop.
    `assumed_daily_tokens` stands in until a header tells the limit. A day that begins by the clock alone is taken back
    when the next header shows that the server's own day goes on.
    """

    def __init__(self, share: float, assumed_daily_tokens: int, state: BudgetState | None = None) -> None:
        self._share = share
        self._assumed = assumed_daily_tokens
        self._state = state
        self._reserved = 0
        self._unconfirmed: BudgetState | None = None
        self._same_day_until: datetime | None = None
        self._undrained: dict[tuple[date, str], int] = {}
        self._lock = threading.Lock()

    def resume(self, saved: BudgetState | None, now: datetime) -> None:
        """Go on from a saved state: what was used since this budget began comes on top, newer headers count."""
        with self._lock:
            begun, self._state = self._state, saved
            state = self._turn(now)
            if begun is None or saved is None:
                self._state = saved or begun
                return
            for purpose, cost in begun.by_purpose.items():
                state = state.plus(cost, purpose)
            self._state = state
            if begun.left is not None:
                self._learn(begun.daily_limit, begun.left, now)

    def require(self, cost: int, purpose: str, now: datetime, *, beyond_share: bool = False) -> None:
        """Set `cost` tokens aside for a call about to be sent; `record` or `forgo` settles them.

        Raises `BudgetSpent` when the server said the day is spent, or when our share would be passed; a call that a
        person waits for may go `beyond_share`.
        """
        with self._lock:
            state = self._turn(now)
            if state.spent_until is not None and now < state.spent_until:
                resets_at = self._resets_at(state, now)
                raise BudgetSpent(f"Pipedrive's tokens of this day are spent (needed for: {purpose}).", resets_at)
            ours = self._ours(state)
            if ours is not None and not beyond_share and state.used_by_us + self._reserved + cost > ours:
                raise BudgetSpent(
                    f"This program has used its share of the day's tokens (needed for: {purpose}; used "
                    f"{state.used_by_us:,} of {ours:,}, see budget.share in the settings).",
                    self._resets_at(state, now),
                )
            self._reserved += cost

    def forgo(self, cost: int) -> None:
        """Give back what `require` set aside for a call that got no answer, or a 429."""
        with self._lock:
            self._reserved = max(self._reserved - cost, 0)

    def record(self, cost: int, purpose: str, headers: Mapping[str, str], now: datetime) -> None:
        """Count an answered call, and learn what its headers tell of the company's day."""
        with self._lock:
            self._turn(now)
            self._reserved = max(self._reserved - cost, 0)
            left = _whole_header(headers, "x-daily-ratelimit-token-remaining")
            self._learn(_whole_header(headers, "x-daily-ratelimit-token-limit"), left, now)
            state = self._turn(now).plus(cost, purpose)
            self._state = state
            key = (state.day, purpose)
            self._undrained[key] = self._undrained.get(key, 0) + cost
            if left == 0:
                self._close(state, {}, now)

    def exhausted(self, headers: Mapping[str, str], now: datetime) -> datetime:
        """The server refused a call because the day is spent. Returns when it can go on, as well as that is known."""
        with self._lock:
            return self._close(self._take_back(self._turn(now), now), headers, now)

    def available(self, now: datetime) -> int | None:
        """The tokens this program may still use today; None when only the server sets the limit and has not told it."""
        with self._lock:
            state = self._turn(now)
            if state.spent_until is not None and now < state.spent_until:
                return 0
            ours = self._ours(state)
            own = None if ours is None else max(ours - state.used_by_us - self._reserved, 0)
            # That the day is spent no longer counts once Pipedrive may be asked again.
            left = None if state.left == 0 and state.spent_until is not None else state.left
            return min((known for known in (own, left) if known is not None), default=None)

    def snapshot(self) -> BudgetState | None:
        """The state to save; None before the first call of a budget that began without one."""
        with self._lock:
            return self._state

    def drain(self) -> dict[tuple[date, str], int]:
        """The tokens used by day and purpose since the last drain."""
        with self._lock:
            drained, self._undrained = self._undrained, {}
            return drained

    def _ours(self, state: BudgetState) -> int | None:
        limit = self._assumed if state.daily_limit is None else state.daily_limit
        return None if self._share >= 1 else math.floor(self._share * limit + 1e-9)

    def _resets_at(self, state: BudgetState, now: datetime) -> datetime:
        return state.ends_at if state.ends_at > now else now + _PROBE

    def _turn(self, now: datetime) -> BudgetState:
        """The state of the day that `now` lies in; begins a new day when the old one is over."""
        state = self._state
        if state is None:
            state = BudgetState(now.date())
        elif now >= state.ends_at and (self._same_day_until is None or now >= self._same_day_until):
            # Within a day of the assumed reset, the company's own day may still go on: the next header tells.
            provable = state.left is not None and now < state.ends_at + _DAY
            self._unconfirmed = state if provable else None
            state = state.next_day(now, state.resets_at)
        self._state = state
        return state

    def _learn(self, limit: int | None, left: int | None, now: datetime) -> None:
        state = self._turn(now)
        limit = state.daily_limit if limit is None else limit
        if left is None:
            self._state = replace(state, daily_limit=limit)
            return
        before = self._unconfirmed
        if before is not None:
            if _goes_on(before, left, limit):
                state = self._take_back(state, now)
            self._unconfirmed = None
        elif _jumped(state, left, limit):
            state = state.next_day(now, _reset_after(state.seen_at, now) or state.resets_at)
            self._same_day_until = None
        self._state = replace(state, daily_limit=limit, left=left, seen_at=now)

    def _take_back(self, state: BudgetState, now: datetime) -> BudgetState:
        """The day that began by the clock alone did not begin at the server: the old one goes on with all its use."""
        before, self._unconfirmed = self._unconfirmed, None
        if before is None:
            return state
        for purpose, cost in state.by_purpose.items():
            before = before.plus(cost, purpose)
        self._same_day_until = now + _PROBE
        return before

    def _close(self, state: BudgetState, headers: Mapping[str, str], now: datetime) -> datetime:
        """Mark the day as spent; an assumed moment of reset is asked for again within the hour."""
        wait = asked_wait(headers, now) or 0.0
        if _FAR_AWAY < wait <= _FARTHEST:
            moment = now + timedelta(seconds=wait)
            self._state = replace(state, left=0, resets_at=moment, spent_until=moment, seen_at=now)
            return moment
        moment = self._resets_at(state, now)
        again = moment if state.resets_at is not None else min(moment, now + _PROBE)
        self._state = replace(state, left=0, spent_until=again, seen_at=now)
        return moment
