"""Whether an event is newer than what is held of its record: pure rules.

An event carries its own time in milliseconds and the record's `update_time` in whole seconds, both by Pipedrive's
clock. Two events of a record are ordered by their times. An event and a read are ordered by `update_time`; what one
second can't order, another read decides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.store.mirror import Held

_SECOND = timedelta(seconds=1)  # Pipedrive API: the resolution of update_time


@dataclass(frozen=True, slots=True)
class Verdict:
    """`take`: what the event tells is newer than what is held. `ask`: only reading the record makes it certain."""

    take: bool
    ask: bool


_SUPERSEDED = Verdict(take=False, ask=False)


def judge_change(
    held: Held | None, *, event_time: datetime, changed_at: datetime | None, has_update_time: bool, overlap: timedelta
) -> Verdict:
    """Judge an event that shows a record as it is since `changed_at` (its update_time, or add_time).

    A read is certain to have seen what happened `overlap` before it by our clock: lists may be late, clocks may differ.
    """
    if held is None:
        return Verdict(take=True, ask=True)
    if held.event_time is not None and event_time <= held.event_time:
        return _SUPERSEDED
    if not has_update_time:
        if _surely_seen(held, event_time, overlap):
            return _SUPERSEDED
        return Verdict(take=held.event_time is not None or held.synced_at < event_time, ask=True)
    if changed_at is None:
        return Verdict(take=held.changed_at is None, ask=True)
    if held.changed_at is None or changed_at > held.changed_at:
        return Verdict(take=True, ask=held.is_deleted)
    if changed_at < held.changed_at or _surely_seen(held, changed_at + _SECOND, overlap):
        return _SUPERSEDED
    return Verdict(take=held.event_time is not None, ask=True)


def judge_deletion(held: Held | None, *, event_time: datetime) -> Verdict:
    """Judge an event that tells of a record's deletion."""
    if held is None or held.is_deleted or (held.event_time is not None and event_time <= held.event_time):
        return _SUPERSEDED
    second = event_time.replace(microsecond=0)
    if held.changed_at is not None and held.changed_at > second:
        return _SUPERSEDED
    return Verdict(take=True, ask=held.changed_at == second)


def _surely_seen(held: Held, moment: datetime, overlap: timedelta) -> bool:
    return held.event_time is None and held.synced_at >= moment + overlap
