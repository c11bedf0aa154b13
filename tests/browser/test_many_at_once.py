"""Selecting many accounts and changing them at once, after a look at what would change."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import House, Visitor, day
from tests.service.waiting import until


def test_the_owner_of_many_accounts_is_changed_after_a_preview(visitor: Visitor, house: House) -> None:
    page = visitor.page
    chosen = _group(house, "Owner Batch", 50, 51, 52)
    for one, owner in zip(chosen, (1, 1, 5), strict=True):
        house.company.update("organizations", one, {"owner_id": owner})
        until(lambda one=one, owner=owner: house.here(one)["owner_id"] == owner)
    _select_all(visitor, "Owner Batch", 3)

    page.get_by_role("button", name="Change owner…").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("For 3 accounts")
    dialog.get_by_role("combobox").select_option(house.company.get("users", 5)["name"])
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("3 accounts are chosen. 2 would change.")
    expect(dialog.locator("tbody tr")).to_have_count(2)
    assert [house.there(one)["owner_id"] for one in chosen] == [1, 1, 5]
    dialog.get_by_role("button", name="Change 2 accounts").click()

    visitor.told("2 accounts changed.")
    until(lambda: [house.there(one)["owner_id"] for one in chosen] == [5, 5, 5])
    page.locator("#said").get_by_role("button", name="Undo").click()
    visitor.told("Taken back: 2 changes.")
    until(lambda: [house.there(one)["owner_id"] for one in chosen] == [1, 1, 5])


def test_a_label_is_added_to_many_and_the_others_stay(visitor: Visitor, house: House) -> None:
    page = visitor.page
    first, second = house.company.fields.get("organizations", "label_ids")["options"][:2]
    chosen = _group(house, "Label Batch", 53, 54)
    for one, labels in zip(chosen, ([], [first["id"]]), strict=True):
        house.company.update("organizations", one, {"label_ids": labels})
        until(lambda one=one, labels=labels: (house.here(one)["label_ids"] or []) == labels)
    _select_all(visitor, "Label Batch", 2)

    page.get_by_role("button", name="Add label…").click()
    page.locator("#dialog").get_by_label("Label").select_option(second["label"])
    page.locator("#dialog").get_by_role("button", name="Preview").click()
    page.locator("#dialog").get_by_role("button", name="Change 2 accounts").click()

    visitor.told("2 accounts changed.")
    wanted = [[second["id"]], [first["id"], second["id"]]]
    until(lambda: [sorted(house.there(one)["label_ids"]) for one in chosen] == [sorted(one) for one in wanted])


def test_an_activity_is_planned_for_many(visitor: Visitor, house: House) -> None:
    page = visitor.page
    chosen = _group(house, "Planned Batch", 55, 56)
    _select_all(visitor, "Planned Batch", 2)

    page.get_by_role("button", name="Plan an activity…").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("What is to be done").fill("Season’s greetings")
    dialog.get_by_label("Day").fill(day(2).isoformat())
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("One activity for each of 2 accounts")
    dialog.get_by_role("button", name="Plan 2 activities").click()

    for one in chosen:
        until(lambda one=one: house.activities(one, "Season’s greetings"))
        (activity,) = house.activities(one, "Season’s greetings")
        assert activity["due_date"] == day(2).isoformat()


def test_a_selection_outlasts_another_search(visitor: Visitor, house: House) -> None:
    page = visitor.page
    _group(house, "Selected Twice", 57, 58)
    visitor.find("Selected Twice 57")
    page.get_by_role("checkbox", name="Selected Twice 57").check()

    page.locator("#search").fill("Selected Twice 58")
    expect(page.locator("#table tbody th")).to_have_text("Selected Twice 58")
    page.get_by_role("checkbox", name="Selected Twice 58").check()

    expect(page.locator("[data-selected]")).to_have_text("Selected: 2")
    page.get_by_role("button", name="Select none").click()
    expect(page.get_by_role("checkbox", name="Selected Twice 58")).not_to_be_checked()


def _group(house: House, name: str, *numbers: int) -> list[int]:
    return [house.call(number, f"{name} {number}") for number in numbers]


def _select_all(visitor: Visitor, words: str, count: int) -> None:
    page: Page = visitor.page
    visitor.go(f"/accounts?q={words.replace(' ', '+')}")
    expect(page.locator("#table tbody tr")).to_have_count(count)
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.locator("[data-selected]")).to_have_text(f"Selected: {count}")
