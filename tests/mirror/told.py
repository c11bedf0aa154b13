"""What Pipedrive tells by webhook, kept until a test lets it come, and what then stands in the inbox and the mirror."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from sync.mirror.company import Mirror
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.inbox import Applied, apply_inbox
from sync.mirror.ingest import Ingested
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import BY_EVENT
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import read_event
from sync.sandbox import Sandbox
from sync.store.database import encode_json
from sync.store.inbox import Received, save_events
from sync.store.schema import TABLES, follow_ups, inbox

Body = dict[str, Any]


class Told:
    """What a simulated Pipedrive delivers: to a subscription of its own to everything, or to those there are."""

    def __init__(self, mirror: Mirror, sandbox: Sandbox, *, subscribe: bool = True) -> None:
        self.mirror = mirror
        self.sandbox = sandbox
        self._delivered: list[Body] = []
        sandbox.deliveries.transport = self._deliver
        if subscribe:
            everything = {"event_action": "*", "event_object": "*", "name": "of a test"}
            sandbox.company.create("webhooks", {"subscription_url": "http://127.0.0.1/", **everything})

    def bodies(self) -> list[Body]:
        """What was told since the last time, in the order in which it happened."""
        self.sandbox.deliveries.pump()
        told = list(self._delivered)
        self._delivered.clear()
        return told

    def one(self) -> Body:
        (body,) = self.bodies()
        return body

    def receive(self, *bodies: Body) -> list[bool]:
        """Let deliveries come, as the receiver stores them; for each whether it was new."""
        mirror, received = self.mirror, []
        for body in bodies:
            event = read_event(body)
            entity = BY_EVENT.get(event.entity)
            shown = mirror.privacy.strip(entity, body) if entity else body
            received.append(Received(event, encode_json(shown), mirror.clock.now()))
        with mirror.database.writing() as connection:
            return save_events(connection, received)

    def come(self) -> Applied:
        """Let all come that was told, and apply it."""
        self.receive(*self.bodies())
        return apply_inbox(self.mirror)

    def _deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self._delivered.append(parse(body))
        return 200


def read_all(mirror: Mirror) -> Ingested:
    """Read every record that waits to be read."""
    return read_follow_ups(mirror, Refusals(), patience=lambda entity: 0)


def waiting(mirror: Mirror, entity: str) -> set[int]:
    """The records of an entity that wait to be read."""
    with mirror.database.reading() as connection:
        return set(connection.scalars(select(follow_ups.c.id).where(follow_ups.c.entity == entity)))


def states(mirror: Mirror) -> list[str]:
    """What became of each event, in the order in which they happened."""
    with mirror.database.reading() as connection:
        return list(connection.scalars(select(inbox.c.state).order_by(inbox.c.event_time, inbox.c.event_id)))


def errors(mirror: Mirror) -> list[str]:
    """Why events are not applied."""
    with mirror.database.reading() as connection:
        return [error for error in connection.scalars(select(inbox.c.error)) if error is not None]


def row(mirror: Mirror, entity: str, record_id: int) -> Mapping[str, Any] | None:
    """A row of the mirror; None where there is none."""
    table = TABLES[entity]
    with mirror.database.reading() as connection:
        return connection.execute(select(table).where(table.c.id == record_id)).mappings().one_or_none()


def rows(mirror: Mirror, entity: str) -> Sequence[Mapping[str, Any]]:
    """Every row of an entity, but for when and by what it was written."""
    table = TABLES[entity]
    with mirror.database.reading() as connection:
        found = connection.execute(select(table).order_by(table.c.id)).mappings().all()
    return [{name: value for name, value in one.items() if name not in ("synced_at", "event_time")} for one in found]
