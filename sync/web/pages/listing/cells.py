"""The cells of the list: what stands in them, as markup. There are many on a page, so no template is asked for each.

Everything is escaped here. How days and numbers look is kept between requests, as the same ones come again and again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from sync.accounts.lists.listing import Next, Row
from sync.web.pages.activities import local_due
from sync.web.pages.fields.view import FieldView
from sync.web.pages.language import Language
from sync.web.pages.listing.columns import NAME, ListColumn, Look
from sync.web.pages.visit import Visit

_KEPT = 20_000  # texts
_ATTRIBUTES = {True: ' class="number"', False: ""}


@lru_cache(_KEPT)
def _day(language: Language, day: date) -> str:
    return language.date(day)


@lru_cache(_KEPT)
def _number(language: Language, value: Decimal | float) -> str:
    return language.number(value)


@lru_cache(_KEPT)
def _money(language: Language, value: Decimal, currency: str | None) -> str:
    return language.money(value, currency)


@dataclass(frozen=True, slots=True)
class Cells:
    """Makes the cells of a visitor's list, in the order of the columns but for the name, which is the head of a row."""

    visit: Visit
    view: FieldView
    columns: Sequence[ListColumn]
    statuses: Mapping[str, str]
    types: Mapping[str, str]  # of activities

    def of(self, row: Row) -> Markup:
        """The cells of an account; each has an id, so that it keeps the focus when the list is put in place anew."""
        one = int(row.account["organization_id"])
        cells = [
            f'<td id="c{one}-{place}"{_ATTRIBUTES[column.is_number]}>{self._cell(row, column)}</td>'
            for place, column in enumerate(self.columns)
            if column.name != NAME
        ]
        return Markup("".join(cells))

    def _cell(self, row: Row, column: ListColumn) -> str:
        if column.look is Look.FIELD:
            return self._field(column.source, self.view.value(row.account, column.source))
        if column.look is Look.NEXT:
            return self._next(row.next_activity) if row.next_activity else ""
        return escape(self._text(row.account, column))

    def _field(self, code: str, value: Any) -> str:
        shown = self.view.shown(code, value)
        if shown.items:
            return " ".join(f'<span class="tag">{escape(item)}</span>' for item in shown.items)
        text = escape(shown.text)
        if not shown.href:
            return text
        return f'<a href="{escape(shown.href)}" rel="noopener noreferrer nofollow" tabindex="-1">{text}</a>'

    def _next(self, upcoming: Next) -> str:
        kind = self.types.get(upcoming.type or "", upcoming.type or "")
        subject = upcoming.subject or kind
        if upcoming.due_date is None:
            return escape(subject)
        bucket = self.visit.calendar.bucket(upcoming.due_date, upcoming.due_time)
        due = escape(self._due(upcoming.due_date, upcoming.due_time))
        return f'<span class="due {bucket}">{due}</span> {escape(subject)}'

    def _due(self, due_date: date, due_time: str | None) -> str:
        language, calendar = self.visit.language, self.visit.calendar
        day, at = local_due(due_date, due_time, language.zone)
        words = language.short_date(day, calendar.today)
        return f"{words}, {language.time(datetime.combine(day, at, language.zone))}" if at else words

    def _text(self, account: Mapping[str, Any], column: ListColumn) -> str:
        value, language = account[column.source], self.visit.language
        if value is None:
            return ""
        match column.look:
            case Look.MONEY:
                return _money(language, value, account["currency"])
            case Look.DAY:
                return _day(language, value.astimezone(language.zone).date() if isinstance(value, datetime) else value)
            case Look.STATUS:
                return self.statuses.get(value, str(value))
            case _:
                return str(value) if column.source == "organization_id" else _number(language, value)
