"""Where a poll starts and how the high-water mark moves: pure rules.

A mark is the latest `update_time` that was committed. A change can show up in a list a little late, so a poll reads
again from `overlap` seconds before the mark. Once that long has passed since the mark was set, and a whole poll has
read the overlap again, nothing older can show up any more: the mark is settled, and later polls start right behind it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sync.pipedrive.entities import Entity
from sync.pipedrive.records import Unstorable, to_row
from sync.store.checkpoints import Checkpoint
from sync.store.types import timestamp_text

SECOND = timedelta(seconds=1)  # Pipedrive API: the resolution of update_time


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a list was read: up to `time` by Pipedrive's clock, since `set_at` by ours."""

    time: datetime
    set_at: datetime
    settled: bool = False

    def since(self, overlap: timedelta) -> datetime:
        """Where the next poll starts (inclusive, as `updated_since` is)."""
        return self.time + SECOND if self.settled else self.time - overlap

    def raised_to(self, time: datetime | None, now: datetime) -> "Mark":
        """The mark after records up to `time` were committed."""
        return self if time is None or time <= self.time else Mark(time, now)

    def after_poll(self, began_at: datetime, overlap: timedelta) -> "Mark":
        """The mark after a whole poll that began at a moment of our clock."""
        return replace(self, settled=self.settled or began_at >= self.set_at + overlap + SECOND)

    def columns(self) -> dict[str, object]:
        """The mark as a checkpoint holds it."""
        return {"high_water_mark": self.time, "mark_set_at": self.set_at, "mark_settled": self.settled}


def mark_of(checkpoint: Checkpoint) -> Mark | None:
    """The mark in a checkpoint; None before the list was ever read whole."""
    if checkpoint["high_water_mark"] is None or checkpoint["mark_set_at"] is None:
        return None
    return Mark(checkpoint["high_water_mark"], checkpoint["mark_set_at"], bool(checkpoint["mark_settled"]))


def latest_update(entity: Entity, records: Iterable[object]) -> datetime | None:
    """The latest update_time among records; None where none says it in a way that can be understood."""
    times = [time for record in records if (time := _update_time(entity, record))]
    return datetime.fromisoformat(max(times)) if times else None


def since_text(moment: datetime) -> str:
    """Pipedrive API: `updated_since` must be whole seconds with a Z."""
    return timestamp_text(moment)


def _update_time(entity: Entity, record: object) -> str | None:
    if not isinstance(record, dict):
        return None
    try:
        # The codec knows how each API version writes its times.
        row = to_row(entity, {**dict.fromkeys(entity.key, 0), "update_time": record.get("update_time")})
    except Unstorable:
        return None
    time: str | None = row["update_time"]
    return time
