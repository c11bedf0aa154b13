"""The columns that the list of accounts can have: what they show, what they are sorted and edited by; whose are shown.

The name comes first, always; the others as each person has chosen and ordered them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sync.accounts.kinds import STANDARD, FieldKind
from sync.store.database import Connection
from sync.store.preferences import load_preference, save_preference
from sync.web.pages.fields.view import FieldView
from sync.web.pages.visit import Visit

NAME = "name"
CHOSEN_AT_FIRST = (
    *(NAME, "owner_id", "won_value", "next_activity", "last_activity", "label_ids"),
    *("won_deals", "open_deals", "customer_since", "last_won"),
)
MOST = 60  # columns of a list

PREFERENCE = "list.columns"
_NUMBERS = (FieldKind.DOUBLE, FieldKind.WHOLE, FieldKind.MONETARY)


class Look(StrEnum):
    """How the cells of a column look."""

    NAME = "name"
    STATUS = "status"
    MONEY = "money"
    COUNT = "count"
    DAY = "day"
    NEXT = "next"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column: `name` is what lists are sorted by; `source` the attribute of an account or the code of a field."""

    name: str
    title: str
    look: Look
    source: str
    field: str | None = None  # what an edit of a cell changes
    is_number: bool = False


def columns_of(visit: Visit) -> Mapping[str, ListColumn]:
    """All columns that there can be, by name."""
    view = FieldView(visit.fields, visit.language)
    standard = {one.name: one for one in _standard(visit, view) if one.field in (None, *view.fields.rules)}
    return standard | {code: _of_field(view, code) for code in view.codes() if code not in STANDARD}


def _standard(visit: Visit, view: FieldView) -> Iterator[ListColumn]:
    """What every account has. A field that the company has not is left out by the caller."""
    say = visit.say
    yield ListColumn(NAME, view.title(NAME), Look.NAME, NAME, NAME)
    yield _of_field(view, "owner_id")
    yield ListColumn("status", say("Status"), Look.STATUS, "status")
    yield ListColumn("won_value", say("Won value"), Look.MONEY, "won_value", is_number=True)
    yield ListColumn("won_deals", say("Won deals"), Look.COUNT, "won_deals_count", is_number=True)
    yield ListColumn("open_deals", say("Open deals"), Look.COUNT, "open_deals_count", is_number=True)
    yield ListColumn("customer_since", say("Customer since"), Look.DAY, "created_at")
    yield ListColumn("first_won", say("First won"), Look.DAY, "first_won_time")
    yield ListColumn("last_won", say("Last won"), Look.DAY, "last_won_time")
    yield ListColumn("last_activity", say("Last activity"), Look.DAY, "last_activity_time")
    yield ListColumn("next_activity", say("Next activity"), Look.NEXT, "next_activity_due_date")
    yield ListColumn("label_ids", view.title("label_ids"), Look.FIELD, "label_ids", "label_ids")
    for code in STANDARD:
        if code not in (NAME, "owner_id", "label_ids"):
            yield _of_field(view, code)
    yield ListColumn("updated_at", say("Last change"), Look.DAY, "updated_at")
    yield ListColumn("id", say("Number"), Look.COUNT, "organization_id", is_number=True)


def _of_field(view: FieldView, code: str) -> ListColumn:
    return ListColumn(code, view.title(code), Look.FIELD, code, code, is_number=view.kind(code) in _NUMBERS)


def chosen_columns(connection: Connection, visit: Visit, available: Mapping[str, ListColumn]) -> Sequence[ListColumn]:
    """The columns that whoever asks has chosen, in his order."""
    return preferred(load_preference(connection, visit.company_id, visit.viewer.login, PREFERENCE), available)


def preferred(held: Any, available: Mapping[str, ListColumn]) -> Sequence[ListColumn]:
    """The columns that a preference means."""
    return fitting(held if isinstance(held, list) else CHOSEN_AT_FIRST, available)


def fitting(names: Sequence[Any], available: Mapping[str, ListColumn]) -> Sequence[ListColumn]:
    """The columns with these names, those that there are, each once; the name first."""
    known = dict.fromkeys([NAME, *(one for one in names if isinstance(one, str) and one in available)])
    return [available[one] for one in list(known)[:MOST] if one in available]


def remember_columns(connection: Connection, visit: Visit, columns: Sequence[ListColumn]) -> None:
    """Keep what somebody has chosen."""
    names = [one.name for one in columns]
    save_preference(connection, visit.company_id, visit.viewer.login, PREFERENCE, names)
