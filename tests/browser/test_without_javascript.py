"""Without JavaScript the same links and forms work, a page at a time."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House, Meet, Visitor, day
from tests.service.waiting import until


@pytest.fixture
def plain(meet: Meet) -> Visitor:
    """Somebody whose browser runs no scripts."""
    return meet(java_script_enabled=False)


def test_accounts_are_searched_filtered_and_the_list_is_saved(plain: Visitor, house: House) -> None:
    page = plain.page
    one = house.call(60, "Plain Search Ltd")
    plain.go("/accounts")
    page.get_by_label("Search in names, addresses and texts").fill("plain search")
    page.locator("#filter").get_by_role("button", name="Search").click()
    expect(page.locator("#table tbody th a")).to_have_attribute("href", f"/accounts/{one}")

    page.locator("#filter summary", has_text="Next activity").click()
    page.get_by_role("checkbox", name="Nothing planned").check()
    page.locator("#filter").get_by_role("button", name="Search").click()
    expect(page.locator("#chips")).to_contain_text("Nothing planned")
    expect(page.locator("#table tbody tr")).to_have_count(1)

    page.get_by_role("link", name=re.compile("^Save")).click()
    page.get_by_label("Save the list that is shown").fill("Plainly saved")
    page.get_by_role("button", name="Save", exact=True).click()
    plain.told("Saved: Plainly saved")
    plain.go("/accounts")
    page.get_by_role("link", name="Plainly saved").click()
    expect(page.locator("#table tbody th a")).to_have_text("Plain Search Ltd")


def test_an_account_is_edited_planned_for_and_noted(plain: Visitor, house: House) -> None:
    page = plain.page
    one = house.call(61, "Plain Edit GmbH")
    plain.go(f"/accounts/{one}")
    page.get_by_role("link", name="Edit: Name").click()
    page.get_by_role("textbox", name="Name").fill("Plainly Edited GmbH")
    page.get_by_role("button", name="Save").click()
    plain.told("Saved: Name")
    expect(page.locator("h1")).to_have_text("Plainly Edited GmbH")
    until(lambda: house.name(one) == "Plainly Edited GmbH")

    page.locator("#activities").get_by_role("link", name="Plan").click()
    page.get_by_label("What is to be done").fill("Plainly planned")
    page.get_by_label("Day").fill(day(1).isoformat())
    page.get_by_role("button", name="Plan", exact=True).click()
    until(lambda: (house.here(one)["next_activity"] or {}).get("subject") == "Plainly planned")
    (activity,) = house.activities(one, "Plainly planned")
    assert activity["due_date"] == day(1).isoformat()

    page.reload()
    page.locator("#activities").get_by_role("button", name=re.compile("^Done")).first.click()
    plain.told("Being marked as done: Plainly planned")
    until(lambda: house.company.get("activities", activity["id"])["done"])

    page.get_by_label("A new note").fill("Plainly noted")
    page.get_by_role("button", name="Add note").click()
    plain.told("The note is being added.")
    until(lambda: any("Plainly noted" in note["content"] for note in house.company.all("notes")))


def test_a_value_changed_meanwhile_is_asked_about(plain: Visitor, house: House) -> None:
    page = plain.page
    one = house.call(62, "Plain Conflict AB")
    plain.go(f"/accounts/{one}/fields/name")
    house.company.update("organizations", one, {"name": "Renamed Meanwhile AB"})
    until(lambda: house.here(one)["name"] == "Renamed Meanwhile AB")
    page.get_by_role("textbox", name="Name").fill("Mine AB")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("main")).to_contain_text("“Name” was changed meanwhile")
    expect(page.locator("main")).to_contain_text("Renamed Meanwhile AB")
    page.get_by_role("button", name="Use mine").click()
    expect(page.locator("h1")).to_have_text("Mine AB")
    until(lambda: house.name(one) == "Mine AB")


def test_cards_of_the_board_are_moved_and_done(plain: Visitor, house: House) -> None:
    page = plain.page
    one = house.call(63, "Plain Board KG")
    activity = house.plan(one, "Plainly moved", day())
    plain.go(f"/board?q={quote('Plain Board')}")
    page.get_by_role("link", name="Move: Plain Board KG").click()
    page.get_by_role("button", name="Tomorrow").click()
    expect(page).to_have_url(re.compile(r"/board\?q="))
    expect(page.locator(f"[data-column=tomorrow] #c{one}")).to_be_visible()
    until(lambda: house.company.get("activities", activity)["due_date"] == day(1).isoformat())
    until(lambda: house.here(one)["next_activity"]["due_date"] == day(1).isoformat())

    page.reload()
    page.get_by_role("button", name="Done: Plain Board KG").click()
    until(lambda: house.company.get("activities", activity)["done"])


def test_many_accounts_are_changed(plain: Visitor, house: House) -> None:
    page = plain.page
    one = house.call(59, "Plain Batch Oy")
    house.company.update("organizations", one, {"owner_id": 1})
    until(lambda: house.here(one)["owner_id"] == 1)
    plain.go(f"/accounts?q={quote('Plain Batch')}")
    page.locator("#table input[name=account]").check()
    page.get_by_role("button", name="Change owner…").click()
    page.locator("main").get_by_role("combobox").select_option(house.company.get("users", 5)["name"])
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Change 1 account").click()

    plain.told("1 account changed.")
    until(lambda: house.there(one)["owner_id"] == 5)
