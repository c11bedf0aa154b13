"""Sums, products and roundings inside the database are exact, on both."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select

from sync.store.database import Database
from sync.store.dialect import put
from sync.store.exact import ExactNumber, ExactSum
from sync.store.schema import TABLES, companies
from sync.store.types import Number
from tests.store.conftest import NOON

_amounts = st.lists(st.none() | st.decimals(-(10**10), 10**10, places=2), min_size=1, max_size=20)


def _sum(database: Database, amounts: list[Decimal | None], digits: int | None = None, rate: Any = 1) -> Decimal | None:
    deals = TABLES["deals"]
    rows = [
        {"company_id": 1, "id": number, "value": amount, "synced_at": NOON} for number, amount in enumerate(amounts)
    ]
    with database.writing() as connection:
        put(connection, companies, {"company_id": 1}, {"synced_at": NOON})
        connection.execute(deals.delete())
        connection.execute(deals.insert(), rows)
        total: Decimal | None = connection.scalar(select(ExactNumber(ExactSum(deals.c.value, rate), digits)))
    return total


def test_a_tenth_and_two_tenths_are_three_tenths(database: Database) -> None:
    assert _sum(database, [Decimal("0.1"), Decimal("0.2")]) == Decimal("0.3")


def test_amounts_without_a_value_count_as_none(database: Database) -> None:
    assert _sum(database, [None, Decimal("1.5"), None]) == Decimal("1.5")
    assert _sum(database, [None, None]) is None


def test_sums_of_many_amounts_are_exact(database: Database) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(_amounts)
    def check(amounts: list[Decimal | None]) -> None:
        known = [Fraction(amount) for amount in amounts if amount is not None]
        found = _sum(database, amounts)
        assert (None if found is None else Fraction(found)) == (sum(known, Fraction(0)) if known else None)

    check()


@pytest.mark.parametrize(
    ("amount", "digits", "rounded"),
    [("0.5", 0, "1"), ("-0.5", 0, "-1"), ("2.675", 2, "2.68"), ("1e10", 0, "10000000000"), ("1.0049", 2, "1")],
)
def test_rounding_is_half_up(database: Database, amount: str, digits: int, rounded: str) -> None:
    assert _sum(database, [Decimal(amount)], digits) == Decimal(rounded)


def test_a_product_with_a_rate_is_exact(database: Database) -> None:
    rate = literal("0.0061") if database.is_sqlite else literal(Decimal("0.0061"), Number())
    assert _sum(database, [Decimal(123457)], 2, rate) == Decimal("753.09")
