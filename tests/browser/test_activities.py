"""What is to be done for an account: planned, moved, done; notes and files."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import FILES, House, Visitor, day
from tests.service.waiting import until


def test_an_activity_is_planned_moved_and_done_on_the_account_page(visitor: Visitor, house: House) -> None:
    page = visitor.page
    one = house.call(30, "Three Steps LLC")
    visitor.go(f"/accounts/{one}")
    section = page.locator("#activities")
    expect(section).to_contain_text("Nothing is planned.")

    section.get_by_role("link", name="Plan").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("What is to be done").fill("Three steps to go")
    dialog.get_by_label("Type").select_option("Meeting")
    dialog.get_by_label("Day").fill(day(3).isoformat())
    dialog.get_by_label("Time").fill("14:00")
    dialog.get_by_label("Duration").select_option("30 minutes")
    dialog.get_by_role("button", name="Plan").click()
    expect(section).to_contain_text("Three steps to go")
    until(lambda: house.activities(one, "Three steps to go"))
    (planned,) = house.activities(one, "Three steps to go")
    assert (planned["due_date"], planned["type"], planned["done"]) == (day(3).isoformat(), "meeting", False)
    assert planned["duration"].startswith("00:30")

    section.get_by_role("link", name=re.compile("Move")).click()
    dialog.get_by_role("button", name="Tomorrow").click()
    until(lambda: house.company.get("activities", planned["id"])["due_date"] == day(1).isoformat())
    assert house.company.get("activities", planned["id"])["due_time"] == planned["due_time"]

    section.get_by_role("button", name=re.compile("^Done")).click()
    visitor.told("Being marked as done: Three steps to go")
    until(lambda: house.company.get("activities", planned["id"])["done"])
    expect(section).to_contain_text("Nothing is planned.")
    expect(page.locator("#done .activity").first).to_contain_text("Three steps to go")


def test_a_plan_without_a_day_says_what_is_missing_and_keeps_what_was_typed(visitor: Visitor, house: House) -> None:
    one = house.call(31, "Incomplete KG")
    page = visitor.page
    visitor.go(f"/accounts/{one}/activities/new")
    page.get_by_label("What is to be done").fill("On no day")
    page.get_by_label("Day").evaluate("(box) => { box.required = false; box.value = ''; }")

    page.get_by_role("button", name="Plan").click()

    expect(page.get_by_role("alert")).to_have_text("Say on which day.")
    expect(page.get_by_label("What is to be done")).to_have_value("On no day")


def test_a_note_that_is_added_arrives_at_pipedrive_as_it_was_typed(visitor: Visitor, house: House) -> None:
    one = house.call(32, "Noted & Co")
    visitor.go(f"/accounts/{one}")
    page = visitor.page

    page.get_by_label("A new note").fill("Agreed: 3 < 4 & more\nsecond line")
    page.get_by_role("button", name="Add note").click()

    visitor.told("The note is being added.")
    note = page.locator("#notes .note", has_text="Agreed: 3 < 4 & more")
    expect(note).to_be_visible()
    until(lambda: _notes(house, one, "Agreed"))
    assert "3 &lt; 4 &amp; more" in _notes(house, one, "Agreed")[0]
    expect(note.locator(".waiting")).to_be_hidden()
    expect(page.get_by_label("A new note")).to_have_value("")


def test_a_note_of_pipedrive_arrives_on_the_open_page(visitor: Visitor, house: House) -> None:
    one = house.call(33, "Notes From There")
    visitor.go(f"/accounts/{one}")

    house.company.create("notes", {"org_id": one, "content": "<p>From <b>over there</b></p>"})

    expect(visitor.page.locator("#notes b", has_text="over there")).to_be_visible()


def test_a_file_is_handed_on_byte_for_byte(visitor: Visitor, house: House) -> None:
    name, content = FILES[34]
    visitor.go(f"/accounts/{house.account(34)}")

    with visitor.page.expect_download() as download:
        visitor.page.locator("#files").get_by_role("link", name=name).click()

    assert download.value.path().read_bytes() == content
    assert download.value.suggested_filename == name


def _notes(house: House, organization_id: int, words: str) -> list[str]:
    found = house.company.all("notes")
    return [one["content"] for one in found if one["org_id"] == organization_id and words in one["content"]]
