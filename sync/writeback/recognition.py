"""Whether a record at Pipedrive is the outcome of a write whose answer was lost: pure rules.

Pipedrive does not hold everything just as it was sent: it trims texts, cleans the HTML of notes and writes times its
own way. So values are compared by what they mean.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from sync.pipedrive.entities import Entity
from sync.pipedrive.records import Record, Unstorable, to_row

# By how much clocks may differ, beyond what is known of it.
_SLACK = timedelta(minutes=1)

_TAG = re.compile(r"<!--.*?-->|</?[a-z][^>]*>", re.IGNORECASE | re.DOTALL)


class Fate(Enum):
    """What became of a write."""

    TOOK_EFFECT = auto()
    DID_NOT = auto()
    OVERTAKEN = auto()
    """Somebody has changed the same at Pipedrive since, and it would be lost."""


def agrees(body: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a record holds everything that a body says."""
    return all(_meaning(name, value) == _meaning(name, record.get(name)) for name, value in body.items())


def is_outcome(
    body: Mapping[str, Any], record: Record, entity: Entity, *, maker: str, by: int, since: datetime
) -> bool:
    """Whether a record is what a creation was to make: by this user, not before it was sent, and with its values.

    `maker` is the attribute that names who made a record.
    """
    made_at = moment_of(entity, record, "add_time")
    return record.get(maker) == by and (made_at is None or made_at >= since) and agrees(body, record)


def effective_since(sent_at: datetime, ahead: timedelta) -> datetime:
    """Since when a write may have taken effect by Pipedrive's clock, which is so far ahead of ours."""
    return sent_at - _SLACK + min(ahead, timedelta())


def fate_of_change(
    body: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    record: Mapping[str, Any],
    *,
    changed_at: datetime | None,
    since: datetime,
) -> Fate:
    """What became of a change, from what the record holds now and what it held before.

    It can't have taken effect before `since`, by Pipedrive's clock.
    """
    if agrees(body, record):
        return Fate.TOOK_EFFECT
    untouched = changed_at is not None and changed_at < since
    return Fate.DID_NOT if untouched or (before is not None and agrees(before, record)) else Fate.OVERTAKEN


def moment_of(entity: Entity, record: Mapping[str, Any], name: str) -> datetime | None:
    """A time that a record tells, whatever version of the API wrote it; None if it can't be understood."""
    try:
        text = to_row(entity, {**dict.fromkeys(entity.key, 0), name: record.get(name)})[name]
    except Unstorable:
        return None
    return None if text is None else datetime.fromisoformat(text)


def _meaning(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _MEANINGS.get(name, _as_is)(value)


def _as_is(text: str) -> Any:
    return text


def _words(text: str) -> Any:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _shown_text(text: str) -> Any:
    """What is read of an HTML text: tags and spaces come and go when it is cleaned."""
    plain = html.unescape(_TAG.sub("", text))
    return "".join(unicodedata.normalize("NFC", plain).split())


def _clock(text: str) -> Any:
    """09:30 and 09:30:00 are one time; an empty text is none."""
    hours, _, rest = text.strip().removesuffix("Z").partition(":")
    return (hours.zfill(2), rest[:2]) if hours else None


_MEANINGS: Mapping[str, Callable[[str], Any]] = {
    "subject": _words,
    "note": _shown_text,
    "content": _shown_text,
    "due_time": _clock,
    "duration": _clock,
}
