"""The state of a simulated Pipedrive company, and everything that can happen to it.

Whatever a person or a program could do in Pipedrive is a method here; the API is one caller, a test or a simulation
another. It keeps Pipedrive's bookkeeping (timestamps to the second, soft deletion, purging, merges) and tells its
listeners of every change. It knows nothing of HTTP and validates nothing: that is the API's part. Thread-safe.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync.clock import Clock
from sync.sandbox.changes import Action, Change, Source, Timeline
from sync.sandbox.entities import ENTITIES
from sync.sandbox.fields import Fields
from sync.sandbox.records import Entity, Record, decode, epoch, row_of
from sync.sandbox.rules import Moment, Switches, settle
from sync.sandbox.tables import Table
from sync.sandbox.templates import TEMPLATES

PURGE_AFTER = timedelta(days=30)
CHILDREN = ("deals", "persons", "notes", "files", "activities")


class Company:
    """A company's records. Every public method may be called from any thread."""

    def __init__(self, clock: Clock, *, company_id: int = 7_654_321, name: str = "Nordlicht Handels GmbH") -> None:
        self.clock = clock
        self.id = company_id
        self.name = name
        self.domain = "nordlicht-sandbox"
        self.zone = ZoneInfo("Europe/Berlin")
        self.currency = "EUR"
        self.switches = Switches()
        self.skew = 0.0
        self.list_lag = 0.0
        self.lock = threading.RLock()
        self.tables = {name: Table(name) for name in ENTITIES}
        self.fields = Fields()
        self.file_contents: dict[int, bytes] = {}
        self.first_won_times: dict[int, str] = {}
        self.listeners: list[Callable[[Change], None]] = []
        self._deleted: deque[tuple[int, str, int]] = deque()
        self._timeline = Timeline()

    def now(self) -> datetime:
        """The company's own clock, in whole seconds; `skew` seconds off the one passed in."""
        return self.exact_now().replace(microsecond=0)

    def exact_now(self) -> datetime:
        """The company's own clock with its fractions of a second, which only webhooks show."""
        return self.clock.now() + timedelta(seconds=self.skew)

    # Reading

    def get(self, entity: str, record_id: int) -> Record:
        """A copy of the record as it is now, deleted or not. Raises KeyError for an id that is not there."""
        with self.lock:
            return decode(self.tables[entity].rows[record_id])

    def find(self, entity: str, record_id: int | None) -> Record | None:
        """Like `get`, but None for an id that is not there."""
        with self.lock:
            row = self.tables[entity].rows.get(record_id or 0)
            return None if row is None else decode(row)

    def all(self, entity: str, *, deleted: bool = False) -> list[Record]:
        """Copies of every record, in order of id; those deleted only when asked for."""
        with self.lock:
            rows = self.tables[entity].rows
            return [decode(rows[key]) for key in sorted(rows) if deleted or not rows[key].deleted]

    def count(self, entity: str) -> int:
        """How many records are not deleted."""
        with self.lock:
            return sum(not row.deleted for row in self.tables[entity].rows.values())

    def snapshot(self) -> dict[str, Any]:
        """Everything there is, deleted records and field definitions included, for comparisons."""
        state: dict[str, Any] = {name: self.all(name, deleted=True) for name in ENTITIES}
        return state | {"fields": self.fields.snapshot(), "first_won_times": dict(self.first_won_times)}

    # Writing

    def create(
        self,
        entity: str,
        values: Mapping[str, Any] | None = None,
        *,
        user_id: int | None = None,
        source: Source = "app",
    ) -> Record:
        """Add a record; attributes that are not given take Pipedrive's defaults. Returns the whole record."""
        with self.lock:
            moment = self._moment(user_id)
            sent = dict(values or {})
            record = TEMPLATES[entity](self, moment) | sent
            record["id"] = sent.get("id", self.tables[entity].last_id + 1)
            if entity == "deals" and self.switches.new_deals_have_no_update_time and "update_time" not in sent:
                record["update_time"] = None
            settle(entity, None, record, moment, sent)
            self._store(ENTITIES[entity], record)
            self._tell(moment, source, entity, "create", record["id"], None, record)
            return record

    def update(
        self,
        entity: str,
        record_id: int,
        values: Mapping[str, Any],
        *,
        user_id: int | None = None,
        source: Source = "app",
    ) -> Record:
        """Set attributes (custom fields are merged key by key) and return the whole record after the change."""
        with self.lock:
            moment = self._moment(user_id)
            before = self.get(entity, record_id)
            record = before | dict(values)
            if values.get("custom_fields") is not None:
                record["custom_fields"] = (before["custom_fields"] or {}) | values["custom_fields"]
            settle(entity, before, record, moment, values)
            if record != before or self.switches.unchanged_update_bumps:
                self._touch(ENTITIES[entity], record, moment, values)
            self._store(ENTITIES[entity], record)
            self._tell(moment, source, entity, "change", record_id, before, record)
            return record

    def delete(self, entity: str, record_id: int, *, user_id: int | None = None, source: Source = "app") -> None:
        """Mark a record deleted; it is purged 30 days later. Raises KeyError for an unknown id."""
        with self.lock:
            moment = self._moment(user_id)
            before = self._mark_deleted(entity, record_id, moment)
            self._tell(moment, source, entity, "delete", record_id, before, None)

    def restore(self, entity: str, record_id: int) -> Record:
        """Bring a deleted record back, as an administrator can in the app."""
        spec = ENTITIES[entity]
        return self.update(entity, record_id, {spec.deleted_flag: not spec.deleted_value})

    def erase(self, entity: str, record_id: int) -> None:
        """Remove a record for good at once, without a trace."""
        with self.lock:
            self.tables[entity].remove(record_id)
            if entity == "files":
                self.file_contents.pop(record_id, None)

    def annotate(self, entity: str, record_id: int, values: Mapping[str, Any]) -> None:
        """Set what Pipedrive notes on a record by itself: no rules, no `update_time`, nobody is told."""
        with self.lock:
            self._store(ENTITIES[entity], self.get(entity, record_id) | dict(values))

    def win_deal(self, deal_id: int, **values: Any) -> Record:
        """Mark a deal won now."""
        return self.update("deals", deal_id, {"status": "won", **values})

    def lose_deal(self, deal_id: int, reason: str | None = None) -> Record:
        """Mark a deal lost now."""
        return self.update("deals", deal_id, {"status": "lost", "lost_reason": reason})

    def reopen_deal(self, deal_id: int) -> Record:
        """Make a won or lost deal open again."""
        return self.update("deals", deal_id, {"status": "open"})

    def archive_deal(self, deal_id: int) -> Record:
        """Archive a deal: the plain list of deals no longer shows it."""
        return self.update("deals", deal_id, {"is_archived": True})

    def unarchive_deal(self, deal_id: int) -> Record:
        """Take a deal out of the archive."""
        return self.update("deals", deal_id, {"is_archived": False})

    def merge_organizations(
        self, path_id: int, merge_with_id: int, *, user_id: int | None = None, source: Source = "app"
    ) -> int:
        """Merge two organizations the way `PUT /v1/organizations/{path_id}/merge` does. Returns the surviving id."""
        with self.lock:
            keep_path = self.switches.merge_survivor == "path"
            survivor_id, loser_id = (path_id, merge_with_id) if keep_path else (merge_with_id, path_id)
            moment = self._moment(user_id)
            before = self.get("organizations", survivor_id)
            loser = self.get("organizations", loser_id)
            survivor = before | {key: value for key, value in loser.items() if before.get(key) is None}
            survivor["custom_fields"] = _filled(before["custom_fields"], loser["custom_fields"])
            for entity in CHILDREN:
                self._move_children(ENTITIES[entity], loser_id, survivor_id, moment)
            self._mark_deleted("organizations", loser_id, moment)
            self._touch(ENTITIES["organizations"], survivor, moment, {})
            self._store(ENTITIES["organizations"], survivor)
            about = (moment, source, "organizations")
            self._tell(*about, "delete", loser_id, loser, None, merged_to_id=survivor_id)
            self._tell(*about, "change", survivor_id, before, survivor, merged_from_id=loser_id)
            return survivor_id

    def add_file(self, name: str, content: bytes, **links: Any) -> Record:
        """Attach a file to an organization, deal or person (`org_id=…`)."""
        with self.lock:
            record = self.create("files", {"name": name, "file_name": name, "file_size": len(content), **links})
            self.file_contents[record["id"]] = content
            return record

    def delete_field(self, entity: str, code: str) -> None:
        """Remove a custom field: its definition and its values in every record. Raises KeyError if there is none."""
        with self.lock:
            self.fields.delete(entity, code)
            self._rewrite(entity, code, lambda values: {k: v for k, v in values.items() if k != code})

    def delete_options(self, entity: str, code: str, option_ids: set[int]) -> list[Record]:
        """Remove options of a field: the records that had them lose them. Returns the options removed."""

        def without(values: Record) -> Record:
            value = values.get(code)
            if isinstance(value, list):
                return values | {code: [option for option in value if option not in option_ids] or None}
            return values | {code: None} if value in option_ids else values

        with self.lock:
            removed = self.fields.delete_options(entity, code, option_ids)
            self._rewrite(entity, code, without)
            return removed

    def load(self, entity: str, records: Iterator[Record]) -> None:
        """Store many ready-made records at once, without rules or listeners: for generators."""
        spec, table = ENTITIES[entity], self.tables[entity]
        gone = []
        for record in records:
            row = row_of(spec, record)
            table.put(row)
            if row.deleted:
                gone.append((row.updated, entity, row.id))
        self._deleted = deque(sorted([*self._deleted, *gone]))

    def settle_time(self) -> None:
        """Do what time alone brings about: purge what was deleted 30 days ago, let lists catch up."""
        with self.lock:
            horizon = int((self.now() - PURGE_AFTER).timestamp())
            while self._deleted and self._deleted[0][0] <= horizon:
                deleted_at, entity, record_id = self._deleted.popleft()
                row = self.tables[entity].rows.get(record_id)
                if row is not None and row.deleted and row.updated <= deleted_at:
                    self.erase(entity, record_id)
            for table in self.tables.values():
                table.publish(self.clock.monotonic())

    def _moment(self, user_id: int | None) -> Moment:
        first_user = next(iter(self.tables["users"].rows), 1)
        return Moment(self.now(), first_user if user_id is None else user_id, self.zone)

    def _touch(self, entity: Entity, record: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
        if "update_time" in entity.attributes and "update_time" not in sent:
            record["update_time"] = entity.timestamp(moment.now)

    def _store(self, entity: Entity, record: Record) -> None:
        table = self.tables[entity.name]
        listed_at = self.clock.monotonic() + self.list_lag if self.list_lag else None
        table.put(row_of(entity, record), listed_at)
        if entity.name == "deals" and record["won_time"] is not None:
            self.first_won_times.setdefault(record["id"], record["won_time"])

    def _mark_deleted(self, entity: str, record_id: int, moment: Moment) -> Record:
        spec = ENTITIES[entity]
        before = self.get(entity, record_id)
        if spec.deleted_flag not in spec.attributes:
            self.tables[entity].remove(record_id)
            return before
        record = before | {spec.deleted_flag: spec.deleted_value}
        self._touch(spec, record, moment, {})
        self._store(spec, record)
        self._deleted.append((epoch(spec.timestamp(moment.now)), entity, record_id))
        return before

    def _move_children(self, entity: Entity, loser_id: int, survivor_id: int, moment: Moment) -> None:
        for child_id in self.tables[entity.name].linked("org_id", loser_id):
            child = self.get(entity.name, child_id) | {"org_id": survivor_id}
            if self.switches.merge_bumps_children:
                self._touch(entity, child, moment, {})
            self._store(entity, child)

    def _rewrite(self, entity: str, code: str, change: Callable[[Record], Record]) -> None:
        """Change the custom fields of every record that mentions the code; `update_time` stays as it is."""
        needle = code.encode()
        for row in list(self.tables[entity].rows.values()):
            if needle in row.payload:
                record = decode(row)
                record["custom_fields"] = change(record["custom_fields"])
                self._store(ENTITIES[entity], record)

    def _tell(
        self,
        moment: Moment,
        source: Source,
        entity: str,
        action: Action,
        record_id: int,
        before: Record | None,
        after: Record | None,
        **merged: int,
    ) -> None:
        number, exactly = self._timeline.next(self.exact_now())
        at, user_id = moment.now, moment.user_id
        change = Change(number, entity, action, record_id, before, after, at, exactly, user_id, source, **merged)
        for listener in self.listeners:
            listener(change)


def _filled(own: Record | None, other: Record | None) -> Record | None:
    """Custom fields of a merge's survivor: its own values, and the other's where it has none."""
    if own is None or other is None:
        return own if other is None else other
    return own | {key: value for key, value in other.items() if own.get(key) is None}
