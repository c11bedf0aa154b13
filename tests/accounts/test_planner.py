"""What a plan decides: every case there is, and what holds of all plans."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.accounts.kinds import STANDARD, FieldKind, FieldType
from sync.accounts.meanings import same
from sync.accounts.planner import ABSENT, Action, Agreed, Conflict, Local, Policy, Pull, Push, Remote, Rule, Side, plan
from sync.accounts.values import check

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(unhurried, max_examples=30)
SECOND = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FIELD = "f" * 40

# What a side may hold. `old` is what was agreed; `new` may be on both sides, `other` is on the account's alone.
BASES = ("old", "null", "absent")
ACCOUNTS = ("old", "new", "other", "null", "absent")
PIPEDRIVES = ("old", "new", "null", "absent")

OUTCOMES = {
    # base, account:      Pipedrive has   old         new         null        absent
    ("old", "old"): ("nothing", "pull", "pull", "pull"),
    ("old", "new"): ("push", "agreed", "conflict", "conflict"),
    ("old", "other"): ("push", "conflict", "conflict", "conflict"),
    ("old", "null"): ("push", "conflict", "agreed", "agreed"),
    ("old", "absent"): ("nothing", "pull", "pull", "pull"),
    ("null", "old"): ("agreed", "conflict", "push", "push"),
    ("null", "new"): ("conflict", "agreed", "push", "push"),
    ("null", "other"): ("conflict", "conflict", "push", "push"),
    ("null", "null"): ("pull", "pull", "nothing", "nothing"),
    ("null", "absent"): ("pull", "pull", "nothing", "nothing"),
    ("absent", "old"): ("agreed", "conflict", "push", "push"),
    ("absent", "new"): ("conflict", "agreed", "push", "push"),
    ("absent", "other"): ("conflict", "conflict", "push", "push"),
    ("absent", "null"): ("pull", "pull", "nothing", "nothing"),
    ("absent", "absent"): ("pull", "pull", "nothing", "nothing"),
}
# When the account was edited, and when Pipedrive changed.
TIMES: Mapping[str, tuple[datetime | None, datetime | None]] = {
    "edited in a later second": (SECOND + timedelta(seconds=1), SECOND),
    "edited in the same second": (SECOND + timedelta(seconds=1) - TICK, SECOND),
    "edited in an earlier second": (SECOND - TICK, SECOND),
    "edited nobody knows when": (None, SECOND),
    "changed nobody knows when": (SECOND, None),
    "neither is known": (None, None),
}
WINNERS = {
    # when:                        pipedrive    account    newest      review
    "edited in a later second": ("pipedrive", "account", "account", None),
    "edited in the same second": ("pipedrive", "account", "pipedrive", None),
    "edited in an earlier second": ("pipedrive", "account", "pipedrive", None),
    "edited nobody knows when": ("pipedrive", "account", "pipedrive", None),
    "changed nobody knows when": ("pipedrive", "account", "account", None),
    "neither is known": ("pipedrive", "account", "pipedrive", None),
}
# Old, new and other values of a kind.
VALUES: Mapping[FieldType, tuple[Any, Any, Any]] = {
    FieldType(FieldKind.VARCHAR): ("old", "new", "other"),
    FieldType(FieldKind.DOUBLE): (1, 2.5, Decimal("3.0")),
    FieldType(FieldKind.SET): ([1], [1, 2], [2]),
    FieldType(FieldKind.MONETARY): (
        {"value": 1, "currency": "EUR"},
        {"value": 1, "currency": "USD"},
        {"value": 2, "currency": "EUR"},
    ),
    FieldType(FieldKind.DATERANGE): (
        {"value": "2026-01-01", "until": "2026-02-01"},
        {"value": "2026-01-01", "until": "2026-03-01"},
        {"value": "2026-01-02", "until": "2026-02-01"},
    ),
    FieldType(FieldKind.ADDRESS): (
        {"value": "Old street", "locality": "Bern"},
        {"value": "Old street", "locality": "Basel"},
        "New street",
    ),
}
CASES = list(itertools.product(BASES, ACCOUNTS, PIPEDRIVES))


def holding(state: str, values: tuple[Any, Any, Any]) -> dict[str, Any]:
    """What a side holds in such a state."""
    if state == "absent":
        return {}
    return {FIELD: None if state == "null" else values[("old", "new", "other").index(state)]}


def expected(case: tuple[str, str, str], values: tuple[Any, Any, Any], winner: Side | None) -> tuple[Action, ...]:
    base, account, pipedrive = (holding(state, values).get(FIELD) for state in case)
    actions: Mapping[str, tuple[Action, ...]] = {
        "nothing": (),
        "pull": (Pull(FIELD, pipedrive),),
        "push": (Push(FIELD, account, pipedrive),),
        "agreed": (Agreed(FIELD, pipedrive),),
        "conflict": (Conflict(FIELD, base, account, pipedrive, winner),),
    }
    return actions[OUTCOMES[case[:2]][PIPEDRIVES.index(case[2])]]


def test_the_tables_are_complete() -> None:
    states = {"old", "new", "other", "null", "absent"}  # the same, changed (alike or differently), cleared, absent
    assert set(ACCOUNTS) == states
    assert set(PIPEDRIVES) == states - {"other"}  # one of two different changes has to be called new
    assert set(BASES) == states - {"new", "other"}  # what was agreed is old by definition
    assert OUTCOMES.keys() == set(itertools.product(BASES, ACCOUNTS))
    assert {len(row) for row in OUTCOMES.values()} == {len(PIPEDRIVES)}
    assert WINNERS.keys() == TIMES.keys()
    assert {len(row) for row in WINNERS.values()} == {len(Policy)}
    orders = {
        edited and changed and (edited.replace(microsecond=0) > changed) - (edited < changed)
        for edited, changed in TIMES.values()
    }
    assert orders == {-1, 0, 1, None}
    assert {(edited is None, changed is None) for edited, changed in TIMES.values()} == {
        *itertools.product((True, False), repeat=2)
    }


@pytest.mark.parametrize("field_type", VALUES, ids=lambda field_type: field_type.kind)
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_what_is_decided_of_a_field(case: tuple[str, str, str], field_type: FieldType) -> None:
    values = VALUES[field_type]
    base, account, pipedrive = (holding(state, values) for state in case)
    for when, policy in itertools.product(TIMES, Policy):
        edited_at, changed_at = TIMES[when]
        winner = WINNERS[when][list(Policy).index(policy)]
        local = Local(account, {} if edited_at is None else {FIELD: edited_at})

        decided = plan(base, local, Remote(pipedrive, changed_at), {FIELD: Rule(field_type, policy)})

        assert decided == expected(case, values, winner and Side(winner)), (when, policy)


def test_an_account_that_says_absent_says_nothing() -> None:
    rules = {FIELD: Rule(FieldType(FieldKind.TEXT), Policy.NEWEST)}
    assert plan({FIELD: "a"}, Local({FIELD: ABSENT}, {}), Remote({FIELD: "a"}, None), rules) == ()
    assert plan({FIELD: "a"}, Local({FIELD: ABSENT}, {}), Remote({}, None), rules) == (Pull(FIELD, None),)


def test_a_field_without_a_rule_is_ignored() -> None:
    assert plan({"name": "a"}, Local({"name": "b"}, {}), Remote({"name": "c"}, None), {}) == ()


def test_actions_come_in_the_order_of_the_fields_names() -> None:
    rules = {name: Rule(FieldType(FieldKind.TEXT), Policy.NEWEST) for name in ("b", "c", "a")}
    actions = plan({}, Local({"a": "1", "b": "1"}, {}), Remote({"c": "1"}, None), rules)
    assert actions == (Push("a", "1", None), Push("b", "1", None), Pull("c", "1"))


def test_each_field_has_a_policy_of_its_own() -> None:
    rules = {policy.value: Rule(FieldType(FieldKind.TEXT), policy) for policy in Policy}
    ours, theirs = dict.fromkeys(rules, "ours"), dict.fromkeys(rules, "theirs")
    actions = plan({}, Local(ours, dict.fromkeys(rules, SECOND)), Remote(theirs, SECOND), rules)
    winners = {action.field: action.winner for action in actions if isinstance(action, Conflict)}
    assert winners == {
        "account": Side.ACCOUNT,
        "newest": Side.PIPEDRIVE,
        "pipedrive": Side.PIPEDRIVE,
        "review": None,
    }


ADDRESS = {"address": Rule(STANDARD["address"], Policy.NEWEST)}
STREET = {"value": "A street", "locality": None, "country": None}


def planned_address(base: Any, account: Any, pipedrive: Any) -> tuple[Action, ...]:
    sides = ({"address": side} for side in (base, account, pipedrive))
    return plan(next(sides), Local(next(sides), {"address": SECOND}), Remote(next(sides), SECOND), ADDRESS)


def test_a_part_that_a_person_adds_to_an_address_is_sent() -> None:
    more = STREET | {"locality": "Bern"}
    assert planned_address(STREET, more, STREET) == (Push("address", more, STREET),)


def test_a_part_that_pipedrive_adds_to_an_address_makes_no_conflict_with_an_edit() -> None:
    found = STREET | {"country": "Switzerland"}
    assert planned_address(STREET, "Elsewhere", found) == (Push("address", "Elsewhere", found),)


def test_an_address_that_says_less_than_pipedrives_agrees_with_it() -> None:
    found = STREET | {"value": "Elsewhere", "country": "Switzerland"}
    assert planned_address(STREET, "Elsewhere", found) == (Agreed("address", found),)


def test_two_addresses_of_which_each_says_something_of_its_own_are_a_conflict() -> None:
    ours = STREET | {"value": "Elsewhere", "locality": "Bern"}
    theirs = STREET | {"value": "Elsewhere", "country": "Switzerland"}
    assert planned_address(STREET, ours, theirs) == (Conflict("address", STREET, ours, theirs, Side.PIPEDRIVE),)


# What holds of all plans


TYPES: Mapping[str, FieldType] = dict(STANDARD) | {
    kind.value: FieldType(kind) for kind in FieldKind if kind.value not in STANDARD
}
ids = st.integers(1, 3)
words = st.sampled_from(["a", "b", " a ", "", "a\r\nb", "a\nb"])
numbers = st.sampled_from([0, 1, 1.0, Decimal("1.00"), 2.5, True])
days = st.sampled_from(["2026-01-01", "2026-01-02", None])
clocks = st.sampled_from(["09:00", "09:00:00", "9:00", "10:00", None])
zones = st.sampled_from(["Europe/Berlin", "UTC", None])
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "until", "currency", "locality", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
anything = (
    st.none()
    | words
    | numbers
    | ids
    | days
    | clocks
    | st.lists(ids, max_size=3)
    | st.fixed_dictionaries({"value": numbers | words | st.none()}, optional={"currency": words})
    | st.fixed_dictionaries({"value": days | clocks, "until": days | clocks}, optional={"timezone_name": zones})
    | st.fixed_dictionaries({"value": clocks}, optional={"timezone_name": zones})
    | st.fixed_dictionaries({"value": words}, optional={"locality": words, "country": words | st.none(), "x": ids})
    | odd
)
fields = st.sampled_from(list(TYPES))
holdings = st.dictionaries(fields, anything, max_size=6)
moments = st.integers(-2, 2).map(lambda n: SECOND + n * timedelta(milliseconds=700))
locals_ = st.builds(Local, holdings, st.dictionaries(fields, moments))
remotes = st.builds(Remote, holdings, st.none() | moments)
rulebooks = st.sampled_from(list(Policy)).map(
    lambda policy: {name: Rule(field_type, policy) for name, field_type in TYPES.items()}
)


def applied(
    actions: tuple[Action, ...], base: Mapping[str, Any], local: Local, remote: Remote
) -> tuple[dict[str, Any], Local, Remote]:
    """The three snapshots after a plan was carried out by a Pipedrive that keeps what it is sent."""
    agreed, account, pipedrive = dict(base), dict(local.values), dict(remote.values)
    for action in actions:
        match action:
            case Push(name, value) | Conflict(name, _, value, _, Side.ACCOUNT):
                agreed[name] = pipedrive[name] = value
            case Pull(name, value) | Conflict(name, _, _, value, Side.PIPEDRIVE):
                agreed[name] = account[name] = value
            case Agreed(name, value):
                agreed[name] = value
    return agreed, Local(account, local.edited_at), Remote(pipedrive, remote.changed_at)


@unhurried
@given(holdings, locals_, remotes, rulebooks)
def test_after_a_plan_was_carried_out_nothing_is_left_but_what_waits_for_a_person(
    base: Mapping[str, Any], local: Local, remote: Remote, rules: Mapping[str, Rule]
) -> None:
    actions = plan(base, local, remote, rules)

    left = plan(*applied(actions, base, local, remote), rules)

    assert left == tuple(one for one in actions if isinstance(one, Conflict) and one.winner is None)


@unhurried
@given(holdings, locals_, remotes, rulebooks)
def test_after_a_plan_was_carried_out_both_sides_mean_the_same(
    base: Mapping[str, Any], local: Local, remote: Remote, rules: Mapping[str, Rule]
) -> None:
    actions = plan(base, local, remote, rules)
    _, account, pipedrive = applied(actions, base, local, remote)
    for action in actions:
        if not isinstance(action, Conflict) or action.winner is not None:
            values = account.values[action.field], pipedrive.values.get(action.field)
            assert same(TYPES[action.field], *values)


@unhurried
@given(holdings, locals_, remotes, rulebooks)
def test_carrying_out_a_plan_twice_is_carrying_it_out_once(
    base: Mapping[str, Any], local: Local, remote: Remote, rules: Mapping[str, Rule]
) -> None:
    actions = plan(base, local, remote, rules)
    once = applied(actions, base, local, remote)
    assert applied(actions, *once) == once


@unhurried
@given(holdings, locals_, remotes, rulebooks)
def test_a_field_has_one_action_at_most_and_only_values_that_someone_wrote(
    base: Mapping[str, Any], local: Local, remote: Remote, rules: Mapping[str, Rule]
) -> None:
    actions = plan(base, local, remote, rules)
    names = [action.field for action in actions]
    assert names == sorted(set(names))
    for action in actions:
        ours, theirs = (side.values.get(action.field) for side in (local, remote))
        if isinstance(action, Conflict):
            assert (action.account, action.pipedrive) == (ours, theirs)
        elif isinstance(action, Push):
            assert (action.value, action.base) == (ours, theirs)
        else:
            assert action.value == theirs


@unhurried
@given(holdings, holdings, st.sets(fields), rulebooks)
def test_edits_of_different_fields_never_conflict(
    base: Mapping[str, Any], edits: Mapping[str, Any], ours: set[str], rules: Mapping[str, Rule]
) -> None:
    account = dict(base) | {name: value for name, value in edits.items() if name in ours}
    pipedrive = dict(base) | {name: value for name, value in edits.items() if name not in ours}
    actions = plan(base, Local(account, {}), Remote(pipedrive, None), rules)
    assert {action.field for action in actions if isinstance(action, Push)} <= ours
    assert {action.field for action in actions if isinstance(action, Pull)} <= edits.keys() - ours
    assert all(isinstance(action, Push | Pull) for action in actions)


@unhurried
@given(holdings, rulebooks)
def test_three_equal_sides_need_nothing(values: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    assert plan(values, Local(dict(values), {}), Remote(dict(values), None), rules) == ()


def normalised(kind: FieldKind, value: Any) -> Any:
    """A value in another form that Pipedrive may give it."""
    match kind, value:
        case FieldKind.ADDRESS, {"value": str(text)}:
            added = {"country": "Switzerland", "formatted_address": text, "subpremise": None}
            return added | value | {"value": text.strip()}
        case FieldKind.MONETARY, {"value": number, "currency": currency}:
            return {"currency": currency, "value": float(number), "label": None}
        case FieldKind.TIME, {"value": clock}:
            return {"timezone_name": "Europe/Berlin"} | value | {"value": clock.zfill(8)}
        case ((FieldKind.TIMERANGE | FieldKind.DATERANGE), {"value": begin, "until": end}):
            return value | {"until": end, "value": begin, "timezone_name": value.get("timezone_name")}
        case ((FieldKind.SET | FieldKind.LABELS), [*chosen]):
            return [float(one) for one in reversed(chosen)] or None
        case _, str(text):
            return text.strip().replace("\n", "\r\n") or None
        case _, int(number):
            return float(number)
    return value


sent = {
    FieldKind.NAME: st.sampled_from(["Acme", "Acme  AG"]),
    FieldKind.VARCHAR: st.sampled_from(["a", " a", "a\t"]),
    FieldKind.TEXT: st.sampled_from(["a\nb", " a\n\nb ", ""]),
    FieldKind.DOUBLE: st.integers(-5, 5) | st.floats(-5, 5) | st.decimals(-5, 5, places=2),
    FieldKind.WHOLE: st.integers(0, 5),
    FieldKind.ENUM: ids,
    FieldKind.SET: st.lists(ids, max_size=3),
    FieldKind.LABELS: st.lists(ids, max_size=3),
    FieldKind.MONETARY: st.fixed_dictionaries({"value": st.integers(0, 9), "currency": st.just("EUR")}),
    FieldKind.TIME: st.just({"value": "09:00:00"}),
    FieldKind.TIMERANGE: st.just({"value": "09:00:00", "until": "17:00:00"}),
    FieldKind.DATERANGE: st.just({"value": "2026-01-01", "until": "2026-12-31"}),
    FieldKind.ADDRESS: st.sampled_from(["A street ", {"value": "A street", "locality": "Bern", "route": None}]),
}


@pytest.mark.parametrize("kind", sent)
@few
@given(data=st.data())
def test_what_pipedrive_makes_of_a_value_it_was_sent_is_no_change(kind: FieldKind, data: st.DataObject) -> None:
    field_type = FieldType(kind)
    rules = {FIELD: Rule(field_type, Policy.REVIEW)}
    account = data.draw(sent[kind])
    pushed = check(field_type, account)
    echo = normalised(kind, pushed)

    after = [pushed, echo, *([] if echo is not None else [ABSENT])]
    for base, pipedrive in itertools.product((pushed, echo), after):
        held = {} if pipedrive is ABSENT else {FIELD: pipedrive}
        assert plan({FIELD: base}, Local({FIELD: account}, {FIELD: SECOND}), Remote(held, SECOND), rules) == ()
    # The answer was lost: the base is not known to have moved.
    lost = plan({FIELD: None}, Local({FIELD: account}, {FIELD: SECOND}), Remote({FIELD: echo}, SECOND), rules)
    assert lost in ((), (Agreed(FIELD, echo),))


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def test_values_that_cannot_be_compared_are_planned_all_the_same() -> None:
    rules = {FIELD: Rule(FieldType(FieldKind.TEXT), Policy.REVIEW)}
    for make in (lambda: nested(5000), lambda: Decimal("sNaN"), lambda: float("nan")):
        base, account, pipedrive = make(), make(), make()
        (action,) = plan({FIELD: base}, Local({FIELD: account}, {}), Remote({FIELD: pipedrive}, None), rules)
        assert isinstance(action, Conflict)
        assert plan({FIELD: base}, Local({FIELD: base}, {}), Remote({FIELD: base}, None), rules) == ()
