"""Fields as people read and type them: every kind there and back, numbers of two countries, links that lead nowhere."""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

import jinja2
import pytest
from starlette.datastructures import FormData

from sync.accounts.fields import Fields
from sync.accounts.kinds import STANDARD, FieldKind, FieldType, custom
from sync.accounts.meanings import same
from sync.accounts.planner import Policy, Rule
from sync.settings import OwnField
from sync.web.pages.fields.forms import Control, WrongValue, number_of, typed_again
from sync.web.pages.fields.view import FieldView, mail_link, phone_link, value_of, web_link
from sync.web.pages.language import Language, language_for

ENGLISH, GERMAN = language_for(["en-GB"], UTC), language_for(["de-DE"], UTC)
OPTIONS = {1: "One", 2: "<Two>"}
TYPES = {
    f"c_{kind}": found for kind in FieldKind if (found := custom(kind, OPTIONS if kind in ("enum", "set") else None))
}
TYPES["label_ids"] = FieldType(FieldKind.LABELS, OPTIONS)
FIELDS = Fields(
    rules={code: Rule(one, Policy.NEWEST) for code, one in {**STANDARD, **TYPES}.items()},
    names={code: code for code in (*STANDARD, *TYPES)},
    own={
        "fields.tier": OwnField(type="enum", options=("A", "B")),
        "fields.topics": OwnField(type="set", options=("A", "B"), title="Topics"),
        "fields.score": OwnField(type="number"),
        "fields.since": OwnField(type="date"),
        "fields.remark": OwnField(type="text"),
    },
    users={3: "Ann", 4: "Bob"},
)
RECORDS = {"organizations": {5: "Acme <Ltd> (Berlin)"}, "persons": {6: "Ada"}}
VALUES: Mapping[str, Any] = {
    "name": "<script>alert(1)</script>",
    "owner_id": 3,
    "address": {"value": "High Street 1\nLondon"},
    "label_ids": [1, 2],
    "visible_to": 7,
    "website": "https://acme.example/?a=1&b=2",
    "annual_revenue": Decimal("1234567.25"),
    "employee_count": 12,
    "c_varchar": "text",
    "c_varchar_auto": "ann@acme.example",
    "c_text": "\n two\nlines",
    "c_double": -0.125,
    "c_monetary": {"value": 1234.5, "currency": "EUR"},
    "c_enum": 2,
    "c_set": [2, 1],
    "c_user": 4,
    "c_org": 5,
    "c_people": 6,
    "c_phone": "+49 (30) 1234-5",
    "c_date": "2026-01-02",
    "c_daterange": {"value": "2026-01-02", "until": "2026-02-03"},
    "c_time": {"value": "09:05:30", "timezone_name": "Europe/Berlin"},
    "c_timerange": {"value": "09:00:00", "until": "10:30:00", "timezone_name": "Europe/Berlin"},
    "c_address": {"value": "High Street 1"},
    "fields.tier": "B",
    "fields.topics": ["A", "B"],
    "fields.score": 1.5,
    "fields.since": "2026-01-02",
    "fields.remark": "hm",
}


def view(language: Language = ENGLISH) -> FieldView:
    return FieldView(FIELDS, language, ["EUR", "USD"], RECORDS)


def form_of(control: Control) -> FormData:
    """What a browser sends of a control that nobody has touched."""
    chosen = [one.value for one in control.choices if one.is_chosen]
    if control.sort in ("choice", "choices"):
        return FormData([("value", one) for one in chosen])
    pairs = [("value", control.value.replace("\n", "\r\n")), ("until", control.until), ("zone", control.zone)]
    return FormData([*pairs, *(("currency", one) for one in chosen)])


def wrong(code: str, **form: str) -> str:
    with pytest.raises(WrongValue) as caught:
        value_of(FormData(form), FIELDS, code, ENGLISH)
    return str(caught.value)


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", [ENGLISH, GERMAN], ids=["en", "de"])
@pytest.mark.parametrize("code", VALUES)
def test_a_form_that_nobody_touched_says_what_the_field_holds(language: Language, code: str) -> None:
    got = value_of(form_of(view(language).control(code, VALUES[code])), FIELDS, code, language)
    if code in FIELDS.own:
        assert got == VALUES[code]
    else:
        assert same(FIELDS.rules[code].field_type, got, VALUES[code])


@pytest.mark.parametrize("code", [code for code in VALUES if code not in ("name", "owner_id", "visible_to")])
def test_an_empty_form_clears(code: str) -> None:
    got = value_of(FormData({"value": "", "until": "", "currency": "EUR"}), FIELDS, code, ENGLISH)
    assert got in (None, [])


@pytest.mark.parametrize("code", ["name", "owner_id", "visible_to"])
def test_what_must_not_be_empty_says_so(code: str) -> None:
    assert wrong(code, value=" ") == "This can't be empty."


@pytest.mark.parametrize("code", VALUES)
def test_no_value_is_shown_as_nothing(code: str) -> None:
    nothings: list[Any] = [None, "", []]
    for nothing in nothings:
        assert not view().shown(code, nothing)


@pytest.mark.parametrize("code", [*VALUES, "gone", "fields.gone"])
@pytest.mark.parametrize(
    "odd", [5, "x", [], {}, True, {"value": None}, {"value": {"x": 1}}, [{"a": 1}], 1e308, "99:99", {"until": 3}, -1]
)
def test_what_has_an_odd_shape_is_shown_somehow(code: str, odd: Any) -> None:
    str(view().shown(code, odd))
    if view().kind(code):
        view().control(code, odd)


# --- how values read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "english", "german"),
    [
        ("owner_id", "Ann", "Ann"),
        ("address", "High Street 1 London", "High Street 1 London"),
        ("label_ids", "One, <Two>", "One, <Two>"),
        ("annual_revenue", "1,234,567.25", "1.234.567,25"),
        ("c_monetary", "€1,234.50", "1.234,50\xa0€"),
        ("c_enum", "<Two>", "<Two>"),
        ("c_org", "Acme <Ltd> (Berlin)", "Acme <Ltd> (Berlin)"),
        ("c_people", "Ada", "Ada"),
        ("c_user", "Bob", "Bob"),
        ("c_date", "2 Jan 2026", "02.01.2026"),
        ("c_daterange", "2 Jan 2026 – 3 Feb 2026", "02.01.2026 – 03.02.2026"),
        ("c_time", "09:05 (Europe/Berlin)", "09:05 (Europe/Berlin)"),
        ("c_timerange", "09:00 – 10:30 (Europe/Berlin)", "09:00 – 10:30 (Europe/Berlin)"),
        ("fields.tier", "B", "B"),
        ("fields.topics", "A, B", "A, B"),
    ],
)
def test_values_read_as_people_write_them(code: str, english: str, german: str) -> None:
    assert str(view(ENGLISH).shown(code, VALUES[code])) == english
    assert str(view(GERMAN).shown(code, VALUES[code])) == german


def test_ids_that_stand_for_nothing_any_more_are_shown_as_they_are() -> None:
    assert str(view().shown("owner_id", 99)) == "99"
    assert str(view().shown("c_enum", 99)) == "99"
    assert str(view().shown("c_org", 99)) == "99"


@pytest.mark.parametrize(
    "hostile",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "data:text/html,<script>",
        "http://user:password@evil.example/",
        "http://",
        "https://a b",
        'https://x/"onclick=1',
        "vbscript:x",
        "//evil.example",
        "https:\\\\evil.example",
        "http://[::1",
    ],
)
def test_only_addresses_in_the_web_become_links(hostile: str) -> None:
    assert web_link(hostile) == ""
    assert not view().shown("website", hostile).href
    assert not view().shown("c_varchar", hostile).href


def test_addresses_in_the_web_become_links() -> None:
    assert web_link("www.acme.example") == "https://www.acme.example"
    assert web_link(" http://acme.example/x?y=1 ") == "http://acme.example/x?y=1"


def test_only_what_looks_like_one_is_a_mail_address_or_a_number() -> None:
    assert mail_link("ann@acme.example") == "mailto:ann@acme.example"
    assert phone_link("+49 (30) 12-34") == "tel:+49301234"
    for text in ("ann@acme", "a@b.de?cc=c@d.de", "a@b.de,c@d.de", "<a@b.de>", "javascript:x@y.de", "a%0a@b.de"):
        assert mail_link(text) == ""
    for text in ("123", "call me", "+49 30 12 ext. 4", "javascript:12345", "1" * 40):
        assert phone_link(text) == ""


# --- how values are typed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "english", "german"),
    [
        ("1234.5", "1234.5", "1234.5"),
        ("1234,5", "1234.5", "1234.5"),
        ("1,234", "1234", "1.234"),
        ("1.234", "1.234", "1234"),
        ("1,234.5", "1234.5", "1234.5"),
        ("1.234,5", "1234.5", "1234.5"),
        ("1.234.567", "1234567", "1234567"),
        ("1 234\u202f567", "1234567", "1234567"),
        ("1'234", "1234", "1234"),
        ("-0,5", "-0.5", "-0.5"),
        (".5", "0.5", "0.5"),
        ("0,125", "0.125", "0.125"),
    ],
)
def test_numbers_are_read_as_people_there_write_them(text: str, english: str, german: str) -> None:
    assert number_of(text, ENGLISH) == Decimal(english)
    assert number_of(text, GERMAN) == Decimal(german)


@pytest.mark.parametrize(
    "text", ["", "-", ".", "twelve", "1..2", "1,23,4", "NaN", "1e400", "Infinity", "٣", "1.234,567.8"]
)
def test_what_is_no_number_says_so(text: str) -> None:
    with pytest.raises(WrongValue, match=r"This is no number\."):
        number_of(text, ENGLISH)


@pytest.mark.parametrize(
    ("code", "form", "words"),
    [
        ("employee_count", {"value": "1.5"}, "This must be a whole number."),
        ("c_double", {"value": "x"}, "This is no number."),
        ("fields.score", {"value": "x"}, "This is no number."),
        ("c_monetary", {"value": "5"}, "This must be an amount with its currency."),
        ("c_date", {"value": "2026-02-30"}, "This is no date."),
        ("c_daterange", {"value": "2026-02-03"}, "Give both dates."),
        ("c_time", {"value": "25:00"}, "This is no time of day."),
        ("c_timerange", {"until": "10:00"}, "Give both times of day."),
        ("c_enum", {"value": "99"}, "This option is not there any more."),
        ("c_set", {"value": "99"}, "One of these options is not there any more."),
        ("label_ids", {"value": "x"}, "One of these labels is not there any more."),
        ("c_org", {"value": "Acme"}, "Choose an organization from the list, or give its number."),
        ("c_people", {"value": "Ada"}, "Choose a person from the list, or give their number."),
        ("fields.tier", {"value": "C"}, "This option is not there any more."),
        ("name", {"value": "a\0b"}, "This value does not fit here."),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(code: str, form: dict[str, str], words: str) -> None:
    assert wrong(code, **form) == words


def test_a_record_is_given_by_its_number_whatever_its_name() -> None:
    assert value_of(FormData({"value": "Acme <Ltd> (Berlin) (5)"}), FIELDS, "c_org", ENGLISH) == 5
    assert value_of(FormData({"value": "5"}), FIELDS, "c_org", ENGLISH) == 5


def test_what_was_typed_is_still_there_in_the_form_that_comes_back() -> None:
    money = typed_again(view().control("c_monetary", None), FormData({"value": "x", "currency": "USD"}))
    assert (money.value, [one.value for one in money.choices if one.is_chosen]) == ("x", ["USD"])
    boxes = typed_again(view().control("label_ids", [1]), FormData([("value", "2")]))
    assert [one.value for one in boxes.choices if one.is_chosen] == ["2"]
    ends = typed_again(view().control("c_daterange", None), FormData({"value": "2026-01-01", "until": "?"}))
    assert (ends.value, ends.until) == ("2026-01-01", "?")


def test_what_is_chosen_and_gone_stays_to_be_unchosen() -> None:
    control = view().control("c_set", [1, 99])
    assert [(one.value, one.is_chosen) for one in control.choices] == [("1", True), ("2", False), ("99", True)]
    assert view().control("c_monetary", {"value": 1, "currency": "XXX"}).choices[-1].is_chosen


# --- in the page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", VALUES)
def test_nothing_that_a_field_holds_gets_into_the_markup(code: str) -> None:
    loader = jinja2.PackageLoader("sync.web")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        '{% import "_fields.html" as fields with context %}'
        "{{ fields.show(code, value) }}{{ fields.control(code, value, 'x') }}"
    )
    for hostile in ('"><script>alert(1)</script>', "</textarea><script>", "' onfocus=alert(1) x='"):
        for value in (
            VALUES[code],
            hostile,
            {"value": hostile, "currency": hostile, "timezone_name": hostile},
            [hostile],
        ):
            html = template.render(view=view(), code=code, value=value, _=ENGLISH.say)
            assert "<script" not in html
            assert "' onfocus" not in html
