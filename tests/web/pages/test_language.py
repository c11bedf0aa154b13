"""Languages: which one is spoken, how words, dates, numbers and money look in it, and that all is translated."""

import ast
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog, Message
from hypothesis import given
from hypothesis import strategies as st

from scripts.catalogues import CATALOGUES, PAGES, load, renewed, texts, untranslated
from sync.web.pages.language import ENGLISH, LANGUAGES, Language, accepted, language_for
from tests.web.pages.conftest import PageSite

TRANSLATED = sorted(set(LANGUAGES) - {ENGLISH})
BERLIN = ZoneInfo("Europe/Berlin")
NBSP = "\u00a0"
# English that stays English nowhere on a German page, wherever it were forgotten.
LEFTOVERS = re.compile(
    r"\b(Owner|Next|Overdue|Tomorrow|Today|Search|Filter by|Show|Save|Cancel|Never|Nothing|Waiting|Last|Won|Settings"
    r"|Language|Colours|Apply|Move|Done|Columns|Conflicts|Contacts|Fields|Notes|Files|History|People|the|and|with)\b"
)


def language(wanted: str, zone: str = "UTC") -> Language:
    return language_for(accepted(wanted), ZoneInfo(zone))


# --- catalogues ------------------------------------------------------------------------------------------------------


def messages(catalogue: Catalog) -> Sequence[Message]:
    return [one for one in catalogue if one.id]


def forms(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else list(text)


def names(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", text))


def test_there_is_a_catalogue_for_each_language_and_no_other() -> None:
    assert sorted(path.stem for path in CATALOGUES.iterdir()) == TRANSLATED


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(code: str) -> None:
    catalogue = load(code)
    assert untranslated(catalogue) == []
    assert {one.id for one in messages(catalogue)} == {one.id for one in messages(texts())}, "run scripts/messages"
    assert not catalogue.obsolete
    assert not [one.id for one in messages(catalogue) if one.fuzzy]


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_name_the_same_values_as_their_texts(code: str) -> None:
    for one in messages(load(code)):
        said, translated = forms(one.id), forms(one.string)
        assert len(translated) == (1 if len(said) == 1 else load(code).num_plurals)
        for place, text in enumerate(translated):
            wanted = names(said[min(place, len(said) - 1)])
            # "One of …" may do without the number, where that is always the same.
            assert wanted - {"%(num)s"} <= names(text) <= wanted if len(said) > 1 else names(text) == wanted, text
            assert text.count("%") == text.count("%(") + text.count("\u00a0%"), text


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_is_as_its_script_writes_it(code: str) -> None:
    assert (CATALOGUES / f"{code}.po").read_text(encoding="utf-8") == renewed(code)


def test_no_text_hides_where_it_is_not_found() -> None:
    """What is said is a text that stands there as it is: one in a variable, or within another text, is never found."""
    known = {form for one in messages(texts()) for form in forms(one.id)}
    hidden = [said for said in _said_in_code() if said not in known]
    assert hidden == []


@pytest.mark.parametrize("path", sorted(PAGES.glob("templates/*.html")), ids=lambda path: path.name)
def test_templates_hold_no_text_that_is_not_said(path: Path) -> None:
    attributes = r"\{% set \w+ %\}.*?\{% endset %\}"  # of elements
    text = re.sub(rf"{attributes}|\{{#.*?#\}}|\{{\{{.*?\}}\}}|\{{%.*?%\}}", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"<(code|pre)\b.*?</\1>|pipedrive-sync", "", text, flags=re.DOTALL)
    named = re.findall(r'\b(?:aria-label|title|placeholder|alt|data-text-\w+|data-words)="([^"]*)"', text)
    written = re.findall(r"[^\W\d_]{2,}", " ".join([re.sub(r"<[^>]*>", " ", text), *named]))
    assert written == []


def _said_in_code() -> Iterator[str]:
    for path in sorted(PAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            said = node.args[: {"say": 1, "message": 1, "count": 2}.get(name, 0)]
            yield from (one.value for one in said if isinstance(one, ast.Constant) and isinstance(one.value, str))
            yield from (ast.unparse(one) for one in said if isinstance(one, ast.JoinedStr | ast.BinOp | ast.IfExp))


# --- who is spoken to in which language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("de", "de-DE"),
        ("en-US,en;q=0.5", "en-US"),
        ("en", "en-GB"),
        ("fr-CH, fr;q=0.9, de;q=0.5, en;q=0.4", "de-DE"),
        ("en;q=0.3, de-CH;q=0.7", "de-CH"),
        ("de;q=0, en-US", "en-US"),
        ("de;q=0", "en-GB"),
        ("ja, fr", "en-GB"),
        ("de-XX", "de-DE"),
        ("*", "en-GB"),
        ("", "en-GB"),
        (";;q=,,de;q=often", "en-GB"),
        ("de;q=nan", "en-GB"),
    ],
)
def test_the_most_wanted_language_that_there_is_is_spoken(header: str, tag: str) -> None:
    assert language(header).tag == tag


@given(st.text(alphabet="deEN-_*;q=0.19, ßx\x00%", max_size=40))
def test_no_header_is_too_odd(header: str) -> None:
    assert language(header).code in LANGUAGES


@pytest.mark.parametrize(("header", "first"), [("de-AT", 0), ("en-GB", 0), ("en-US", 6), ("en", 0)])
def test_weeks_begin_as_they_do_there(header: str, first: int) -> None:
    assert language(header).week_start == first


# --- how things look -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "amount", "whole", "number"),
    [
        ("de", f"1.234,50{NBSP}€", f"1.234{NBSP}€", "1.234,567"),
        ("de-CH", f"EUR{NBSP}1’234.50", f"EUR{NBSP}1’234", "1’234.567"),
        ("en-GB", "€1,234.50", "€1,234", "1,234.567"),
        ("en-US", "€1,234.50", "€1,234", "1,234.567"),
    ],
)
def test_money_and_numbers_look_as_they_do_there(header: str, amount: str, whole: str, number: str) -> None:
    spoken = language(header)
    assert spoken.money(Decimal("1234.50"), "EUR") == amount
    assert spoken.money(Decimal("1234"), "EUR") == whole
    assert spoken.number(Decimal("1234.567")) == number


@pytest.mark.parametrize(
    ("header", "hundreds", "thousands", "millions"),
    [
        ("de", f"950{NBSP}€", f"12.345{NBSP}€", f"1,2{NBSP}Mio.{NBSP}€"),
        ("de-AT", f"€{NBSP}950", f"€{NBSP}12.345", f"1,2{NBSP}Mio.{NBSP}€"),
        ("en", "€950", "€12.3K", "€1.2M"),
    ],
)
def test_an_amount_in_few_letters(header: str, hundreds: str, thousands: str, millions: str) -> None:
    spoken = language(header)
    amounts = [Decimal("949.7"), Decimal("12345.1"), Decimal(1_234_567)]
    assert [spoken.short_money(one, "EUR") for one in amounts] == [hundreds, thousands, millions]
    assert spoken.short_money(None, "EUR") == ""


def test_a_currency_of_letters_stands_apart() -> None:
    assert language("en").money(Decimal("-500"), "SEK") == f"-SEK{NBSP}500"
    assert language("en").short_money(Decimal(12_345), "SEK") == f"SEK{NBSP}12.3K"


def test_an_amount_has_as_many_decimals_as_its_currency() -> None:
    assert language("de").money(Decimal("1234"), "JPY", 0) == f"1.234{NBSP}¥"
    assert language("en-US").money(Decimal("0.50"), "USD") == "$0.50"
    assert language("de").money(None, "EUR") == ""
    assert language("de").money(Decimal("2.5"), None) == "2,5"


@pytest.mark.parametrize(
    ("header", "day", "clock", "short"),
    [
        ("de", "01.12.2026", "14:03", "1. Dez."),
        ("en-GB", "1 Dec 2026", "14:03", "1 Dec"),
        ("en-US", "Dec 1, 2026", "2:03\u202fPM", "Dec 1"),
    ],
)
def test_days_and_times_look_as_they_do_there(header: str, day: str, clock: str, short: str) -> None:
    spoken, moment = language(header), datetime(2026, 12, 1, 14, 3, tzinfo=UTC)
    assert spoken.date(date(2026, 12, 1)) == day
    assert spoken.time(moment) == clock
    assert spoken.moment(moment) == f"{day}, {clock}"
    assert spoken.short_date(date(2026, 12, 1), date(2026, 1, 1)) == short
    assert "2026" in spoken.short_date(date(2026, 12, 1), date(2027, 1, 1))


def test_an_instant_is_shown_in_the_visitors_time_zone() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert language("de", "Europe/Berlin").moment(late) == "01.12.2026, 00:30"
    assert language("de").moment(late) == "30.11.2026, 23:30"
    assert language("de").ago(late - timedelta(hours=3), late) == "vor 3 Stunden"
    assert language("de").ago(late + timedelta(days=2), late) == "in 2 Tagen"
    assert language("de").ago(late, late) == "jetzt"


@pytest.mark.parametrize(
    ("header", "one", "many"), [("de", "1 Account", "1.200 Accounts"), ("en-GB", "1 account", "1,200 accounts")]
)
def test_numbers_decide_about_the_form_of_a_text(header: str, one: str, many: str) -> None:
    spoken = language(header)
    assert spoken.count("%(num)s account", "%(num)s accounts", 1) == one
    assert spoken.count("%(num)s account", "%(num)s accounts", 1200) == many


# --- on the page -----------------------------------------------------------------------------------------------------


def test_the_switch_outweighs_the_browser_and_can_be_let_go_of(site: PageSite) -> None:
    def spoken() -> str:
        found = re.search(r'<html lang="(\w+)"', site.get("/jump").text)
        assert found
        return found[1]

    assert spoken() == "en"
    site.post("/appearance", {"language": "de"})
    assert spoken() == "de"
    assert '<option value="de" selected' in site.get("/jump").text
    site.post("/appearance", {"language": "tlh"})
    assert spoken() == "en"
    assert '<option value="" selected' in site.get("/jump").text


def test_a_chosen_language_keeps_the_country_of_the_browser(site: PageSite) -> None:
    site.session.headers["Accept-Language"] = "en-US, de-AT;q=0.5"
    site.post("/appearance", {"language": "de"})
    page = site.get("/contacts").text
    assert '<html lang="de"' in page
    assert "Jän" in page  # which Austrians call what Germans call Januar


@pytest.mark.parametrize("zone", ["Nowhere/City", "../../etc/passwd", "Europe", "x" * 900, "%00", "%FF", "."])
def test_a_time_zone_that_is_none_is_utc(site: PageSite, zone: str) -> None:
    site.session.cookies.set("zone", zone)
    page = site.get("/jump")
    assert page.status_code == 200
    assert '<input name="zone" value="UTC"' in page.text


def test_the_time_zone_of_the_browser_is_used(site: PageSite) -> None:
    site.session.cookies.set("zone", "America%2FArgentina%2FBuenos_Aires")
    assert 'value="America/Argentina/Buenos_Aires"' in site.get("/jump").text
    answer = site.post("/appearance", {"zone": "Berlin", "back": "/jump"})
    assert "No time zone is called “Berlin”." in answer.text
    assert 'value="America/Argentina/Buenos_Aires"' in site.get("/jump").text
    site.post("/appearance", {"zone": "Europe/Berlin"})
    assert 'value="Europe/Berlin"' in site.get("/jump").text


def test_no_english_is_left_on_german_pages(site: PageSite) -> None:
    account = _first_account(site)
    site.session.headers["Accept-Language"] = "de"
    for path in (
        *("/accounts", "/board", "/contacts", "/conflicts", "/sync", "/jump?q=a", "/nothing/here"),
        *("/accounts/columns", "/accounts/filters", "/accounts/saved", "/activities/new"),
        *(account, f"{account}/activities/new", f"{account}/fields/owner_id", f"{account}/fields/name"),
    ):
        page = site.get(path)
        assert page.status_code in (200, 404), path
        assert LEFTOVERS.findall(_words(page.text)) == [], path


def _first_account(site: PageSite) -> str:
    found = re.search(r'href="(/accounts/\d+)"', site.get("/accounts").text)
    assert found
    return found[1]


def _words(page: str) -> str:
    """What is read on a page, and what is read out; the company's own names and the programs' aside."""
    named = re.findall(r'(?:aria-label|title|placeholder|alt|data-text-\w+)="([^"]*)"', page)
    visible = re.sub(r"<(code|bdi|style|script|option lang|title)\b.*?</|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join([visible, *named])


def test_what_other_layers_refuse_is_said_in_german(site: PageSite) -> None:
    account = _first_account(site)
    site.session.headers["Accept-Language"] = "de"
    answer = site.post("/changes/999999/undo")
    assert "Es gibt keine Änderung 999999." in answer.text
    answer = site.post(
        f"{account}/activities/new", {"subject": "A", "type": "yoga", "date": "2026-12-01", "owner": "1"}
    )
    assert "Es gibt keinen Aktivitätstyp" in answer.text
