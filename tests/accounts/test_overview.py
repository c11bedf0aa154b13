"""The overview: its numbers are those of the lists that they link to."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import update

from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter
from sync.accounts.lists.listing import matching_ids
from sync.accounts.lists.overview import Overview, Since, load_overview
from sync.store.schema import companies
from tests.accounts.mirrored import EUROS, Mirrored

NOON = Calendar(datetime(2026, 11, 25, 12, tzinfo=UTC))
DONE = {1: "2026-11-18", 2: "2026-11-17", 3: "2026-10-26", 4: "2026-08-27", 5: "2026-08-26", 6: "2001-01-01", 7: None}


def overview(mirrored: Mirrored, calendar: Calendar = NOON) -> Overview:
    with mirrored.database.writing() as connection:
        connection.execute(update(companies).values(accounts_basis=f"{EUROS.basis} -notes"))
        return load_overview(connection, 1, Filter(), calendar)


def contacted(mirrored: Mirrored) -> None:
    for one, day in DONE.items():
        mirrored.organization(one, owner_id=one % 2 or None)
        mirrored.deal(one, org_id=one)
        if day:
            mirrored.activity(one, org_id=one, done=True, marked_as_done_time=f"{day}T00:00:00Z")


def test_each_number_is_that_of_the_list_it_links_to(mirrored: Mirrored) -> None:
    contacted(mirrored)
    found = overview(mirrored)
    assert [found.total.counts[one] for one in Since] == [1, 2, 1, 2, 1]
    with mirrored.database.reading() as connection:
        for contacts in found.owners:
            for since, number in contacts.counts.items():
                those = matching_ids(connection, 1, replace(Filter(), **since.fields), NOON)
                theirs = [one for one in those if (one % 2 or None) == contacts.owner_id]
                assert len(theirs) == number, (contacts.owner_id, since)


def test_won_value_by_month_is_in_one_currency_as_far_as_there_are_rates(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.deal(1, won_time="2026-11-02T10:00:00Z", value=10.1)
    mirrored.deal(2, won_time="2026-11-03T10:00:00Z", value=0.2)
    mirrored.deal(3, won_time="2026-10-03T10:00:00Z", value=10.05, currency="USD")
    mirrored.deal(4, won_time="2026-10-03T10:00:00Z", value=7, currency="XAU")
    mirrored.deal(5, won_time="2025-11-30T10:00:00Z", value=1000)
    found = overview(mirrored)
    assert found.currency == "EUR"
    assert [one.month for one in found.won_by_month][::11] == [date(2025, 12, 1), date(2026, 11, 1)]
    october, november = found.won_by_month[-2:]
    assert (november.value, november.deals, november.without_rate) == (Decimal("10.3"), 2, {})
    assert (october.value, october.without_rate) == (Decimal("9.05"), {"XAU": Decimal(7)})
    assert sum(one.deals for one in found.won_by_month) == 4


def test_months_are_the_viewers(mirrored: Mirrored) -> None:
    mirrored.organization(1)
    mirrored.deal(1, won_time="2026-10-31T23:30:00Z")
    in_berlin = overview(mirrored, replace(NOON, zone=ZoneInfo("Europe/Berlin")))
    assert [one.accounts for one in in_berlin.new_by_month][-2:] == [0, 1]
    assert [one.deals for one in in_berlin.won_by_month][-2:] == [0, 1]
    assert [one.accounts for one in overview(mirrored).new_by_month][-2:] == [1, 0]
