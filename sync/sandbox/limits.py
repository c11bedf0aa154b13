"""Pipedrive's two limits: requests per rolling two seconds and token, and the company's tokens per day.

A pure reckoning on the clock passed in; it answers no request itself. Guarded by the company's lock.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum, auto

from sync.clock import Clock

WINDOW_SECONDS = 2.0


class Verdict(Enum):
    """Whether a request may pass."""

    ADMITTED = auto()
    BURST = auto()
    DAILY = auto()
    BLOCKED = auto()


@dataclass(slots=True)
class _Caller:
    sent: deque[float] = field(default_factory=deque)
    ignored: deque[float] = field(default_factory=deque)
    blocked_until: float = -math.inf


@dataclass(slots=True)
class Limits:
    """The limits in force; every attribute may be changed while the sandbox runs.

    `burst` is requests per two seconds and token (None: no limit). `daily_tokens` is the company's budget, shared by
    all its tokens, and starts anew at midnight in `zone`; None lifts it. `block_after` 429s within `block_window`
    seconds get the caller blocked (HTML 403) for as long.
    """

    clock: Clock
    burst: int | None = 20
    daily_tokens: int | None = 1_000_000
    daily_headers: bool = True
    daily_writes: int = 10_000
    zone: tzinfo = UTC
    block_after: int = 50
    block_window: float = 60.0
    spent: int = 0
    writes: int = 0
    burst_rejections: int = 0
    daily_rejections: int = 0
    _day: str = ""
    _callers: dict[str, _Caller] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """Tokens left today."""
        self._turn_day()
        return max((self.daily_tokens or 0) - self.spent, 0)

    def spend(self, tokens: int) -> None:
        """Use up tokens, as another integration of the company would."""
        self._turn_day()
        self.spent += tokens

    def admit(self, caller: str, cost: int, *, write: bool = False) -> Verdict:
        """Count one request of that many tokens and say whether it may pass. What is refused costs nothing."""
        self._turn_day()
        now = self.clock.monotonic()
        window = self._window(caller, now)
        if now < window.blocked_until:
            return Verdict.BLOCKED
        if self.burst is not None and len(window.sent) >= self.burst:
            self.burst_rejections += 1
            return self._refuse(window, now, Verdict.BURST)
        if self.daily_tokens is not None and self.spent + cost > self.daily_tokens:
            self.daily_rejections += 1
            # From the first refusal on, cheaper calls are refused too: the budget counts as spent.
            self.spent = self.daily_tokens
            return self._refuse(window, now, Verdict.DAILY)
        window.sent.append(now)
        self.spent += cost
        self.writes += write
        return Verdict.ADMITTED

    def headers(self, caller: str, verdict: Verdict) -> dict[str, str]:
        """The rate limit headers of an answer. `x-ratelimit-reset` is in seconds from now."""
        now = self.clock.monotonic()
        window = self._window(caller, now)
        limit = self.burst if self.burst is not None else 1_000
        reset = WINDOW_SECONDS - (now - window.sent[0]) if window.sent else WINDOW_SECONDS
        if verdict is Verdict.DAILY:
            reset = self._seconds_to_midnight()
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(0 if verdict is not Verdict.ADMITTED else max(limit - len(window.sent), 0)),
            "x-ratelimit-reset": str(max(math.ceil(reset), 1)),
        }
        if self.daily_headers and self.daily_tokens is not None:
            headers["x-daily-ratelimit-token-limit"] = str(self.daily_tokens)
            headers["x-daily-ratelimit-token-remaining"] = str(self.remaining)
        if not caller.startswith("Bearer "):
            headers["x-daily-requests-left"] = str(max(self.daily_writes - self.writes, 0))
        return headers

    def _window(self, caller: str, now: float) -> _Caller:
        window = self._callers.setdefault(caller, _Caller())
        while window.sent and now - window.sent[0] >= WINDOW_SECONDS:
            window.sent.popleft()
        return window

    def _refuse(self, window: _Caller, now: float, verdict: Verdict) -> Verdict:
        while window.ignored and now - window.ignored[0] >= self.block_window:
            window.ignored.popleft()
        window.ignored.append(now)
        if len(window.ignored) > self.block_after:
            window.blocked_until = now + self.block_window
            window.ignored.clear()
        return verdict

    def _turn_day(self) -> None:
        today = self.clock.now().astimezone(self.zone).date().isoformat()
        if today != self._day:
            self._day, self.spent, self.writes = today, 0, 0

    def _seconds_to_midnight(self) -> float:
        here = self.clock.now().astimezone(self.zone)
        midnight = datetime.combine(here.date() + timedelta(days=1), datetime.min.time(), self.zone)
        return (midnight - here).total_seconds()
