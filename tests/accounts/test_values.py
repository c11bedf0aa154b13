"""What fits a field, what a person's text stands for, and which values mean the same."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.accounts.kinds import STANDARD, FieldKind, FieldType, custom
from sync.accounts.meanings import changes, meaning, same
from sync.accounts.values import Unfit, check, parse
from sync.pipedrive.entities import ORGANIZATIONS

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(unhurried, max_examples=30)
OPTIONS = {1: "Nord", 2: "Süd", 3: "West, far", 4: "Twin", 5: "twin", 6: "Twice", 7: "twice", 8: "9", 10: "[A] gold"}
TYPES: Mapping[FieldKind, FieldType] = {
    kind: FieldType(kind, OPTIONS if kind in ("enum", "set", "labels") else None) for kind in FieldKind
}
TEXTS = ("name", "varchar", "varchar_auto", "text", "phone")
CUSTOM = tuple(kind for kind in FieldKind if kind not in ("name", "owner", "labels", "visibility", "whole"))
NEEDED = ("name", "owner", "visibility")
STREET = {"value": "A street 1", "locality": "Bern"}
MONEY = {"value": 1200, "currency": "EUR"}
DATES = {"value": "2026-01-01", "until": "2026-02-01"}
HOURS = {"value": "09:00:00", "until": "17:00:00"}

# A kind, a value, and what of it is sent.
FITTING: list[tuple[str, Any, Any]] = [
    ("name", " Acme ", "Acme"),
    ("varchar", " as it is ", " as it is "),
    ("text", "two\nlines", "two\nlines"),
    ("text", " ", None),
    ("owner", 7, 7),
    ("owner", Decimal("7.00"), 7),
    ("user", 7.0, 7),
    ("org", 7, 7),
    ("people", 7, 7),
    ("visibility", Decimal(3), 3),
    ("whole", 12.0, 12),
    ("whole", -1, -1),
    ("double", 2.5, 2.5),
    ("double", Decimal("2.50"), 2.5),
    ("double", Decimal("1200.00"), 1200),
    ("double", 0, 0),
    ("double", 10**30, 1e30),
    ("monetary", {"value": Decimal("12.50"), "currency": " eur "}, {"value": 12.5, "currency": "EUR"}),
    ("monetary", {"value": 0, "currency": "EUR", "label": None}, {"value": 0, "currency": "EUR"}),
    ("monetary", {"value": None, "currency": "EUR"}, None),
    ("enum", 2.0, 2),
    ("set", [2, 1, 2], [2, 1]),
    ("set", [], None),
    ("labels", [2, 1], [2, 1]),
    ("labels", [], []),
    ("labels", None, []),
    ("phone", "+41 44", "+41 44"),
    ("date", " 2026-02-28", "2026-02-28"),
    ("daterange", DATES, DATES),
    ("daterange", {"value": None, "until": None}, None),
    ("time", "9:00", {"value": "09:00:00"}),
    ("time", {"value": "09:00", "timezone_name": None}, {"value": "09:00:00"}),
    (
        "time",
        {"value": "23:59:59", "timezone_name": "Europe/Berlin"},
        {"value": "23:59:59", "timezone_name": "Europe/Berlin"},
    ),
    ("timerange", {"value": "9:00", "until": "17:00", "timezone_name": "UTC"}, HOURS | {"timezone_name": "UTC"}),
    ("address", "A street 1", {"value": "A street 1"}),
    ("address", STREET | {"country": None, "route": ""}, STREET),
    ("address", {"value": None, "locality": None}, None),
]
# A kind, a value, and a word of the reason.
UNFIT: list[tuple[str, Any, str]] = [
    ("name", 5, "a text"),
    ("name", "  ", "empty"),
    ("varchar", 5, "a text"),
    ("varchar", "a\0b", "NUL"),
    ("varchar", "\ud800", "half a character"),
    ("owner", 0, "positive"),
    ("owner", True, "a number"),
    ("people", -1, "positive"),
    ("org", "7", "a number"),
    ("visibility", 2, "1, 3, 5, 7"),
    ("whole", 1.5, "whole number"),
    ("whole", 1e30, "too large"),
    ("owner", 2**53 + 2, "too large"),
    ("double", True, "a number"),
    ("double", "5", "a number"),
    ("double", float("nan"), "a number"),
    ("double", float("inf"), "a number"),
    ("double", Decimal("sNaN"), "a number"),
    ("double", Decimal("1e400"), "a number"),
    ("double", 10**400, "a number"),
    ("double", {}, "a number"),
    ("monetary", 5, "with its currency"),
    ("monetary", {"value": 5}, "currency is missing"),
    ("monetary", {"value": True, "currency": "EUR"}, "a number"),
    ("monetary", {"value": 5, "currency": 1}, "a text"),
    ("monetary", {"value": 5, "currency": "EUR", "rate": 2}, "no part rate"),
    ("enum", 99, "no option 99; the options are Nord (1), Süd (2)"),
    ("enum", "Nord", "id of an option; the options are Nord (1)"),
    ("enum", [1], "a number"),
    ("set", [1, 99], "no option 99"),
    ("set", 1, "a list"),
    ("set", [None], "a number"),
    ("labels", [99], "no option 99"),
    ("date", "2026-02-30", "a date"),
    ("date", "20260228", "a date"),
    ("date", "2026-02-28T00:00:00Z", "a date"),
    ("date", 5, "a date"),
    ("daterange", "2026-02-28", "two dates"),
    ("daterange", {"value": "2026-02-28"}, "until is missing"),
    ("daterange", {"value": "2026-02-28", "until": "soon"}, "a date"),
    ("daterange", {"value": "2026-02-30", "until": "2026-03-01"}, "a date"),
    ("daterange", {"from": "2026-02-28", "until": "2026-03-01"}, "no part from"),
    ("time", "24:00", "time of day"),
    ("time", {"value": 9}, "time of day"),
    ("time", {"timezone_name": "UTC", "at": "09:00"}, "no part at"),
    ("time", 9, "time of day"),
    ("timerange", {"value": "09:00"}, "until is missing"),
    ("timerange", {"value": "09:00", "until": "late"}, "time of day"),
    ("address", 5, "an address"),
    ("address", {"locality": "Bern"}, "value is missing"),
    ("address", STREET | {"zip": "3000"}, "no part zip"),
    ("address", STREET | {"street_number": 5}, "a text"),
]
# A kind, what is typed, and what of it is sent; a reason where nothing is.
TYPED: list[tuple[str, str, Any]] = [
    ("name", " Acme ", "Acme"),
    ("text", "{not JSON}", "{not JSON}"),
    ("varchar", "[urgent] call", "[urgent] call"),
    ("owner", "7", 7),
    ("visibility", "3", 3),
    ("whole", " 12 ", 12),
    ("double", "-1.5", -1.5),
    ("double", "1e3", 1000),
    ("double", ".5", 0.5),
    ("double", "1,200", Unfit("a number")),
    ("double", "1_000", Unfit("a number")),
    ("double", "nan", Unfit("a number")),
    ("double", "[1]", Unfit("a number")),
    ("monetary", "1200 EUR", MONEY),
    ("monetary", "1200,EUR", MONEY),
    ("monetary", "1200.50 , eur", {"value": 1200.5, "currency": "EUR"}),
    ("monetary", '{"value": 1200, "currency": "EUR"}', MONEY),
    ("monetary", "1200", Unfit("with its currency")),
    ("monetary", "1,200", Unfit("with its currency")),
    ("monetary", "1.2.3 EUR", Unfit("a number")),
    ("enum", "süd", 2),
    ("enum", "2", 2),
    ("enum", "West, far", 3),
    ("enum", "Twin", 4),
    ("enum", "twin", 5),
    ("enum", "TWIN", Unfit("ids 4, 5")),
    ("enum", "9", 8),
    ("enum", "99", Unfit("no option 99")),
    ("enum", "Ost", Unfit("the options are Nord (1)")),
    ("enum", "[a] Gold", 10),
    ("set", "west, FAR", [3]),
    ("set", "nord, 2,, nord", [1, 2]),
    ("set", "[a] gold, süd", [10, 2]),
    ("set", "[2, 1]", [2, 1]),
    ("set", "[]", None),
    ("set", "nord,Ost", Unfit("the options are")),
    ("labels", "nord", [1]),
    ("labels", "", []),
    ("date", " 2026-12-31 ", "2026-12-31"),
    ("date", "31.12.2026", Unfit("a date")),
    ("daterange", "2026-01-01..2026-02-01", DATES),
    ("daterange", "2026-01-01 .. 2026-02-01", DATES),
    ("daterange", "2026-01-01", Unfit("two dates")),
    ("daterange", "2026-01-01..", Unfit("until is missing")),
    ("time", "9:00", {"value": "09:00:00"}),
    ("time", '{"value": "09:00", "timezone_name": "UTC"}', {"value": "09:00:00", "timezone_name": "UTC"}),
    ("timerange", "09:00..17:00", HOURS),
    ("address", " A street 1 ", {"value": "A street 1"}),
    ("address", json.dumps(STREET), STREET),
    ("address", '{"value": ', Unfit("not valid JSON")),
    ("address", "[" * 100_000, Unfit("not valid JSON")),
]
# A kind and values that all mean the same.
ALIKE: list[tuple[str, list[Any]]] = [
    ("double", [1, 1.0, Decimal("1.00")]),
    ("double", [0.1, Decimal("0.1"), Decimal("0.100")]),
    ("double", [0, -0.0, Decimal(0)]),
    ("double", [3.193549045806125e16, Decimal("3.193549045806125e16"), Decimal("31935490458061250")]),
    ("enum", [5, 5.0]),
    ("owner", [5, Decimal(5)]),
    ("set", [[1, 2], [2, 1], [2, 1, 2], [1.0, 2]]),
    ("set", [None, [], ""]),
    ("labels", [None, []]),
    ("name", ["Acme", " Acme\t"]),
    ("text", ["a\nb", "a\r\nb", " a\r\nb\n"]),
    ("varchar", [None, "", "  "]),
    ("date", ["2026-01-01", "2026-01-01 "]),
    ("monetary", [MONEY, {"currency": "eur", "value": Decimal("1200.00"), "label": "1.200 €"}]),
    ("monetary", [None, {}, {"value": None}, {"value": None, "currency": "EUR"}, {"value": None, "currency": None}]),
    ("time", ["09:00", "9:00", "09:00:00", {"value": "09:00:00"}, {"value": "09:00", "timezone_name": "UTC"}]),
    ("time", [None, {"value": None, "timezone_name": "UTC"}]),
    ("timerange", [HOURS, {"value": "9:00", "until": "17:00", "timezone_name": None}]),
    ("daterange", [DATES, DATES | {"label": 1}]),
    ("daterange", [None, {"value": None, "until": None}]),
    ("address", ["A street 1", " A street 1", STREET, STREET | {"country": "CH"}, STREET | {"locality": None}]),
    ("address", [None, "", {}, {"value": None}, {"value": "", "locality": None}]),
]
# A kind and two values that do not mean the same.
UNLIKE: list[tuple[str, Any, Any]] = [
    ("double", 1, 1.5),
    ("double", 0, None),
    ("double", 1, "1"),
    ("double", 2**53, 2**53 - 1),
    ("set", [1], [1, 2]),
    ("set", [1], None),
    ("set", [1], 1),
    ("name", "Acme", "acme"),
    ("text", "a\nb", "a b"),
    ("monetary", MONEY, MONEY | {"currency": "USD"}),
    ("monetary", MONEY, MONEY | {"value": 1}),
    ("monetary", MONEY | {"value": 0}, None),
    ("monetary", MONEY, 1200),
    ("time", "09:00", "09:00:01"),
    ("time", {"value": "09:00", "timezone_name": "UTC"}, {"value": "09:00", "timezone_name": "Europe/Berlin"}),
    ("timerange", HOURS, HOURS | {"until": "18:00"}),
    ("timerange", HOURS, HOURS | {"value": "08:00"}),
    ("daterange", DATES, DATES | {"until": None}),
    ("address", STREET, STREET | {"locality": "Basel"}),
    ("address", STREET, STREET | {"value": "A street 2"}),
    ("address", {"locality": "Bern"}, None),
    ("date", "2026-01-01", {"x": "2026-01-01"}),
    ("daterange", {"x": 1}, None),
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", " ", "09:00", "2026-01-01", "EUR", "a\r\n"])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "until", "currency", "locality", "timezone_name", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
moneys = st.fixed_dictionaries({"value": st.integers() | st.floats(allow_nan=False), "currency": st.just("EUR")})
clocks = st.sampled_from(["9:00", "09:00", "09:00:00", "23:59:59"])
days = st.dates().map(str)
zones = {"timezone_name": st.sampled_from(["UTC", None])}
numbers = st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False, places=3)
plausible = (
    numbers
    | st.lists(st.sampled_from(list(OPTIONS)), max_size=4)
    | moneys
    | days
    | st.fixed_dictionaries({"value": days, "until": days})
    | st.fixed_dictionaries({"value": clocks, "until": clocks}, optional=zones)
    | st.fixed_dictionaries({"value": clocks}, optional=zones)
    | st.fixed_dictionaries({"value": st.text()}, optional={"locality": st.text() | st.none()})
)
values = json_values | plausible
kinds = st.sampled_from(list(FieldKind))


@pytest.mark.parametrize(("kind", "value", "sent"), FITTING)
def test_what_fits_is_made_ready_to_be_sent(kind: str, value: Any, sent: Any) -> None:
    checked = check(TYPES[FieldKind(kind)], value)
    assert checked == sent
    assert json.loads(json.dumps(checked)) == sent
    assert type(checked) is type(sent)


@pytest.mark.parametrize(("kind", "value", "reason"), UNFIT)
def test_what_does_not_fit_is_refused_with_the_reason(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(Unfit, match=re.escape(reason)):
        check(TYPES[FieldKind(kind)], value)


@pytest.mark.parametrize(("kind", "text", "sent"), TYPED)
def test_what_a_person_types_is_read(kind: str, text: str, sent: Any) -> None:
    if isinstance(sent, Unfit):
        with pytest.raises(Unfit, match=re.escape(str(sent))):
            parse(TYPES[FieldKind(kind)], text)
    else:
        assert parse(TYPES[FieldKind(kind)], text) == sent


def test_every_kind_is_in_every_table() -> None:
    texts = set(TEXTS) - {"name"}
    for table in (FITTING, UNFIT, TYPED):
        missing = set(FieldKind) - {row[0] for row in table}
        assert missing <= texts | {"user", "org", "people", "owner"}, missing


@pytest.mark.parametrize("kind", FieldKind)
def test_null_and_an_empty_text_clear_all_but_what_an_organization_must_have(kind: FieldKind) -> None:
    if kind in NEEDED:
        for clearing in (lambda: check(TYPES[kind], None), lambda: parse(TYPES[kind], " ")):
            with pytest.raises(Unfit, match="empty"):
                clearing()
    else:
        cleared = [] if kind == "labels" else None
        assert check(TYPES[kind], None) == parse(TYPES[kind], "") == parse(TYPES[kind], " ") == cleared


def test_options_that_are_not_known_are_left_to_pipedrive() -> None:
    unknown = FieldType(FieldKind.SET)
    assert check(unknown, [99]) == [99]
    assert parse(unknown, "99, 7") == [99, 7]
    with pytest.raises(Unfit, match=r"no option of that label$"):
        parse(unknown, "Nord")


def test_a_field_without_options_has_none() -> None:
    with pytest.raises(Unfit, match="it has no options"):
        check(FieldType(FieldKind.ENUM, {}), 1)


def test_a_long_list_of_options_is_cut() -> None:
    with pytest.raises(Unfit, match=r"o0 \(0\), .*, o19 \(19\) and 80 more$"):
        check(FieldType(FieldKind.ENUM, {number: f"o{number}" for number in range(100)}), 100)


def test_the_standard_attributes_are_the_organizations_own() -> None:
    read_only = {"id", "add_time", "update_time", "is_deleted"}
    assert STANDARD.keys() == ORGANIZATIONS.column_names - read_only


def test_types_of_custom_fields_are_known_by_pipedrives_names() -> None:
    assert {custom(kind) for kind in CUSTOM} == {FieldType(kind) for kind in CUSTOM}
    assert custom("enum", OPTIONS) == FieldType(FieldKind.ENUM, OPTIONS)
    assert {custom(name) for name in ("name", "owner", "labels", "visibility", "whole", "hologram", "")} == {None}


def test_a_type_can_be_the_key_of_a_mapping() -> None:
    assert {FieldType(FieldKind.ENUM, OPTIONS): 1}[FieldType(FieldKind.ENUM, dict(OPTIONS))] == 1


@pytest.mark.parametrize(("kind", "alike"), ALIKE)
def test_values_that_mean_the_same(kind: str, alike: list[Any]) -> None:
    field_type = TYPES[FieldKind(kind)]
    for a in alike:
        assert meaning(field_type, a) == meaning(field_type, alike[0])
        assert all(same(field_type, a, b) for b in alike)


@pytest.mark.parametrize(("kind", "a", "b"), UNLIKE)
def test_values_that_do_not_mean_the_same(kind: str, a: Any, b: Any) -> None:
    field_type = TYPES[FieldKind(kind)]
    assert not same(field_type, a, b)
    assert not same(field_type, b, a)
    assert changes(field_type, a, b)
    assert changes(field_type, b, a)


@pytest.mark.parametrize(
    ("before", "after", "is_one"),
    [
        (STREET, STREET | {"country": "CH"}, True),
        (STREET | {"country": "CH"}, STREET, False),
        (STREET | {"country": "CH"}, STREET | {"country": None}, False),
        (STREET, "A street 1", False),
        ("A street 1", STREET, True),
        (STREET, STREET | {"x": 1}, False),
        (STREET, STREET | {"locality": " Bern "}, False),
    ],
)
def test_a_part_more_is_a_change_and_a_part_less_is_none(before: Any, after: Any, is_one: bool) -> None:
    assert changes(STANDARD["address"], before, after) is is_one
    assert same(STANDARD["address"], before, after)


def test_a_zone_without_a_time_is_no_change_of_an_unset_one() -> None:
    assert not changes(TYPES[FieldKind.TIME], None, {"value": None, "timezone_name": "UTC"})


@unhurried
@given(kinds, values)
def test_what_is_sent_means_what_was_given_and_fits_again(kind: FieldKind, value: Any) -> None:
    field_type = TYPES[kind]
    try:
        sent = check(field_type, value)
    except Unfit:
        return
    assert same(field_type, sent, value)
    assert meaning(field_type, sent) == meaning(field_type, value)
    assert not changes(field_type, value, sent)
    assert check(field_type, sent) == sent
    assert json.loads(json.dumps(sent)) == sent
    assert kind != "set" or sent != []


@unhurried
@given(kinds, values, values)
def test_sameness_is_reflexive_and_symmetric_and_follows_the_meaning(kind: FieldKind, a: Any, b: Any) -> None:
    field_type = TYPES[kind]
    assert same(field_type, a, a)
    assert not changes(field_type, a, a)
    assert same(field_type, a, b) == same(field_type, b, a)
    assert hash(meaning(field_type, a)) == hash(meaning(field_type, a))
    if same(field_type, a, b):
        assert meaning(field_type, a) == meaning(field_type, b)
        assert hash(meaning(field_type, a)) == hash(meaning(field_type, b))
    else:
        assert changes(field_type, a, b)


@unhurried
@given(kinds, st.text() | json_values.map(json.dumps))
def test_no_text_breaks_the_reading(kind: FieldKind, text: str) -> None:
    try:
        sent = parse(TYPES[kind], text)
    except Unfit:
        return
    assert check(TYPES[kind], sent) == sent


def typed(kind: FieldKind, value: Any) -> str:
    """What a person types for a value."""
    match kind:
        case FieldKind.MONETARY:
            return f"{value['value']} {value['currency']}"
        case FieldKind.DATERANGE | FieldKind.TIMERANGE:
            return f"{value['value']}..{value['until']}"
        case FieldKind.TIME:
            return str(value["value"])
        case FieldKind.SET | FieldKind.LABELS:
            return ", ".join(OPTIONS[one] for one in value)
        case FieldKind.ENUM:
            return OPTIONS[value]
    return str(value)


plain_options = st.sampled_from([1, 2, 4, 5, 6, 8, 10])  # label without a comma
wholes = st.integers(-(2**53), 2**53)
records = st.integers(1, 2**53)
finite = st.floats(allow_nan=False, allow_infinity=False)
WRITTEN: Mapping[str, st.SearchStrategy[Any]] = {
    "owner": records,
    "org": records,
    "visibility": st.sampled_from([1, 3, 5, 7]),
    "whole": wholes,
    "double": wholes | finite,
    "monetary": st.fixed_dictionaries({"value": st.integers(0, 10**12), "currency": st.sampled_from(["EUR", "JPY"])}),
    "enum": plain_options,
    "set": st.lists(plain_options, min_size=1, max_size=4, unique=True),
    "labels": st.lists(plain_options, min_size=1, max_size=4, unique=True),
    "date": days,
    "daterange": st.fixed_dictionaries({"value": days, "until": days}),
    "time": st.times().map(lambda time: {"value": f"{time:%H:%M:%S}"}),
    "timerange": st.just(HOURS),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip),
}


@pytest.mark.parametrize("kind", WRITTEN)
@few
@given(data=st.data())
def test_a_value_written_down_and_read_is_the_same_value(kind: str, data: st.DataObject) -> None:
    value = data.draw(WRITTEN[kind])
    assert parse(TYPES[FieldKind(kind)], typed(FieldKind(kind), value)) == value


@pytest.mark.parametrize("kind", [kind for kind in FieldKind if kind not in TEXTS])
@few
@given(value=plausible)
def test_json_of_a_value_reads_as_the_value(kind: FieldKind, value: Any) -> None:
    try:
        sent = check(TYPES[kind], value)
    except Unfit:
        return
    if isinstance(sent, dict | list):
        assert parse(TYPES[kind], json.dumps(sent)) == sent


@pytest.mark.parametrize("kind", FieldKind)
def test_values_that_cannot_be_compared_are_different_and_break_nothing(kind: FieldKind) -> None:
    def nested() -> Any:
        value: Any = []
        for _ in range(5000):
            value = [value]
        return value

    for make in (nested, lambda: Decimal("sNaN"), lambda: {"value": nested(), "locality": nested()}):
        a, b = make(), make()
        assert same(TYPES[kind], a, a)
        assert not changes(TYPES[kind], a, a)
        assert not same(TYPES[kind], a, b)
        with pytest.raises(Unfit):
            check(TYPES[kind], a)
