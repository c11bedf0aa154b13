"""Whether webhooks can be relied on: told from the database alone, from what came and from what a poll had to find.

Retries of a delivery take three minutes; a change that a poll found and no event has told of after five was missed. If
the last thing heard is a missed change, webhooks are silent, and polls have to do the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from sync.pipedrive.entities import ENTITIES
from sync.settings import Settings
from sync.store.follow_ups import Queue, load_queues
from sync.store.inbox import Counts, count_events
from sync.store.webhooks import Missed, Subscription, count_missed, forget_announced, load_subscriptions

_GRACE = timedelta(minutes=5)  # Pipedrive API: a delivery is retried after 3, 30 and 150 seconds


@dataclass(frozen=True, slots=True)
class WebhookState:
    """What is known of the webhooks of a company."""

    subscriptions: Sequence[Subscription]
    lacking: Sequence[str]  # what nothing active tells of
    events: Counts
    follow_ups: Sequence[Queue]
    missed: Missed

    @property
    def installed(self) -> bool:
        return bool(self.subscriptions)

    @property
    def silent(self) -> bool:
        """Whether changes were missed since the last event came."""
        last, missed = self.events.last_received, self.missed.latest
        return missed is not None and (last is None or missed > last)

    @property
    def alive(self) -> bool:
        """Whether polls may be a mere safety net: everything is subscribed to, and what happens is told."""
        return self.installed and not self.lacking and self.events.last_received is not None and not self.silent


def load_webhook_state(connection: Connection, company_id: int, settings: Settings, now: datetime) -> WebhookState:
    """The state of a company's webhooks. Reads only."""
    subscriptions = load_subscriptions(connection, company_id)
    active = {one.event_object for one in subscriptions if one.is_active}
    left_out = settings.privacy.leave_out
    wanted = [entity.singular for entity in ENTITIES if entity.has_events and entity.name not in left_out]
    return WebhookState(
        subscriptions=subscriptions,
        lacking=[one for one in wanted if one not in active],
        events=count_events(connection, company_id),
        follow_ups=load_queues(connection, company_id),
        missed=count_missed(connection, company_id, found_before=now - _GRACE),
    )


def tidy_unannounced(connection: Connection, company_id: int, settings: Settings, now: datetime) -> None:
    """Forget changes that an event has told of after all, and those of long ago."""
    forget_announced(connection, company_id, before=now - timedelta(days=settings.retention.inbox_days))
