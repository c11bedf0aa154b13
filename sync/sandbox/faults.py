"""Switchable faults: what can go wrong between a client and Pipedrive, one method each.

A test says what shall happen to which requests (`path` is a pattern like "/api/v2/deals*", `method` a verb; None means
any) and how many `times`; the API asks for the faults of each request and acts them out. Matching is thread-safe.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import TypedDict, Unpack

from sync.sandbox.access import Access
from sync.sandbox.company import Company
from sync.sandbox.messages import Request, Response, blocked_response, error_response, json_response
from sync.sandbox.webhooks import Deliveries, Unreliability


class Stage(Enum):
    """Where on a request's way a fault strikes."""

    REFUSE = auto()
    """The connection is reset before anything took effect."""
    BEFORE = auto()
    """Something else happens just before the request is handled."""
    INSTEAD = auto()
    """Another answer is sent, and nothing takes effect."""
    REPLACE = auto()
    """The request takes effect, but another answer is sent."""
    AFTER = auto()
    """Something else happens after the request took effect, before the answer is on its way."""
    TRUNCATE = auto()
    """Half of the answer's body arrives."""
    LOSE = auto()
    """The request takes effect; the connection is reset before the answer."""
    DELAY = auto()
    """The answer comes late."""


ENDINGS = frozenset({Stage.REFUSE, Stage.INSTEAD, Stage.REPLACE, Stage.TRUNCATE, Stage.LOSE})


class Where(TypedDict, total=False):
    """Which requests a fault strikes: all that match both, the first `times` (default 1) after `skip` of them."""

    times: int
    skip: int
    path: str | None
    method: str | None


@dataclass(slots=True)
class Fault:
    """One fault and the requests it strikes: the `times` ones after the first `skip`."""

    stage: Stage
    times: int = 1
    skip: int = 0
    path: str | None = None
    method: str | None = None
    response: Response | None = None
    action: Callable[[], object] | None = None
    seconds: float = 0.0
    struck: int = 0

    def matches(self, request: Request) -> bool:
        if self.method is not None and self.method.upper() != request.method:
            return False
        return self.path is None or fnmatchcase(request.path, self.path)


class Faults:
    """All faults in force."""

    def __init__(self, company: Company, access: Access, deliveries: Deliveries) -> None:
        self._company = company
        self._access = access
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.latency = 0.0
        """Seconds by which every answer is delayed."""

    def fail(
        self,
        *,
        status: int,
        headers: Mapping[str, str] | None = None,
        message: str | None = None,
        **where: Unpack[Where],
    ) -> Fault:
        """Answer with an error status (in Pipedrive's words for it); the request takes no effect."""
        answer = error_response(status, message)
        answer = Response(status, {**answer.headers, **(headers or {})}, answer.body)
        return self._add(Fault(Stage.INSTEAD, response=answer, **where))

    def fail_after(self, *, status: int = 504, **where: Unpack[Where]) -> Fault:
        """Let the request take effect, then answer with an error status all the same."""
        return self._add(Fault(Stage.REPLACE, response=error_response(status), **where))

    def html_403(self, **where: Unpack[Where]) -> Fault:
        """Answer with Cloudflare's HTML page."""
        return self._add(Fault(Stage.INSTEAD, response=blocked_response(), **where))

    def not_json(self, *, body: bytes = b"<html>We'll be back soon</html>", **where: Unpack[Where]) -> Fault:
        """Answer 200 with a body that is not JSON."""
        answer = Response(200, {"content-type": "text/html"}, body)
        return self._add(Fault(Stage.INSTEAD, response=answer, **where))

    def answer(self, body: object, *, status: int = 200, **where: Unpack[Where]) -> Fault:
        """Answer with this JSON, whatever it is."""
        return self._add(Fault(Stage.INSTEAD, response=json_response(status, body), **where))

    def reset_before(self, **where: Unpack[Where]) -> Fault:
        """Reset the connection before the request takes effect."""
        return self._add(Fault(Stage.REFUSE, **where))

    def reset_after(self, **where: Unpack[Where]) -> Fault:
        """Reset the connection after the request took effect, before any answer."""
        return self._add(Fault(Stage.LOSE, **where))

    def truncate(self, **where: Unpack[Where]) -> Fault:
        """Send half of the answer's body, then close the connection."""
        return self._add(Fault(Stage.TRUNCATE, **where))

    def delay(self, seconds: float, **where: Unpack[Where]) -> Fault:
        """Send the answer that much later (on the sandbox's clock); it shows what was true before the wait."""
        return self._add(Fault(Stage.DELAY, seconds=seconds, **where))

    def before(self, action: Callable[[], object], **where: Unpack[Where]) -> Fault:
        """Run a function just before a request is handled: an edit that gets in between."""
        return self._add(Fault(Stage.BEFORE, action=action, **where))

    def after(self, action: Callable[[], object], **where: Unpack[Where]) -> Fault:
        """Run a function after a request was handled, before its answer is sent."""
        return self._add(Fault(Stage.AFTER, action=action, **where))

    def partial_visibility(self, share: float, token: str | None = None) -> None:
        """Let a token (default: all) see only that share of the organizations and their children; 1 undoes it."""
        with self._company.lock:
            self._access.restrict(share, token)

    def late_lists(self, seconds: float) -> None:
        """Let changes made from now on show up in lists only that many seconds later; 0 undoes it."""
        self._company.list_lag = seconds

    def clock_skew(self, seconds: float) -> None:
        """Let the server's clock (`Date` header, `update_time`) be that far ahead; 0 undoes it."""
        self._company.skew = seconds

    def unreliable_webhooks(self, how: Unreliability) -> None:
        """Let webhooks of events from now on be dropped, doubled or late by chance; `Unreliability()` undoes it."""
        self._deliveries.unreliability = how

    def lose_webhooks(self, seconds: float) -> None:
        """Send no webhook of any event of the next so many seconds, ever; 0 undoes it."""
        self._deliveries.lose_for(seconds)

    def clear(self) -> None:
        """Undo every fault."""
        with self._lock:
            self._faults.clear()
        self.latency = 0.0
        self.partial_visibility(1)
        self.late_lists(0)
        self.clock_skew(0)
        self.unreliable_webhooks(Unreliability())
        self.lose_webhooks(0)

    def take(self, request: Request) -> list[Fault]:
        """The faults that strike this request, each counted as used once; of those that decide its end, the first."""
        struck: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if fault.times <= 0 or not fault.matches(request):
                    continue
                if fault.stage in ENDINGS and any(other.stage in ENDINGS for other in struck):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                fault.struck += 1
                struck.append(fault)
            self._faults = [fault for fault in self._faults if fault.times > 0]
        return struck

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault
