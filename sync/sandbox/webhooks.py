"""Sends the company's events to its webhook subscriptions, by Pipedrive's rules of delivery.

An event is queued for every active subscription that matches it and whose user may see the record. A delivery is a
success on any 2xx within ten seconds; else it is retried after 3, 30 and 150 seconds. First attempts that fail count
towards a ban, during which events are lost; a webhook without any success in three days is deleted.

Somebody has to drive it: `pump` delivers what is due by the company's clock, in order; `Couriers` do so from threads.
How an answer is got is the transport's part. Guarded by the company's lock, which no delivery holds on its way.
"""

import base64
import heapq
import itertools
import math
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sync.sandbox.access import Access
from sync.sandbox.changes import Change
from sync.sandbox.company import Company
from sync.sandbox.entities import ENTITIES
from sync.sandbox.payloads import Event, body_of, event_of
from sync.sandbox.records import Record, decode, row_of
from sync.sandbox.shapes import SHAPES, Context
from sync.sandbox.tables import Row

TIMEOUT_SECONDS = 10.0
RETRY_SECONDS = (3.0, 30.0, 150.0)
BAN_AFTER = 10
BAN_SECONDS = 30 * 60.0
EXPIRY_SECONDS = 3 * 86_400.0
USER_AGENT = "Pipedrive Webhooks"

Transport = Callable[[str, Mapping[str, str], bytes], int | None]
"""Posts a body with headers to an address. Returns the status, or None when no answer came in time."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt to deliver an event, as it ended; the status is None where no answer came."""

    event_id: str
    webhook_id: int
    attempt: int
    at: datetime
    status: int | None


@dataclass(frozen=True, slots=True)
class Unreliability:
    """What chance does to deliveries: by default nothing, and all arrive at once, once, and in order.

    `drop` and `duplicate` are probabilities; every copy is sent up to `delay` seconds late, which mixes up their order.
    """

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0

    def delays(self) -> list[float]:
        """After how many seconds each copy of one delivery is sent; empty if it never is."""
        copies = 0 if self.chance.random() < self.drop else 2 if self.chance.random() < self.duplicate else 1
        return [self.chance.uniform(0.0, self.delay) for _ in range(copies)]


@dataclass(frozen=True, slots=True)
class _Delivery:
    event: Event
    webhook_id: int
    attempt: int = 1


@dataclass(slots=True)
class _Standing:
    """How a webhook fares: since when it had no success, failed first attempts since the last ban, end of the ban."""

    without_success_since: float
    failed_first_attempts: int = 0
    failed: bool = False
    banned_until: float = -math.inf


class Deliveries:
    """All deliveries of a company, waiting or done. `transport` and `unreliability` may be changed at any time."""

    def __init__(self, company: Company, access: Access, transport: Transport) -> None:
        self.company = company
        self.transport = transport
        self.unreliability = Unreliability()
        self.log: list[Attempted] = []
        self.queued = threading.Condition(company.lock)
        """Notified when something was added to the queue."""
        self._access = access
        self._waiting: list[tuple[float, int, _Delivery]] = []
        self._order = itertools.count()
        self._standings: dict[int, _Standing] = {}
        self._losing_until = -math.inf
        company.listeners.append(self._hear)

    def detach(self) -> None:
        """Hear of no more changes."""
        with self.company.lock, suppress(ValueError):
            self.company.listeners.remove(self._hear)

    def lose_for(self, seconds: float) -> None:
        """Lose all events from now on for so many seconds; 0 undoes it."""
        self._losing_until = self._now() + seconds

    @property
    def pending(self) -> int:
        """How many deliveries wait for their time."""
        return len(self._waiting)

    def next_due(self) -> float | None:
        """When the next delivery is due, by the clock's `monotonic`; None when none is waiting."""
        with self.company.lock:
            return self._waiting[0][0] if self._waiting else None

    def pump(self) -> int:
        """Make every attempt that is due, in order, and those that become due meanwhile. Returns how many it made."""
        self._expire()
        count = 0
        while self.deliver_one():
            count += 1
        return count

    def deliver_one(self) -> bool:
        """Make the next attempt if it is due. Returns whether there was one."""
        while True:
            with self.company.lock:
                if not self._waiting or self._waiting[0][0] > self._now():
                    return False
                delivery = heapq.heappop(self._waiting)[2]
                webhook = self._addressee(delivery)
            if webhook is not None:
                self._attempt(delivery, webhook)
                return True

    # Queueing

    def _hear(self, change: Change) -> None:
        """Queue what a change gives rise to. The company calls it with its lock held."""
        if change.entity == "webhooks":
            self._standing(change.id)
        if change.entity not in SHAPES or not self.company.tables["webhooks"].rows:
            return
        webhooks = list(self._subscribed(change))
        if not webhooks:
            return
        row = row_of(ENTITIES[change.entity], change.after or change.before or {})
        webhooks = [hook for hook in webhooks if self._access.may_see(hook["user_id"], change.entity, row)]
        event = event_of(change, self._context(change, row))
        if not event.tells_nothing or self.company.switches.unchanged_update_sends:
            for webhook in webhooks:
                self._send(event, webhook["id"])

    def _subscribed(self, change: Change) -> Iterator[Record]:
        self._expire()
        names = (SHAPES[change.entity].name, "*")
        for row in self.company.tables["webhooks"].rows.values():
            webhook = decode(row)
            # The payloads of version 1 are not simulated: such a webhook gets nothing.
            active = webhook["is_active"] == 1 and webhook["version"] == "2.0"
            if active and webhook["event_action"] in (change.action, "*") and webhook["event_object"] in names:
                yield webhook

    def _context(self, change: Change, row: Row) -> Context:
        company = self.company
        fields = company.fields.custom(change.entity)
        return Context(
            company_id=company.id,
            host=f"{company.domain}.pipedrive.com",
            switches=company.switches,
            custom_fields={code: definition["field_type"] for code, definition in fields.items()},
            permitted_user_ids=self._access.permitted_users(change.entity, row),
            first_won_time=company.first_won_times.get(change.id) if change.entity == "deals" else None,
        )

    def _send(self, event: Event, webhook_id: int) -> None:
        now = self._now()
        if now < self._losing_until or now < self._standing(webhook_id).banned_until:
            return
        for delay in self.unreliability.delays():
            self._queue(now + delay, _Delivery(event, webhook_id))

    def _queue(self, due: float, delivery: _Delivery) -> None:
        heapq.heappush(self._waiting, (due, next(self._order), delivery))
        self.queued.notify()

    # Delivering

    def _addressee(self, delivery: _Delivery) -> Record | None:
        """The webhook a delivery goes to; None if it is gone, inactive, or banned."""
        webhook = self.company.find("webhooks", delivery.webhook_id)
        if webhook is None or webhook["is_active"] != 1:
            return None
        banned = self._now() < self._standing(delivery.webhook_id).banned_until
        lost = banned and (delivery.attempt == 1 or self.company.switches.ban_drops_retries)
        return None if lost else webhook

    def _attempt(self, delivery: _Delivery, webhook: Record) -> None:
        body = body_of(delivery.event, webhook, delivery.attempt)
        started = self._now()
        status = self.transport(webhook["subscription_url"], _headers(webhook), body)
        if self._now() - started > TIMEOUT_SECONDS:
            status = None
        with self.company.lock:
            self._conclude(delivery, status)

    def _conclude(self, delivery: _Delivery, status: int | None) -> None:
        """Keep the outcome of an attempt and do what follows from it."""
        at, now, webhook_id = self.company.exact_now(), self._now(), delivery.webhook_id
        self.log.append(Attempted(delivery.event.id, webhook_id, delivery.attempt, at, status))
        if webhook_id not in self.company.tables["webhooks"].rows:
            return
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.company.annotate("webhooks", webhook_id, {"last_delivery_time": stamp, "last_http_status": status})
        standing = self._standing(webhook_id)
        if status is not None and 200 <= status < 300:
            standing.without_success_since, standing.failed = now, False
            return
        standing.failed = True
        if delivery.attempt == 1:
            _count_failure(standing, now)
        if delivery.attempt <= len(RETRY_SECONDS):
            due = now + RETRY_SECONDS[delivery.attempt - 1]
            self._queue(due, _Delivery(delivery.event, webhook_id, delivery.attempt + 1))
        self._expire()

    def _expire(self) -> None:
        """Delete the webhooks that had no success in three days."""
        with self.company.lock:
            for webhook_id in list(self.company.tables["webhooks"].rows):
                standing = self._standing(webhook_id)
                over = self._now() - standing.without_success_since >= EXPIRY_SECONDS
                if over and (standing.failed or self.company.switches.idle_webhooks_expire):
                    self.company.erase("webhooks", webhook_id)

    def _standing(self, webhook_id: int) -> _Standing:
        return self._standings.setdefault(webhook_id, _Standing(self._now()))

    def _now(self) -> float:
        return self.company.clock.monotonic()


def _count_failure(standing: _Standing, now: float) -> None:
    """Count towards a ban. Only the end of a ban sets the count back, no success does."""
    if now < standing.banned_until:
        return
    standing.failed_first_attempts += 1
    if standing.failed_first_attempts == BAN_AFTER:
        standing.failed_first_attempts = 0
        standing.banned_until = now + BAN_SECONDS


def _headers(webhook: Record) -> dict[str, str]:
    """There is no signature: the Basic credentials given at creation are the only authentication."""
    headers = {"content-type": "application/json", "user-agent": USER_AGENT}
    if webhook["http_auth_user"] is None:
        return headers
    credentials = f"{webhook['http_auth_user']}:{webhook['http_auth_password'] or ''}"
    return headers | {"authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
