"""Contacted and not contacted: every number leads to a list of exactly so many accounts; charts say what they show."""

import html
import re
from datetime import date
from decimal import Decimal

from sqlalchemy import update

from sync.store.schema import accounts
from sync.web.pages.charts import chart_of
from tests.web.pages.conftest import PageSite

MONTHS = [date(2026, month, 1) for month in (9, 10, 11)]


def cells(page: str) -> list[tuple[int, str]]:
    """The numbers of the table with the addresses that they lead to."""
    table = page.partition("<table")[2].partition("</table>")[0]
    return [
        (int(number), html.unescape(link))
        for link, number in re.findall(r'<td[^>]*><a href="([^"]+)">(\d+)</a>', table)
    ]


def counted(page: str) -> int:
    """How many accounts a list says it has."""
    found = re.search(r"<strong>(\d+) accounts?</strong>", page)
    assert found, page
    return int(found[1])


def test_every_number_leads_to_a_list_of_so_many_accounts(site: PageSite) -> None:
    with site.database.writing() as connection:
        connection.execute(update(accounts).where(accounts.c.organization_id == site.desk.ids[0]).values(owner_id=None))
    page = site.get("/contacts").text
    found = cells(page)
    assert "No owner" in page
    assert found[-1][0] == len(site.desk.ids), "the last one counts all accounts"
    assert sum(number for number, _ in found) == 4 * len(site.desk.ids), "by owner and in all, apart and together"
    for number, link in found:
        assert counted(site.get(link).text) == number, link


def test_the_overview_is_of_what_is_filtered_whenever_it_was_contacted(site: PageSite) -> None:
    owner = site.desk.here()["owner_id"]
    page = site.get(f"/contacts?owner={owner}&contacted=7&never=1").text
    numbers = cells(page)
    assert all(f"owner={owner}" in link for _, link in numbers)
    assert numbers[-1][0] == counted(site.get(f"/accounts?owner={owner}").text)


def test_what_matches_nothing_says_how_to_see_all(site: PageSite) -> None:
    page = site.get("/contacts?q=nobody+at+all").text
    assert "No account matches" in page
    assert '<a class="button" href="/contacts"' in page


def test_charts_have_words_and_a_table_and_no_style_of_their_own(site: PageSite) -> None:
    page = site.get("/contacts").text
    assert page.count("<svg") == page.count("<desc") == 2
    assert page.count('<th scope="row">Nov 2026</th>') == 2
    assert "style=" not in page


def test_bars_are_as_high_as_their_values_and_lines_are_at_round_numbers() -> None:
    chart = chart_of(MONTHS, [Decimal(0), Decimal(450), Decimal(900)], ["no", "half", "all"], str)
    empty, half, full = chart.bars
    assert empty.height == 0
    assert abs(2 * half.height - full.height) < 0.2
    assert all(abs(bar.y + bar.height - chart.foot) < 0.2 for bar in chart.bars)
    assert [Decimal(tick.words) for tick in chart.ticks] == [0, 500, 1000]
    assert full.y >= 0


def test_a_chart_of_nothing_is_empty_and_less_than_nothing_shows_as_nothing() -> None:
    assert chart_of(MONTHS, [Decimal(0)] * 3, [""] * 3, str).is_empty
    chart = chart_of(MONTHS, [Decimal(-5), Decimal(1), Decimal(0)], [""] * 3, str, apart=["", "1 USD", ""])
    assert [bar.height > 0 for bar in chart.bars] == [False, True, False]
    assert chart.has_apart
