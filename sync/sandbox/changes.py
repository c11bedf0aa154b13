"""What happens to records, as the company tells its listeners, and the order in which it happened."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sync.sandbox.records import Record

Action = Literal["create", "change", "delete"]
Source = Literal["app", "api"]

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to one record, for listeners (webhooks, assertions).

    `at` is in whole seconds, as timestamps of records are; `exactly` tells any two changes apart, to the millisecond,
    and `number` counts the changes of the company. Whoever made the change holds the same `after`: keep copies only.
    """

    number: int
    entity: str
    action: Action
    id: int
    before: Record | None
    after: Record | None
    at: datetime
    exactly: datetime
    user_id: int
    source: Source = "app"
    merged_to_id: int | None = None
    merged_from_id: int | None = None


class Timeline:
    """Numbers changes and gives each a millisecond of its own, later than the one before it."""

    def __init__(self) -> None:
        self._number = 0
        self._read = self._given = datetime.min.replace(tzinfo=UTC)

    def next(self, now: datetime) -> tuple[int, datetime]:
        """The number and the moment of a change made now. Only a clock that was turned back turns the moments back."""
        read = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._given = read if read < self._read else max(read, self._given + MILLISECOND)
        self._read = read
        self._number += 1
        return self._number, self._given
