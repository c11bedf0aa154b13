"""The builder against an independent computation, and what it must leave alone."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from sync.accounts.merging import absorb_account
from sync.accounts.overlay import SHARED_FIELDS
from sync.accounts.touched import touched_organizations
from sync.accounts.valuation import Valuation
from sync.pipedrive.entities import ACTIVITIES, DEALS, ORGANIZATIONS, USERS, Entity
from sync.store.database import Database
from sync.store.schema import account_won_values, accounts
from tests.accounts.mirrored import Mirrored, a_deal, an_activity

_COMPANIES = count(1)
_VALUATION = Valuation("EUR", {"USD": Decimal("0.9137"), "JPY": Decimal("0.00611")})
_OWN = {"company_id", "fields", "updated_at", "write_back", "edited_by", "edited_at", "edits", "revision"}
_TIMES = [None, "2026-01-05T00:00:00Z", "2026-02-01T09:30:00Z", "2026-02-01T09:30:01Z", "2026-06-30T23:59:59Z"]

_ids = st.integers(1, 4)
_organizations = st.builds(
    lambda one, **attributes: (ORGANIZATIONS, {"id": one, **attributes}),
    _ids,
    name=st.sampled_from(["A", "B"]),
    label_ids=st.sampled_from([None, [1], [2, 1]]),
    custom_fields=st.sampled_from([None, {}, {"k": 1}, {"k": None}]),
    annual_revenue=st.sampled_from([None, 0.1, 5]),
    is_deleted=st.sampled_from([False, False, True]),
)
_deals = st.builds(
    lambda one, **attributes: (DEALS, a_deal(one, **attributes)),
    st.integers(1, 6),
    org_id=st.one_of(st.none(), _ids),
    status=st.sampled_from(["won", "won", "open", "lost"]),
    value=st.one_of(
        st.none(), st.integers(-500, 500).map(lambda cents: cents / 8), st.sampled_from([0, 0.1, 0.2, 1.005])
    ),
    currency=st.sampled_from(["EUR", "EUR", "USD", "JPY", "GBP", None]),
    won_time=st.sampled_from(_TIMES),
    close_time=st.sampled_from(_TIMES),
    is_deleted=st.sampled_from([False, False, False, True]),
    is_archived=st.booleans(),
)
_activities = st.builds(
    lambda one, **attributes: (ACTIVITIES, an_activity(one, **attributes)),
    st.integers(1, 6),
    org_id=st.one_of(st.none(), _ids),
    deal_id=st.one_of(st.none(), st.integers(1, 6)),
    due_date=st.sampled_from([None, "2026-10-01", "2026-10-02"]),
    due_time=st.sampled_from([None, "", "09:00", "09:00:00", "10:30:00", "later"]),
    done=st.booleans(),
    marked_as_done_time=st.sampled_from(_TIMES),
    is_deleted=st.sampled_from([False, False, False, True]),
)
_batches = st.lists(
    st.one_of(*(st.lists(records, min_size=1, max_size=4) for records in (_organizations, _deals, _activities))),
    max_size=12,
)


class Expected:
    """What the accounts ought to be, worked out record by record in plain Python."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, dict[str, Any]]] = {"organizations": {}, "deals": {}, "activities": {}}
        self.origins: dict[int, tuple[str, int]] = {}

    def put(self, entity: Entity, records: list[dict[str, Any]]) -> None:
        self.records[entity.name].update({record["id"]: record for record in records})
        for one in self.records["organizations"]:
            wins = [
                (deal["won_time"] or deal["close_time"] or deal["update_time"], deal["id"]) for deal in self.won(one)
            ]
            if wins:
                self.origins[one] = min([*wins, *([self.origins[one]] if one in self.origins else [])])

    def deals(self, one: int) -> list[dict[str, Any]]:
        return [deal for deal in self.records["deals"].values() if deal["org_id"] == one and not deal["is_deleted"]]

    def won(self, one: int) -> list[dict[str, Any]]:
        return [deal for deal in self.deals(one) if deal["status"] == "won"]

    def values(self, one: int) -> dict[str, tuple[Decimal, int]]:
        sums: dict[str, tuple[Decimal, int]] = {}
        for deal in self.won(one):
            total, number = sums.get(deal["currency"] or "", (Decimal(0), 0))
            sums[deal["currency"] or ""] = total + Decimal(str(deal["value"] or 0)), number + 1
        return sums

    def won_value(self, one: int) -> Decimal | None:
        sums = {currency: total for currency, (total, _) in self.values(one).items() if total}
        if not sums.keys() <= _VALUATION.rates.keys():
            return None
        worth = sum((total * _VALUATION.rates[currency] for currency, total in sums.items()), Decimal(0))
        return worth if sums.keys() <= {"EUR"} else worth.quantize(Decimal("0.01"), ROUND_HALF_UP)

    def activities(self, one: int, *, done: bool) -> list[dict[str, Any]]:
        deals = {deal["id"] for deal in self.deals(one)}
        return [
            activity
            for activity in self.records["activities"].values()
            if (activity["org_id"] == one or activity["deal_id"] in deals)
            and activity["done"] is done
            and not activity["is_deleted"]
        ]

    def account(self, one: int) -> dict[str, Any]:
        organization = self.records["organizations"][one]
        won_times = [_moment(deal["won_time"]) for deal in self.won(one) if deal["won_time"]]
        upcoming = min(self.activities(one, done=False), key=_due_key, default=None)
        done = [moment for activity in self.activities(one, done=True) if (moment := _done_moment(activity))]
        return {
            "organization_id": one,
            "status": "active" if self.won(one) and not organization["is_deleted"] else "former",
            **{name: organization.get(name) for name in SHARED_FIELDS},
            "won_deals_count": len(self.won(one)),
            "open_deals_count": sum(deal["status"] == "open" for deal in self.deals(one)),
            "won_value": self.won_value(one),
            "currency": "EUR",
            "first_won_time": min(won_times, default=None),
            "last_won_time": max(won_times, default=None),
            "next_activity_id": upcoming and upcoming["id"],
            "next_activity_due_date": upcoming and upcoming["due_date"],
            "next_activity_due_time": (upcoming and upcoming["due_time"]) or None,
            "last_activity_time": max(done, default=None),
            "created_at": _moment(self.origins[one][0]),
            "created_by_deal_id": self.origins[one][1],
        }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _due_key(activity: Mapping[str, Any]) -> tuple[str, str, int]:
    time = (activity["due_time"] + ":00")[:8] if activity["due_time"] else ""
    return activity["due_date"] or "9999-99-99", time, activity["id"]


def _done_moment(activity: Mapping[str, Any]) -> datetime | None:
    if activity["marked_as_done_time"]:
        return _moment(activity["marked_as_done_time"])
    if not activity["due_date"]:
        return None
    time = activity["due_time"] if activity["due_time"] in ("09:00", "09:00:00", "10:30:00") else "00:00"
    return _moment(f"{activity['due_date']}T{time}+00:00")


def _held(mirrored: Mirrored) -> Iterator[dict[str, Any]]:
    for account in mirrored.accounts():
        shown = {name: value for name, value in account.items() if name not in _OWN}
        shown["annual_revenue"] = account["annual_revenue"] and float(account["annual_revenue"])
        shown["next_activity_due_date"] = account["next_activity_due_date"] and str(account["next_activity_due_date"])
        yield shown


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_batches)
def test_any_history_built_in_steps_equals_one_whole_build_and_plain_arithmetic(
    database: Database, batches: list[list[tuple[Entity, dict[str, Any]]]]
) -> None:
    mirrored, expected = Mirrored(database, next(_COMPANIES), _VALUATION), Expected()
    for batch in batches:
        entity, records = batch[0][0], {record["id"]: record for _, record in batch}
        mirrored.put(entity, *records.values())
        stamp = f"{mirrored.now:%Y-%m-%dT%H:%M:%SZ}"
        expected.put(entity, [{"update_time": stamp, **record} for record in records.values()])

    in_steps = list(_held(mirrored))
    assert in_steps == [expected.account(one) for one in sorted(expected.origins)]
    for one in expected.origins:
        assert mirrored.won_values(one) == expected.values(one)

    assert mirrored.build() == 0
    assert list(_held(mirrored)) == in_steps

    with database.writing() as connection:  # as if all had been there from the beginning
        connection.execute(delete(accounts).where(accounts.c.company_id == mirrored.company_id))
    mirrored.build()
    origins = {"created_at": None, "created_by_deal_id": None}
    afresh = [{**account, **origins} for account in _held(mirrored)]
    assert afresh == [{**account, **origins} for account in in_steps if account["won_deals_count"]]


def test_companies_in_one_database_do_not_meet(database: Database) -> None:
    one, two = Mirrored(database, 1), Mirrored(database, 2)
    for mirrored, value in ((one, 1), (two, 2)):
        mirrored.organization()
        mirrored.deal(1, value=value)
    two.activity()

    assert (one.account()["won_value"], two.account()["won_value"]) == (1, 2)
    assert (one.account()["next_activity_id"], two.account()["next_activity_id"]) == (None, 1)
    two.delete(DEALS, 1)
    assert (one.won_values(), two.won_values()) == ({"EUR": (1, 1)}, {})


def test_more_organizations_than_a_statement_takes_parameters(mirrored: Mirrored) -> None:
    many = range(1, 2001)
    mirrored.put(ORGANIZATIONS, *({"id": one, "name": str(one), "is_deleted": False} for one in many))

    assert mirrored.put(DEALS, *(a_deal(one, org_id=one) for one in many)) == 2000
    assert mirrored.build(set(range(1, 100_000))) == 0


def test_no_organizations_is_not_all_of_them(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.put(DEALS, a_deal(), build=False)

    assert mirrored.build(set()) == 0
    assert mirrored.accounts() == []
    assert mirrored.build(None) == 1


def test_a_build_writes_only_the_accounts_that_differ(mirrored: Mirrored) -> None:
    for one in (1, 2):
        mirrored.organization(one)
        mirrored.deal(one, org_id=one)
    before = mirrored.account(2)

    mirrored.put(DEALS, a_deal(1, value=7), build=False)

    assert mirrored.build() == 1
    assert mirrored.account(1)["updated_at"] == mirrored.now
    assert mirrored.account(2) == before


def test_the_sums_go_with_their_account(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal()
    with mirrored.database.writing() as connection:
        connection.execute(delete(accounts))
        assert connection.execute(select(account_won_values)).all() == []


@pytest.mark.parametrize(
    ("entity", "touched"), [(ORGANIZATIONS, {1}), (DEALS, {2}), (ACTIVITIES, {1, 2}), (USERS, set())]
)
def test_a_record_touches_the_accounts_it_leads_to(mirrored: Mirrored, entity: Entity, touched: set[int]) -> None:
    mirrored.put(USERS, {"id": 1, "name": "Ada"})
    mirrored.organization(1)
    mirrored.deal(1, org_id=2)
    mirrored.activity(1, org_id=1, deal_id=1)
    mirrored.activity(2, org_id=None, deal_id=None)
    with mirrored.database.writing() as connection:
        assert touched_organizations(connection, 1, entity, [(1,), (2,), (404,)]) == touched
        assert touched_organizations(connection, 2, entity, [(1,)]) == set()
        assert touched_organizations(connection, 1, entity, []) == set()


def test_a_survivor_without_an_account_gets_one_to_hold_the_own_fields(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.organization(2)
    mirrored.deal(1, org_id=1)
    mirrored.own_fields(1, {"tier": "gold"})

    with mirrored.database.writing() as connection:
        absorb_account(connection, 1, loser=1, survivor=2, now=mirrored.now)
    assert (mirrored.account(2)["status"], mirrored.account(2)["fields"]) == ("former", {"tier": "gold"})
    assert mirrored.account(2)["name"] == "Organization 2"

    mirrored.deal(1, org_id=2)
    assert (mirrored.account(2)["status"], mirrored.account(2)["fields"]) == ("active", {"tier": "gold"})
    assert mirrored.account(2)["created_at"] == mirrored.account(1)["created_at"]


def test_absorbing_twice_or_nothing_changes_nothing(mirrored: Mirrored) -> None:
    for one in (1, 2):
        mirrored.organization(one)
        mirrored.deal(one, org_id=one)
    with mirrored.database.writing() as connection:
        absorb_account(connection, 1, loser=1, survivor=2, now=mirrored.now)
    assert mirrored.account(2)["fields"] is None

    mirrored.own_fields(1, {"tier": "gold"})
    for _ in range(2):
        with mirrored.database.writing() as connection:
            absorb_account(connection, 1, loser=1, survivor=2, now=mirrored.now)
            absorb_account(connection, 1, loser=1, survivor=404, now=mirrored.now)
    assert [account["fields"] for account in mirrored.accounts()] == [{"tier": "gold"}] * 2


def test_the_basis_tells_valuations_apart_by_what_they_mean() -> None:
    basis = Valuation("EUR", {"USD": Decimal("0.9"), "GBP": Decimal("1.2")}).basis
    assert Valuation("EUR", {"GBP": Decimal("1.20"), "USD": Decimal("0.90"), "EUR": Decimal(7)}).basis == basis
    assert Valuation("EUR", {"GBP": Decimal("1.2")}).basis != basis
    assert Valuation("GBP", {"USD": Decimal("0.9")}).basis != basis
