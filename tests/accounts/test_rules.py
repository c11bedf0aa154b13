"""One test per row of the table in docs/accounts.md, named after it."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from sync.accounts.merging import absorb_account
from sync.accounts.valuation import Valuation
from sync.pipedrive.entities import ACTIVITIES, DEALS, ORGANIZATIONS
from tests.accounts.mirrored import Mirrored, a_deal, an_activity

_DOCS = Path(__file__).parents[2] / "docs" / "accounts.md"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_first_deal_is_won(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(7, status="open", won_time=None)
    assert mirrored.accounts() == []

    mirrored.deal(7, won_time="2026-03-01T10:00:00Z")

    account = mirrored.account()
    assert (account["status"], account["won_deals_count"], account["won_value"]) == ("active", 1, 100)
    assert account["currency"] == "EUR"
    assert (account["created_at"], account["created_by_deal_id"]) == (_at("2026-03-01T10:00:00"), 7)
    assert account["first_won_time"] == account["last_won_time"] == _at("2026-03-01T10:00:00")


def test_another_deal_is_won(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, won_time="2026-03-01T10:00:00Z")

    mirrored.deal(2, value=50, won_time="2026-05-01T10:00:00Z")

    account = mirrored.account()
    assert (account["won_deals_count"], account["won_value"]) == (2, 150)
    assert (account["first_won_time"], account["last_won_time"]) == (
        _at("2026-03-01T10:00:00"),
        _at("2026-05-01T10:00:00"),
    )
    assert (account["created_at"], account["created_by_deal_id"]) == (_at("2026-03-01T10:00:00"), 1)


def test_an_earlier_win_turns_up(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, won_time="2026-03-01T10:00:00Z")

    mirrored.deal(2, won_time="2026-02-01T10:00:00Z")
    assert (mirrored.account()["created_at"], mirrored.account()["created_by_deal_id"]) == (
        _at("2026-02-01T10:00:00"),
        2,
    )

    mirrored.delete(DEALS, 2)
    assert (mirrored.account()["created_at"], mirrored.account()["created_by_deal_id"]) == (
        _at("2026-02-01T10:00:00"),
        2,
    )


def test_a_won_deal_does_not_say_when_it_was_won(mirrored: Mirrored) -> None:
    mirrored.organization()

    mirrored.deal(4, won_time=None, add_time=None, update_time=None)
    assert (mirrored.account()["created_at"], mirrored.account()["created_by_deal_id"]) == (mirrored.now, 4)
    assert mirrored.account()["won_deals_count"] == 1
    assert mirrored.account()["first_won_time"] is None

    mirrored.deal(3, won_time=None, add_time="2026-08-01T00:00:00Z", update_time=None)
    assert mirrored.account()["created_at"] == _at("2026-08-01T00:00:00")
    mirrored.deal(2, won_time=None, add_time="2026-01-01T00:00:00Z", update_time="2026-07-01T00:00:00Z")
    assert mirrored.account()["created_at"] == _at("2026-07-01T00:00:00")
    mirrored.deal(1, won_time=None, close_time="2026-06-01T00:00:00Z", update_time="2026-06-02T00:00:00Z")
    assert (mirrored.account()["created_at"], mirrored.account()["created_by_deal_id"]) == (
        _at("2026-06-01T00:00:00"),
        1,
    )


def test_a_deal_is_opened(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    mirrored.deal(2, status="open", won_time=None)

    assert (mirrored.account()["won_deals_count"], mirrored.account()["open_deals_count"]) == (1, 1)
    assert mirrored.account()["won_value"] == 100


def test_a_won_deal_is_reopened(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    mirrored.deal(1, status="open", won_time=None)

    account = mirrored.account()
    assert (account["status"], account["won_deals_count"], account["open_deals_count"]) == ("former", 0, 1)
    assert (account["won_value"], mirrored.won_values()) == (0, {})
    assert (account["first_won_time"], account["created_at"]) == (None, _at("2026-03-01T10:00:00"))


def test_a_won_deal_is_lost(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.deal(2)

    mirrored.deal(1, status="lost")
    assert (mirrored.account()["status"], mirrored.account()["won_deals_count"]) == ("active", 1)

    mirrored.deal(2, status="lost")
    account = mirrored.account()
    assert (account["status"], account["won_deals_count"], account["open_deals_count"]) == ("former", 0, 0)


def test_a_won_deal_is_deleted(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.deal(2)

    mirrored.deal(1, is_deleted=True)  # as a list shows it
    assert (mirrored.account()["status"], mirrored.account()["won_deals_count"]) == ("active", 1)

    mirrored.delete(DEALS, 2)  # as the sweep finds it
    assert (mirrored.account()["status"], mirrored.account()["won_deals_count"]) == ("former", 0)
    assert mirrored.won_values() == {}


def test_a_won_deal_is_archived(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    before = mirrored.account()

    mirrored.deal(1, is_archived=True, archive_time="2026-09-01T00:00:00Z")

    assert mirrored.account() == before


def test_a_deal_is_won_again(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, won_time="2026-03-01T10:00:00Z")
    mirrored.own_fields(1, {"tier": "gold"})
    mirrored.deal(1, status="open", won_time=None)
    assert (mirrored.account()["status"], mirrored.account()["fields"]) == ("former", {"tier": "gold"})

    mirrored.deal(2, won_time="2026-09-01T10:00:00Z")

    account = mirrored.account()
    assert (account["status"], account["fields"]) == ("active", {"tier": "gold"})
    assert (account["created_at"], account["created_by_deal_id"]) == (_at("2026-03-01T10:00:00"), 1)
    assert account["first_won_time"] == _at("2026-09-01T10:00:00")


def test_a_won_deal_moves_to_another_organization(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.organization(2)
    mirrored.deal(1, org_id=1)

    mirrored.deal(1, org_id=2)

    assert (mirrored.account(1)["status"], mirrored.account(1)["won_value"], mirrored.won_values(1)) == (
        "former",
        0,
        {},
    )
    assert (mirrored.account(2)["status"], mirrored.account(2)["won_value"]) == ("active", 100)


def test_a_won_deal_belongs_to_no_organization(mirrored: Mirrored) -> None:
    mirrored.organization()

    mirrored.deal(1, org_id=None)
    mirrored.build()
    assert mirrored.accounts() == []

    mirrored.deal(1, org_id=1)
    mirrored.deal(1, org_id=None)
    assert mirrored.account()["status"] == "former"


def test_a_won_deal_arrives_before_its_organization(mirrored: Mirrored) -> None:
    mirrored.deal(1)
    mirrored.activity(1, org_id=None, deal_id=1)
    mirrored.build()
    assert mirrored.accounts() == []

    mirrored.organization()

    assert (mirrored.account()["status"], mirrored.account()["next_activity_id"]) == ("active", 1)


def test_the_value_of_a_won_deal_changes(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, value=0.1)
    mirrored.deal(2, value=5)

    mirrored.deal(2, value=0.2)

    assert mirrored.account()["won_value"] == Decimal("0.3")
    assert mirrored.won_values() == {"EUR": (Decimal("0.3"), 2)}


def test_the_currency_of_a_won_deal_changes(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, currency="GBP")
    assert mirrored.won_values() == {"GBP": (100, 1)}
    before = mirrored.account()

    mirrored.deal(1, currency="CHF")

    assert mirrored.won_values() == {"CHF": (100, 1)}
    assert (mirrored.account()["won_value"], before["won_value"]) == (None, None)
    assert mirrored.account()["updated_at"] > before["updated_at"]


def test_a_won_deal_is_worth_zero(mirrored: Mirrored) -> None:
    mirrored.organization()

    mirrored.deal(1, value=0)

    assert (mirrored.account()["status"], mirrored.account()["won_value"]) == ("active", 0)
    assert mirrored.won_values() == {"EUR": (0, 1)}


def test_a_won_deal_has_no_value(mirrored: Mirrored) -> None:
    mirrored.organization()

    mirrored.deal(1, value=None)
    assert (mirrored.account()["status"], mirrored.account()["won_value"]) == ("active", 0)
    assert mirrored.won_values() == {"EUR": (0, 1)}

    mirrored.deal(2, value=7)
    assert mirrored.won_values() == {"EUR": (7, 2)}


def test_a_won_deal_has_no_currency(mirrored: Mirrored) -> None:
    mirrored.organization()

    mirrored.deal(1, currency=None)
    assert (mirrored.account()["won_deals_count"], mirrored.account()["won_value"]) == (1, None)
    assert mirrored.won_values() == {"": (100, 1)}

    mirrored.deal(1, currency=None, value=None)
    assert (mirrored.account()["won_value"], mirrored.won_values()) == (0, {"": (0, 1)})


def test_won_values_are_in_another_currency(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, value=10.05, currency="USD")
    assert mirrored.account()["won_value"] == Decimal("9.05")  # 9.045

    mirrored.currency("EUR", 0)
    mirrored.deal(2, value=0.455)
    assert mirrored.account()["won_value"] == Decimal("10")  # 9.5
    assert mirrored.won_values() == {"USD": (Decimal("10.05"), 1), "EUR": (Decimal("0.455"), 1)}


def test_won_values_are_all_in_the_company_s_currency(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, value=1.005)
    mirrored.deal(2, value=0, currency="USD")

    assert mirrored.account()["won_value"] == Decimal("1.005")


def test_a_rate_is_missing(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    mirrored.deal(2, value=80, currency="GBP")

    assert (mirrored.account()["won_value"], mirrored.account()["currency"]) == (None, "EUR")
    assert mirrored.won_values() == {"EUR": (100, 1), "GBP": (80, 1)}


def test_a_rate_is_missing_for_a_sum_of_zero(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.deal(2, value=80, currency="GBP")

    mirrored.deal(3, value=-80, currency="GBP")

    assert mirrored.account()["won_value"] == 100
    assert mirrored.won_values() == {"EUR": (100, 1), "GBP": (0, 2)}


def test_the_rates_change(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1, value=80, currency="GBP")
    before = mirrored.valuation

    mirrored.valuation = Valuation("EUR", {"GBP": Decimal("1.25")})
    assert mirrored.valuation.basis != before.basis
    assert mirrored.build() == 1
    assert mirrored.account()["won_value"] == 100

    mirrored.valuation = Valuation("GBP", {})
    mirrored.build()
    assert (mirrored.account()["won_value"], mirrored.account()["currency"]) == (80, "GBP")


def test_the_organization_is_edited(mirrored: Mirrored) -> None:
    shared = {
        "name": "Überbau & Söhne",
        "owner_id": 5,
        "address": {"value": "Hauptstraße 1", "country": None},
        "label_ids": [3, 1],
        "visible_to": 7,
        "website": "https://example.org",
        "linkedin": None,
        "industry": 12,
        "annual_revenue": Decimal("1000000.5"),
        "employee_count": 8,
        "custom_fields": {"a" * 40: None, "b" * 40: {"value": 5, "currency": "EUR"}},
    }
    mirrored.organization(owner_id=1, custom_fields={})
    mirrored.deal(1)

    mirrored.organization(**{**shared, "annual_revenue": 1000000.5})

    account = mirrored.account()
    assert {name: account[name] for name in shared} == shared


def test_the_organization_is_deleted(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.own_fields(1, {"tier": "gold"})

    mirrored.delete(ORGANIZATIONS, 1)

    account = mirrored.account()
    assert (account["status"], account["fields"]) == ("former", {"tier": "gold"})
    assert (account["name"], account["won_deals_count"]) == ("Organization 1", 1)


def test_the_organization_is_merged_into_another(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.organization(2)
    mirrored.deal(1, org_id=1)
    mirrored.deal(2, org_id=2)
    mirrored.own_fields(1, {"tier": "gold", "region": "north", "since": 2019})
    mirrored.own_fields(2, {"tier": "silver", "region": None, "notes": ""})

    mirrored.delete(ORGANIZATIONS, 1)
    mirrored.deal(1, org_id=2)
    with mirrored.database.writing() as connection:
        absorb_account(connection, 1, loser=1, survivor=2, now=mirrored.now)

    loser, survivor = mirrored.accounts()
    assert (loser["status"], loser["won_deals_count"]) == ("former", 0)
    assert loser["fields"] == {"tier": "gold", "region": "north", "since": 2019}
    assert (survivor["status"], survivor["won_deals_count"]) == ("active", 2)
    assert survivor["fields"] == {"tier": "silver", "region": "north", "notes": "", "since": 2019}


def test_the_organization_becomes_invisible_to_the_token(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    mirrored.delete(ORGANIZATIONS, 1)  # neither listed nor found by its id any more

    assert (mirrored.account()["status"], mirrored.account()["won_deals_count"]) == ("former", 1)


def test_the_organization_shows_up_again(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.own_fields(1, {"tier": "gold"})
    mirrored.delete(ORGANIZATIONS, 1)

    mirrored.organization(name="Renamed")

    account = mirrored.account()
    assert (account["status"], account["name"], account["fields"]) == ("active", "Renamed", {"tier": "gold"})


def test_an_activity_is_planned(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    assert mirrored.account()["next_activity_id"] is None

    for one, due_date, due_time, expected in [
        (9, "2026-10-21", "08:00:00", 9),
        (8, "2026-10-20", "10:00", 8),
        (7, "2026-10-20", "09:30", 7),
        (6, "2026-10-20", "09:30:00", 6),  # the same moment
        (10, "2026-10-20", "", 10),  # all day
        (5, "2026-10-20", None, 5),  # all day, too
        (1, "2026-10-20", "00:00:00", 5),
        (4, "2026-10-19", "23:00:00", 4),
    ]:
        mirrored.activity(one, due_date=due_date, due_time=due_time)
        assert mirrored.account()["next_activity_id"] == expected
    assert mirrored.account()["next_activity_due_date"] == date(2026, 10, 19)


def test_an_activity_has_no_due_date(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    mirrored.activity(1, due_date=None)
    assert (mirrored.account()["next_activity_id"], mirrored.account()["next_activity_due_date"]) == (1, None)

    mirrored.activity(2, due_date="2030-01-01")
    assert mirrored.account()["next_activity_id"] == 2


def test_an_activity_of_a_deal_is_planned(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.deal(2, status="lost")

    mirrored.activity(5, org_id=None, deal_id=1, due_date="2026-10-25")
    assert mirrored.account()["next_activity_id"] == 5

    mirrored.activity(6, org_id=None, deal_id=2, due_date="2026-10-24")
    assert mirrored.account()["next_activity_id"] == 6


def test_an_activity_is_done(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.activity(1, due_date="2026-10-05")
    mirrored.activity(2, due_date="2026-10-06")
    assert mirrored.account()["last_activity_time"] is None

    mirrored.activity(1, due_date="2026-10-05", done=True, marked_as_done_time="2026-10-04T08:15:00Z")

    account = mirrored.account()
    assert (account["next_activity_id"], account["next_activity_due_date"]) == (2, date(2026, 10, 6))
    assert account["last_activity_time"] == _at("2026-10-04T08:15:00")

    mirrored.activity(3, due_date="2026-10-09", done=True, marked_as_done_time="2026-10-03T00:00:00Z")
    assert mirrored.account()["last_activity_time"] == _at("2026-10-04T08:15:00")


def test_an_activity_is_done_without_a_time_of_doing(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)

    for one, due_date, due_time, expected in [
        (1, None, None, None),
        (2, "2026-08-01", None, "2026-08-01T00:00:00"),
        (3, "2026-08-01", "07:30", "2026-08-01T07:30:00"),
        (4, "2026-08-01", "18:45:10", "2026-08-01T18:45:10"),
        (5, "2026-08-02", "", "2026-08-02T00:00:00"),
        (6, "2026-08-03", "at dusk", "2026-08-03T00:00:00"),
    ]:
        mirrored.activity(one, done=True, due_date=due_date, due_time=due_time)
        assert mirrored.account()["last_activity_time"] == (expected and _at(expected))


def test_an_activity_is_deleted(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.activity(1)
    mirrored.activity(2, done=True, marked_as_done_time="2026-10-04T08:15:00Z")

    mirrored.delete(ACTIVITIES, 1)
    mirrored.activity(2, done=True, marked_as_done_time="2026-10-04T08:15:00Z", is_deleted=True)

    account = mirrored.account()
    assert (account["next_activity_id"], account["last_activity_time"]) == (None, None)


def test_an_activity_moves_to_another_organization(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.organization(2)
    mirrored.deal(1, org_id=1)
    mirrored.deal(2, org_id=2)
    mirrored.activity(1, org_id=1)

    mirrored.activity(1, org_id=2)

    assert (mirrored.account(1)["next_activity_id"], mirrored.account(2)["next_activity_id"]) == (None, 1)


def test_a_deal_moves_with_its_activities(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.organization(2)
    mirrored.deal(1, org_id=1)
    mirrored.deal(2, org_id=2)
    mirrored.deal(3, org_id=1, status="open")
    mirrored.activity(1, org_id=None, deal_id=3)
    assert mirrored.account(1)["next_activity_id"] == 1

    mirrored.deal(3, org_id=2, status="open")

    assert (mirrored.account(1)["next_activity_id"], mirrored.account(2)["next_activity_id"]) == (None, 1)


def test_a_deal_with_activities_is_deleted(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal(1)
    mirrored.deal(2, status="open")
    mirrored.activity(1, org_id=None, deal_id=2, due_date="2026-10-05")
    mirrored.activity(2, org_id=1, deal_id=2, due_date="2026-10-06")
    assert mirrored.account()["next_activity_id"] == 1

    mirrored.delete(DEALS, 2)

    assert mirrored.account()["next_activity_id"] == 2


def test_nothing_changed(mirrored: Mirrored) -> None:
    mirrored.organization(address={"value": "here", "country": None}, label_ids=[2, 1], custom_fields={"k": 0.1})
    mirrored.put(DEALS, a_deal(1, value=0.1), a_deal(2, value=12.345, currency="USD"))
    mirrored.put(ACTIVITIES, an_activity(1), an_activity(2, done=True))
    before = mirrored.account()

    assert mirrored.build() == 0
    assert mirrored.build({1}) == 0
    assert mirrored.account() == before

    mirrored.activity(3, due_date="2031-01-01")  # not the next one: the account is touched, yet the same
    assert mirrored.account() == before


def test_the_table_in_the_docs_and_the_tests_have_the_same_rows() -> None:
    table = _DOCS.read_text(encoding="utf-8").partition("| --- | --- |\n")[2].partition("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()]
    tests = [
        name
        for name in globals()
        if name.startswith("test_") and name != "test_the_table_in_the_docs_and_the_tests_have_the_same_rows"
    ]

    assert [f"test_{re.sub('[^a-z0-9]+', '_', row.lower())}" for row in rows] == tests
