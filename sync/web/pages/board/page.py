"""The board: accounts as cards, in columns by the day on which their next activity is due for the viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from sync.accounts.lists.board import Column, load_board
from sync.accounts.lists.calendar import Bucket, due_moment
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import Next
from sync.accounts.planning import load_planned
from sync.store.errands import load_errands_of
from sync.store.journal import Write
from sync.web.pages.asking import filter_of, query_of
from sync.web.pages.board.pending import NOT_THERE, Expected, ExpectedColumn, Planned, Wish, expected_board
from sync.web.pages.narrowed import bar_of
from sync.web.pages.narrowing import bucket_words
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

PATH = "/board"
FIRST = 15  # cards of a column that are shown at first
_MORE = 60  # and how many more at a time
_MOST = 1000
_SHOWN = "shown."  # in addresses, with a column: how many of its cards are shown


class Drop(StrEnum):
    """What a column does with a card that is dropped on it."""

    SET = "set"  # its activity is due on the column's day
    ASK = "ask"  # a dialog asks on which of the column's days
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class CardShown:
    """A card in the visitor's words."""

    id: int
    name: str
    owner: str
    value: str
    activity_id: int | None  # None where none is planned, or the one that is is still to be made
    what: str  # type and subject
    due: str
    contacted: str
    waiting: str
    refused: int
    is_former: bool


@dataclass(frozen=True, slots=True)
class ColumnShown:
    """A column in the visitor's words, and what becomes of what is dropped on it."""

    bucket: Bucket
    title: str
    count: int
    value: str
    without_value: int
    cards: Sequence[CardShown]
    drop: Drop
    day: date | None  # for which something is planned here
    refusal: str
    more: str  # the address that shows more of its cards; empty where all are shown


def show(visit: Visit) -> Response:
    """The board of the accounts that are wanted."""
    wanted, shown = filter_of(visit.query.multi_items()), _cards_wanted(visit.query)
    with visit.site.database.reading() as connection:
        found = load_board(connection, visit.company_id, wanted, visit.calendar, per_column=max(shown.values()))
        found = [replace(one, cards=one.cards[: shown[one.bucket]]) for one in found]
        errands, planned = _asked(connection, visit.company_id, found)
        bar = bar_of(visit, connection, wanted, PATH)
    words = _Words(visit, _currency(found))
    columns = [_column(one, words, wanted, shown) for one in expected_board(found, errands, planned, visit.calendar)]
    values = [one.won_value for one in found if one.won_value is not None]
    return visit.show(
        "board.html",
        columns=columns,
        count=sum(one.count for one in found),
        value=words.total(sum(values, Decimal(0)) if values else None),
        bar=bar,
    )


def _asked(connection: Any, company_id: int, columns: Sequence[Column]) -> tuple[Sequence[Write], Planned]:
    """What is asked for and not done for the accounts that are shown, and what is planned where anything is."""
    ids = [one.organization_id for column in columns for one in column.cards]
    errands = load_errands_of(connection, company_id, ids) if ids else []
    concerned = {one.organization_id for one in errands}
    return errands, load_planned(connection, company_id, concerned) if concerned else {}


def _currency(columns: Sequence[Column]) -> str | None:
    """The currency that the accounts are valued in."""
    return next((card.currency for column in columns for card in column.cards if card.currency), None)


def _cards_wanted(query: Mapping[str, str]) -> Mapping[Bucket, int]:
    """How many cards of each column the address asks for."""

    def wanted(text: str) -> int:
        return min(int(text), _MOST) if text.isascii() and text.isdigit() and len(text) < 6 else FIRST

    return {bucket: max(wanted(query.get(_SHOWN + bucket, "")), FIRST) for bucket in Bucket}


def _column(column: ExpectedColumn, words: "_Words", wanted: Filter, shown: Mapping[Bucket, int]) -> ColumnShown:
    drop, day, refusal = words.drop(column.bucket)
    return ColumnShown(
        bucket=column.bucket,
        title=words.titles[column.bucket],
        count=column.count,
        value=words.total(column.won_value),
        without_value=column.without_value,
        cards=[words.card(one, column.bucket) for one in column.cards],
        drop=drop,
        day=day,
        refusal=refusal,
        more=_more(column, wanted, shown),
    )


def _more(column: ExpectedColumn, wanted: Filter, shown: Mapping[Bucket, int]) -> str:
    if len(column.cards) >= column.count or shown[column.bucket] >= _MOST:
        return ""
    numbers = {**shown, column.bucket: shown[column.bucket] + _MORE}
    widened = [(_SHOWN + bucket, str(number)) for bucket, number in numbers.items() if number > FIRST]
    return f"{PATH}?{urlencode([*query_of(wanted), *widened])}"


class _Words:
    """What a visitor reads on cards and columns. Days are put into words once each: many cards share them."""

    def __init__(self, visit: Visit, currency: str | None) -> None:
        self._currency = currency
        self._visit, self._language, self._calendar = visit, visit.language, visit.calendar
        reference = visit.reference
        self._users, self._types = reference.users, reference.activity_types
        self.titles = bucket_words(visit)
        self._day = cache(self._day_in_words)
        self._time = cache(self._language.time)
        self._contacted = cache(self._contacted_in_words)
        self._waiting = {
            Wish.PLANNED: visit.say("being planned…"),
            Wish.MOVED: visit.say("being moved…"),
            Wish.DONE: visit.say("being marked as done…"),
            Wish.NOT_DONE: visit.say("being marked as not done…"),
            Wish.DELETED: visit.say("being deleted…"),
        }

    def card(self, expected: Expected, bucket: Bucket) -> CardShown:
        """A card of a column."""
        card, upcoming = expected.card, expected.card.next_activity
        return CardShown(
            id=card.organization_id,
            name=card.name or self._visit.say("(no name)"),
            owner=self._users.get(card.owner_id, "") if card.owner_id else "",
            value=self._language.money(card.won_value, card.currency),
            activity_id=upcoming.id if upcoming and upcoming.id != NOT_THERE else None,
            what=self._what(upcoming) if upcoming else "",
            due=self._due(upcoming, bucket) if upcoming else "",
            contacted=self._contacted(self._days_since(card.last_activity_time)),
            waiting=self._waiting[expected.wish] if expected.wish else "",
            refused=expected.refused,
            is_former=card.status != Status.ACTIVE,
        )

    def total(self, value: Decimal | None) -> str:
        """What some accounts are worth together."""
        return self._language.short_money(value, self._currency)

    def drop(self, bucket: Bucket) -> tuple[Drop, date | None, str]:
        """What a column does with a card, the day it stands for, and why it takes none."""
        say = self._visit.say
        if bucket is Bucket.NONE:
            return Drop.REFUSE, None, say("To have nothing planned, mark the activity as done.")
        if bucket is Bucket.OVERDUE:
            return Drop.REFUSE, None, say("Nothing can be planned for a day that is over.")
        first, beyond = self._calendar.edges(bucket)
        assert first is not None
        if beyond is not None and beyond.day <= first.day:
            return Drop.REFUSE, None, say("No other day of this week is left.")
        is_one_day = bucket in (Bucket.TODAY, Bucket.TOMORROW)
        return Drop.SET if is_one_day else Drop.ASK, first.day, ""

    def _what(self, upcoming: Next) -> str:
        kind = self._types.get(upcoming.type, upcoming.type or "") if upcoming.type else ""
        return f"{kind}: {upcoming.subject}" if kind and upcoming.subject else kind or upcoming.subject or ""

    def _due(self, upcoming: Next, bucket: Bucket) -> str:
        if upcoming.due_date is None:
            return self._visit.say("no day")
        moment = due_moment(upcoming.due_date, upcoming.due_time)
        day = self._calendar.day_of(upcoming.due_date, upcoming.due_time)
        at = self._time(moment) if moment else ""
        if bucket in (Bucket.TODAY, Bucket.TOMORROW):
            return at or self._visit.say("all day")
        return f"{self._day(day)}, {at}" if at else self._day(day)

    def _day_in_words(self, day: date) -> str:
        return f"{self._language.date(day, 'EEE')} {self._language.short_date(day, self._calendar.today)}"

    def _days_since(self, moment: datetime | None) -> int | None:
        return None if moment is None else (self._calendar.today - moment.astimezone(self._language.zone).date()).days

    def _contacted_in_words(self, days: int | None) -> str:
        if days is None:
            return self._visit.say("Never contacted")
        if days <= 0:
            return self._visit.say("Contacted today")
        return self._language.count("Contacted %(num)s day ago", "Contacted %(num)s days ago", days)


PAGES: Sequence[Page] = (Page(PATH, show),)
