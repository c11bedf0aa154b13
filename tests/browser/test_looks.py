"""Language, colours, weight: how the pages look to whom, and what it takes to load them."""

import re
from html import unescape

import pytest
from playwright.sync_api import expect

from sync.store.edits import load_parked
from tests.browser.conftest import House, Meet, Visitor

LIMIT = 120 * 1024  # bytes of a first load, as they come over the line


def test_a_german_browser_is_answered_in_german(meet: Meet, house: House) -> None:
    visitor = meet(locale="de-DE")
    page = visitor.page
    visitor.go("/accounts?status=all&sort=-won_value")

    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("header nav")).to_contain_text("Konflikte")
    expect(page.locator("thead")).to_contain_text("Kunde seit")
    row = page.locator("#table tbody tr").first
    assert re.fullmatch(r"\d{1,3}(\.\d{3})*(,\d\d)?\s€", visitor.cell(row, "Gewonnener Wert").inner_text())
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4}", visitor.cell(row, "Kunde seit").inner_text())


@pytest.mark.parametrize("path", ["/accounts", "/board", "/accounts/{account}", "/contacts", "/conflicts", "/sync"])
def test_no_english_is_left_on_a_german_page(meet: Meet, house: House, path: str) -> None:
    visitor = meet(locale="de-DE")
    visitor.go(path.format(account=house.account(0)))

    text = visitor.page.locator("body").inner_text()
    for theirs in sorted(_written_by_others(house), key=len, reverse=True):
        text = text.replace(theirs, "")
    english = r"\b(the|and|with|of|is|are|Show|Search|Owner|Settings|Edit|Nothing|Last|Next|Columns|Deals won)\b"
    assert [line for line in text.splitlines() if re.search(english, line)] == []


def _written_by_others(house: House) -> set[str]:
    """All that stands at Pipedrive, and its own words about what it did not take: that is not ours to translate."""
    entities = {"organizations": "name", "persons": "name", "users": "name", "activities": "subject", "deals": "title"}
    found = {
        str(record[attribute])
        for entity, attribute in entities.items()
        for record in house.company.all(entity, deleted=True)
    }
    notes = {re.sub("<[^>]*>", "", unescape(record["content"])) for record in house.company.all("notes")}
    with house.database.reading() as connection:
        found |= {parked.reason for parked in load_parked(connection, house.company.id)}
    return found | {line.strip() for note in notes for line in note.splitlines() if line.strip()}


def test_the_language_is_switched_and_kept(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/board")
    page.locator("header.top details.menu summary").click()
    page.get_by_label("Language").select_option("Deutsch")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_url(f"{visitor.url}/board")
    visitor.go("/accounts")
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_the_theme_is_switched_and_kept(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/accounts")
    assert _brightness(visitor) > 0.8
    page.locator("header.top details.menu summary").click()
    page.get_by_label("Colours").select_option("Dark")
    page.get_by_role("button", name="Apply").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert _brightness(visitor) < 0.2
    visitor.go("/board")
    assert _brightness(visitor) < 0.2


def test_days_are_those_of_the_browsers_time_zone(meet: Meet, house: House) -> None:
    visitor = meet(knows_zone=False, timezone_id="Pacific/Auckland")
    visitor.go("/accounts")
    visitor.page.locator("header.top details.menu summary").click()
    expect(visitor.page.locator("header.top")).to_contain_text("Time zone")

    visitor.go("/board")
    visitor.page.locator("header.top details.menu summary").click()
    expect(visitor.page.get_by_label("Time zone")).to_have_value("Pacific/Auckland")


@pytest.mark.parametrize("path", ["/accounts", "/board", "/accounts/{account}"])
def test_a_first_load_is_light(meet: Meet, house: House, path: str) -> None:
    visitor = meet()
    sizes: dict[str, int] = {}
    visitor.page.on("requestfinished", lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}))
    visitor.go(path.format(account=house.account(0)))
    visitor.page.wait_for_load_state("networkidle")

    assert len(sizes) > 3
    assert sum(sizes.values()) < LIMIT, sizes


def _brightness(visitor: Visitor) -> float:
    """That of the ground, from 0 (black) to 1."""
    colour: str = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
    return (red + green + blue) / 765
