"""The list as a file for spreadsheets: exactly what is shown, on all pages, a batch at a time.

Labels and names in place of ids, numbers as numbers, days as ISO has them, in the viewer's time zone. No cell is taken
for a formula.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import Response, StreamingResponse

from sync.accounts.kinds import FieldKind
from sync.accounts.lists.listing import Next, Row, stream_rows
from sync.web.pages.activities import local_due
from sync.web.pages.fields.view import FieldView, view_of
from sync.web.pages.listing.asked import LIST, Asked, asked_of
from sync.web.pages.listing.columns import ListColumn, Look, chosen_columns, columns_of
from sync.web.pages.narrowing import status_words
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_BEGINNING = "\ufeff"  # spreadsheets take a file for UTF-8 where it begins so
_AS_THEY_ARE = (FieldKind.DATE,)  # the API has them as ISO does


class _Number(str):
    """A number, written out: what begins with a minus is no formula."""

    __slots__ = ()


@dataclass(frozen=True)
class _Table:
    """The rows of the file, for a visitor."""

    visit: Visit
    columns: Sequence[ListColumn]
    amounts: Collection[str]  # the fields that hold amounts with a currency
    statuses: Mapping[str, str]
    types: Mapping[str, str]

    def header(self) -> Sequence[str]:
        """The titles of the columns; an amount has a second one, its currency."""
        say = self.visit.say
        titles: list[str] = []
        for column in self.columns:
            titles.append(column.title)
            if self._is_amount(column):
                titles.append(say("%(column)s (currency)", column=column.title))
            elif column.look is Look.NEXT:
                titles.append(say("%(column)s (due)", column=column.title))
        return titles

    def cells(self, view: FieldView, row: Row) -> Iterator[Any]:
        """The cells of an account."""
        account = row.account
        for column in self.columns:
            if column.field is not None:
                yield from self._of_field(view, column, view.value(account, column.field))
            elif column.look is Look.NEXT:
                yield from self._of_next(row.next_activity)
            else:
                value = account[column.source]
                yield self.statuses.get(value, value) if column.look is Look.STATUS else self._plain(value)
                if column.look is Look.MONEY:
                    yield account["currency"]

    def _is_amount(self, column: ListColumn) -> bool:
        return column.look is Look.MONEY or column.field in self.amounts

    def _of_field(self, view: FieldView, column: ListColumn, value: Any) -> Iterator[Any]:
        code = column.source
        if self._is_amount(column):
            parts = value if isinstance(value, dict) else {"value": value}
            yield self._plain(parts.get("value"))
            yield self._plain(parts.get("currency"))
        elif column.is_number or (view.kind(code) in _AS_THEY_ARE and isinstance(value, str)):
            yield self._plain(value)
        else:
            yield str(view.shown(code, value))

    def _of_next(self, upcoming: Next | None) -> Iterator[Any]:
        if upcoming is None:
            yield from (None, None)
            return
        yield upcoming.subject or self.types.get(upcoming.type or "", upcoming.type)
        if upcoming.due_date is None:
            yield None
            return
        day, at = local_due(upcoming.due_date, upcoming.due_time, self.visit.language.zone)
        yield f"{day.isoformat()} {at:%H:%M}" if at else day.isoformat()

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bool | int) or value is None:
            return value
        if isinstance(value, float | Decimal):
            return _Number(format(Decimal(repr(value)) if isinstance(value, float) else value, "f"))
        if isinstance(value, datetime):
            return value.astimezone(self.visit.language.zone).date().isoformat()
        return value.isoformat() if isinstance(value, date) else str(value)


def export(visit: Visit) -> Response:
    """The list that the address asks for as CSV."""
    available = columns_of(visit)
    asked = asked_of(visit.query, available)
    with visit.site.database.reading() as connection:
        columns = chosen_columns(connection, visit, available)
    amounts = {code for code, rule in visit.fields.rules.items() if rule.field_type.kind is FieldKind.MONETARY}
    table = _Table(visit, columns, amounts, status_words(visit), visit.reference.activity_types)
    name = f"accounts-{visit.calendar.today.isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(table, asked), headers=headers, media_type="text/csv; charset=utf-8")


def _lines(table: _Table, asked: Asked) -> Iterator[bytes]:
    """The file, a batch of accounts at a time."""
    visit = table.visit
    yield _BEGINNING.encode() + _csv([table.header()])
    with visit.site.database.reading() as connection:
        for batch in stream_rows(connection, visit.company_id, asked.filter, visit.calendar, asked.order):
            view = view_of(visit, connection, [row.account for row in batch])
            yield _csv([list(table.cells(view, row)) for row in batch])


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe in front."""
    return f"'{cell}" if type(cell) is str and cell.startswith(_FORMULA_STARTS) else cell


PAGES: Sequence[Page] = (Page(f"{LIST}.csv", export),)
