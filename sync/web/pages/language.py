"""Words, dates, numbers and money as a visitor reads them: the catalogues, and Babel's formats for his locale.

English is written in the code; every other language is a catalogue in `locales/`, and nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import (
    format_compact_currency,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
)
from babel.support import NullTranslations, Translations

Day = date  # which the class below has a method of the same name for

_DECIMALS = re.compile(r"\.0+")
_LETTERS_AND_DIGITS = re.compile(r"(?<=[A-Z]{3})(?=[0-9])")
_FOLDER = files("sync.web") / "locales"
ENGLISH = "en"
# By language, a locale for those who name no country.
LANGUAGES: Mapping[str, str] = {ENGLISH: "en_GB", "de": "de_DE"}


@dataclass(frozen=True, slots=True)
class Language:
    """A visitor's language and locale, with his time zone."""

    locale: Locale
    zone: tzinfo
    translations: NullTranslations

    @property
    def code(self) -> str:
        """The language alone, as HTML has it."""
        return str(self.locale.language)

    @property
    def tag(self) -> str:
        """The locale as browsers write it: de-AT."""
        return str(self.locale).replace("_", "-")

    @property
    def week_start(self) -> int:
        """The weekday that weeks begin with; 0 is Monday."""
        return int(self.locale.first_week_day)

    def say(self, message: str, /, **values: object) -> str:
        """A message in this language, with values put in by name: `%(name)s`."""
        said = self.translations.ugettext(message)
        return said % values if values else said

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """A message about so many of something; `%(num)s` is the number as people write it."""
        return self.translations.ungettext(one, many, number) % {"num": self.number(number), **values}

    def date(self, day: Day | datetime | None, form: str = "medium") -> str:
        """A day; of an instant, the day here."""
        if isinstance(day, datetime):
            day = day.astimezone(self.zone).date()
        return "" if day is None else format_date(day, form, self.locale)

    def short_date(self, day: Day, today: Day) -> str:
        """A day without its year, where that is this year's."""
        skeleton = "MMMd" if day.year == today.year else "yMMMd"
        return format_skeleton(skeleton, _noon(day), locale=self.locale)

    def month(self, day: Day) -> str:
        """A month and its year."""
        return format_skeleton("yMMM", _noon(day), locale=self.locale)

    def time(self, moment: datetime | None, *, seconds: bool = False) -> str:
        """The time of day of an instant, here."""
        if moment is None:
            return ""
        return format_time(moment.astimezone(self.zone), "medium" if seconds else "short", locale=self.locale)

    def moment(self, moment: datetime | None) -> str:
        """An instant: day and time, here."""
        return "" if moment is None else f"{self.date(moment)}, {self.time(moment)}"

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago something was, or in how long it will be."""
        if abs(moment - now) < timedelta(seconds=1):
            return self.say("now")
        return format_timedelta(moment - now, add_direction=True, locale=self.locale)

    def number(self, value: Decimal | float | None) -> str:
        """A number with as many decimals as it has."""
        return "" if value is None else format_decimal(value, locale=self.locale, decimal_quantization=False)

    def percent(self, share: float) -> str:
        """A share of one."""
        return format_percent(share, locale=self.locale)

    def money(self, value: Decimal | None, currency: str | None, decimals: int | None = None) -> str:
        """An amount; whole ones without decimals. Empty where there is none."""
        if value is None:
            return ""
        return _money(self.locale, value, currency, decimals) if currency else self.number(value)

    def short_money(self, value: Decimal | None, currency: str | None) -> str:
        """An amount in few letters, for charts and heads of columns: €1.2M."""
        if value is None:
            return ""
        digits = 1 if abs(value) >= 1000 else 0
        amount = format_compact_decimal(value, locale=self.locale, fraction_digits=digits)
        if not any(letter.isalpha() for letter in amount):  # not every language has a short word for thousands
            return self.money(Decimal(round(value)), currency)
        if not currency:
            return amount
        return _apart(format_compact_currency(value, currency, locale=self.locale, fraction_digits=digits))


@lru_cache(maxsize=10_000)  # the same accounts are looked at again and again
def _money(locale: Locale, value: Decimal, currency: str, decimals: int | None) -> str:
    whole = value == value.to_integral_value() or decimals == 0
    form = _DECIMALS.sub("", locale.currency_formats["standard"].pattern) if whole else None
    return _apart(format_currency(value, currency, form, locale=locale, currency_digits=not whole))


def _apart(amount: str) -> str:
    """With a space between the letters of a currency and the digits: SEK 500."""
    return _LETTERS_AND_DIGITS.sub("\xa0", amount)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@cache
def names_of_languages() -> Mapping[str, str]:
    """What each language calls itself."""
    return {code: str(Locale.parse(code).language_name) for code in LANGUAGES}


def language_for(wanted: Sequence[str], zone: tzinfo) -> Language:
    """The first of the wanted locales (`de-AT`, `en`) whose language there is; else English."""
    return next((known for tag in wanted if (known := _known(tag, zone))), None) or _language(ENGLISH, "en_GB", zone)


def accepted(header: str) -> Sequence[str]:
    """The locales in an Accept-Language header, the most wanted first."""
    weighed = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, weight = part.strip().partition(";")
        try:
            share = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if 0 < share <= 1:
            weighed.append((-share, place, tag.strip()))
    return [tag for _, _, tag in sorted(weighed) if tag]


def _known(tag: str, zone: tzinfo) -> Language | None:
    language = tag.replace("_", "-").split("-")[0].lower()
    if language not in LANGUAGES:
        return None
    return _language(language, tag.replace("-", "_") if len(tag) > len(language) else LANGUAGES[language], zone)


def _language(code: str, locale: str, zone: tzinfo) -> Language:
    try:
        parsed = Locale.parse(locale)
    except (ValueError, UnknownLocaleError):
        parsed = Locale.parse(LANGUAGES[code])
    return Language(parsed, zone, _translations(code))


@cache
def _translations(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    with (_FOLDER / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)
