"""Filters of the templates: how values look in the visitor's language, which the context names `language`."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import jinja2
from jinja2.runtime import Context
from markupsafe import Markup

from sync.web.pages.language import Language
from sync.web.pages.told import told


def _language(context: Context) -> Language:
    language: Language = context["language"]
    return language


@jinja2.pass_context
def _date(context: Context, day: date | datetime | None, form: str = "medium") -> str:
    return _language(context).date(day, form)


@jinja2.pass_context
def _short_date(context: Context, day: date) -> str:
    return _language(context).short_date(day, context["calendar"].today)


@jinja2.pass_context
def _month(context: Context, day: date) -> str:
    return _language(context).month(day)


@jinja2.pass_context
def _time(context: Context, moment: datetime | None, seconds: bool = False) -> str:
    return _language(context).time(moment, seconds=seconds)


@jinja2.pass_context
def _moment(context: Context, moment: datetime | None) -> Markup:
    """An instant as people read it, with the exact one for machines."""
    if moment is None:
        return Markup()
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), _language(context).moment(moment))


@jinja2.pass_context
def _ago(context: Context, moment: datetime | None) -> Markup:
    """How long ago something was; the instant itself shows when it is pointed at."""
    if moment is None:
        return Markup()
    language = _language(context)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), language.moment(moment), language.ago(moment, context["calendar"].now)
    )


@jinja2.pass_context
def _number(context: Context, value: Decimal | float | None) -> str:
    return _language(context).number(value)


@jinja2.pass_context
def _percent(context: Context, share: float) -> str:
    return _language(context).percent(share)


@jinja2.pass_context
def _money(context: Context, value: Decimal | None, currency: str | None) -> str:
    return _language(context).money(value, currency)


@jinja2.pass_context
def _short_money(context: Context, value: Decimal | None, currency: str | None) -> str:
    return _language(context).short_money(value, currency)


@jinja2.pass_context
def _told(context: Context, text: str) -> str:
    """What another layer says, in the visitor's language."""
    return told(_language(context), text)


def _query(values: Mapping[str, Any]) -> str:
    """Values as the query of an address; those that are empty are left out."""
    given = {name: value for name, value in values.items() if value not in (None, "", [], ())}
    return f"?{urlencode(given, doseq=True)}" if given else "?"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "date": _date,
    "short_date": _short_date,
    "month": _month,
    "time": _time,
    "moment": _moment,
    "ago": _ago,
    "number": _number,
    "percent": _percent,
    "money": _money,
    "short_money": _short_money,
    "query": _query,
    "told": _told,
}
