"""Editing an account: it arrives at Pipedrive, what changes there arrives here, nobody overwrites anybody unseen."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House, Meet, Visitor
from tests.service.waiting import until

FIELD = "Kundennummer"


def test_a_field_edited_on_the_account_page_arrives_at_pipedrive(visitor: Visitor, house: House) -> None:
    one = _numbered(house, 10, "Edited There GmbH")
    visitor.go(f"/accounts/{one}")

    form = _edit(visitor.page, house.code(FIELD))
    form.get_by_role("textbox").fill("K-2")
    visitor.page.keyboard.press("Enter")

    visitor.told(f"Saved: {FIELD}")
    expect(_value(visitor.page, house.code(FIELD))).to_have_text("K-2")
    until(lambda: _number(house, one) == "K-2")
    expect(_field(visitor.page, house.code(FIELD)).locator(".waiting")).to_be_hidden()
    expect(_field(visitor.page, house.code(FIELD)).get_by_role("link", name=f"Edit: {FIELD}")).to_be_visible()


def test_what_changes_at_pipedrive_arrives_on_the_open_page_and_leaves_what_is_typed(
    visitor: Visitor, house: House
) -> None:
    one = _numbered(house, 11, "Open Page GmbH")
    visitor.go(f"/accounts/{one}")
    box = _edit(visitor.page, house.code(FIELD)).get_by_role("textbox")
    box.fill("K-half")

    house.company.update("organizations", one, {"name": "Opened Page GmbH"})

    expect(visitor.page.locator("h1")).to_have_text("Opened Page GmbH")
    expect(box).to_have_value("K-half")


def test_a_cell_of_the_list_edited_arrives_at_pipedrive(visitor: Visitor, house: House) -> None:
    one = house.call(12, "Cell Edited Oy")
    house.company.update("organizations", one, {"owner_id": 1})
    until(lambda: house.here(one)["owner_id"] == 1)
    new_owner = house.company.get("users", 5)["name"]
    row = visitor.find("Cell Edited Oy")

    visitor.cell(row, "Owner").click()
    visitor.page.locator("#cell").get_by_role("combobox").select_option(new_owner)
    visitor.page.keyboard.press("Enter")

    visitor.told("Saved: Owner")
    expect(visitor.cell(row, "Owner")).to_have_text(new_owner)
    until(lambda: house.there(one)["owner_id"] == 5)


def test_what_changes_at_pipedrive_arrives_in_the_open_list(visitor: Visitor, house: House) -> None:
    one = house.call(13, "Relabelled Holding")
    house.company.update("organizations", one, {"label_ids": []})
    until(lambda: not house.here(one)["label_ids"])
    row = visitor.find("Relabelled Holding")
    expect(visitor.cell(row, "Labels")).to_have_text("")

    label = house.company.fields.get("organizations", "label_ids")["options"][0]
    house.company.update("organizations", one, {"label_ids": [label["id"]]})

    expect(visitor.cell(row, "Labels")).to_have_text(label["label"])


@pytest.mark.parametrize("way", ["theirs", "mine"])
def test_an_edit_of_a_value_that_was_changed_meanwhile_asks_back(meet: Meet, house: House, way: str) -> None:
    one = _numbered(house, 14 if way == "theirs" else 15, f"Two Tabs, {way}")
    first, second = meet(), meet()
    first.go(f"/accounts/{one}")
    _edit(first.page, house.code(FIELD)).get_by_role("textbox").fill("K-mine")
    second.go(f"/accounts/{one}")
    _edit(second.page, house.code(FIELD)).get_by_role("textbox").fill("K-theirs")
    second.page.keyboard.press("Enter")
    second.told(f"Saved: {FIELD}")

    first.page.keyboard.press("Enter")

    dialog = first.page.locator("#dialog")
    expect(dialog).to_contain_text(f"“{FIELD}” was changed meanwhile")
    expect(dialog).to_contain_text("Changed by somebody on this page, after you began")
    expect(dialog).to_contain_text("K-theirs")
    expect(dialog).to_contain_text("K-mine")
    choice = {"theirs": dialog.get_by_text("Keep theirs"), "mine": dialog.get_by_role("button", name="Use mine")}
    choice[way].click()
    expect(dialog).to_be_hidden()
    expect(_value(first.page, house.code(FIELD))).to_have_text(f"K-{way}")
    expect(first.page.locator("form.here")).to_have_count(0)
    expect(_value(second.page, house.code(FIELD))).to_have_text(f"K-{way}")
    until(lambda: _number(house, one) == f"K-{way}")


def test_who_was_faster_at_pipedrive_is_named(visitor: Visitor, house: House) -> None:
    one = _numbered(house, 16, "Faster There AB")
    user = house.company.get("users", 4)["name"]
    visitor.go(f"/accounts/{one}")
    _edit(visitor.page, house.code(FIELD)).get_by_role("textbox").fill("K-slower")
    house.company.update("organizations", one, {"custom_fields": {house.code(FIELD): "K-faster"}}, user_id=4)
    until(lambda: house.here(one)["custom_fields"][house.code(FIELD)] == "K-faster")

    visitor.page.keyboard.press("Enter")

    expect(visitor.page.locator("#dialog")).to_contain_text(f"Changed by {user} (Pipedrive), after you began")
    assert _number(house, one) == "K-faster"


def test_an_edit_is_taken_back_from_the_toast(visitor: Visitor, house: House) -> None:
    one = _numbered(house, 17, "Taken Back Inc.")
    visitor.go(f"/accounts/{one}")
    _edit(visitor.page, house.code(FIELD)).get_by_role("textbox").fill("K-mistake")
    visitor.page.keyboard.press("Enter")
    until(lambda: _number(house, one) == "K-mistake")

    visitor.page.locator("#said").get_by_role("button", name="Undo").click()

    visitor.told("Taken back: 1 change.")
    expect(_value(visitor.page, house.code(FIELD))).to_have_text("K-1")
    until(lambda: _number(house, one) == "K-1")


def test_what_pipedrive_does_not_take_is_shown_with_its_words(visitor: Visitor, house: House) -> None:
    one = _numbered(house, 18, "Not Taken Sp. z o.o.")
    house.sandbox.faults.fail(
        status=400, message="the number is not to our liking", method="PATCH", path=f"*/organizations/{one}", times=5
    )
    visitor.go(f"/accounts/{one}")
    _edit(visitor.page, house.code(FIELD)).get_by_role("textbox").fill("K-refused")
    visitor.page.keyboard.press("Enter")

    expect(_field(visitor.page, house.code(FIELD))).to_contain_text("Pipedrive does not take this")
    expect(_field(visitor.page, house.code(FIELD))).to_contain_text("the number is not to our liking")
    expect(_value(visitor.page, house.code(FIELD))).to_have_text("K-refused")


def test_an_account_is_found_opened_edited_and_saved_by_keys_alone(visitor: Visitor, house: House) -> None:
    page = visitor.page
    one = house.call(19, "Without A Mouse")
    visitor.go("/accounts")
    _tab_to(page, "#search")
    page.keyboard.type("without a mouse")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    _tab_to(page, "#table tbody th")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.url}/accounts/{one}")

    _tab_to(page, "a[aria-label='Edit: Name']")
    page.keyboard.press("Enter")
    expect(page.locator("form.here input[name=value]")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("With Keys Alone")
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("With Keys Alone")
    until(lambda: house.name(one) == "With Keys Alone")
    expect(page.locator("a[aria-label='Edit: Name']")).to_be_focused()


def test_a_cell_is_reached_edited_and_left_by_keys_alone(visitor: Visitor, house: House) -> None:
    page = visitor.page
    one = house.call(9, "Arrow Keys Group")
    house.company.update("organizations", one, {"owner_id": 1})
    until(lambda: house.here(one)["owner_id"] == 1)
    visitor.go(f"/accounts?q={quote('Arrow Keys Group')}")
    owner = visitor.cell(page.locator("#table tbody tr"), "Owner")

    _tab_to(page, "#table tbody th")
    page.keyboard.press("ArrowRight")
    expect(owner).to_be_focused()
    page.keyboard.press("F2")
    expect(page.locator("#cell select")).to_be_focused()
    page.keyboard.press("Escape")
    expect(owner).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#cell select")).to_be_focused()
    page.keyboard.type(house.company.get("users", 5)["name"][:3])
    page.keyboard.press("Enter")

    visitor.told("Saved: Owner")
    until(lambda: house.there(one)["owner_id"] == 5)
    expect(owner).to_be_focused()


def _numbered(house: House, number: int, name: str) -> int:
    """An account with a customer number that both sides know."""
    one = house.call(number, name)
    code = house.code(FIELD)
    house.company.update("organizations", one, {"custom_fields": {code: "K-1"}})
    until(lambda: house.here(one)["custom_fields"].get(code) == "K-1")
    return one


def _number(house: House, organization_id: int) -> object:
    """The customer number at Pipedrive."""
    return house.there(organization_id)["custom_fields"][house.code(FIELD)]


def _field(page: Page, code: str) -> Locator:
    return page.locator(f'[data-field="{code}"]')


def _value(page: Page, code: str) -> Locator:
    return _field(page, code).locator(".value")


def _edit(page: Page, code: str) -> Locator:
    """Open the form of a field, where the value stands."""
    _field(page, code).get_by_role("link", name=re.compile("^Edit")).click()
    form = _field(page, code).locator("form")
    expect(form.locator("[name=value]").first).to_be_focused()
    return form


def _tab_to(page: Page, selector: str) -> None:
    """Press Tab until something has the focus: as often as somebody may be asked to."""
    for _ in range(60):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")
