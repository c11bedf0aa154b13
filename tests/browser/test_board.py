"""The board: cards dragged to another day with the mouse, or moved by the keyboard alone."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import House, Visitor, day
from tests.service.waiting import until

# Keeps in `window.columns` where a card was, one after the other.
WATCH = """(id) => {
  const at = () => document.getElementById(id)?.closest("[data-column]")?.dataset.column;
  window.columns = [at()];
  new MutationObserver(() => {
    const now = at();
    if (now && now !== window.columns.at(-1)) window.columns.push(now);
  }).observe(document.body, { childList: true, subtree: true });
}"""


def test_a_card_dragged_to_another_day_moves_its_activity_and_stays_there(visitor: Visitor, house: House) -> None:
    one = house.call(20, "Drag Me AG")
    activity = house.plan(one, "To be dragged", day())
    card = _board(visitor, "Drag Me AG", one)
    visitor.page.evaluate(WATCH, f"c{one}")

    card.drag_to(_column(visitor, "tomorrow"))

    visitor.told("To be dragged")
    until(lambda: house.company.get("activities", activity)["due_date"] == day(1).isoformat())
    expect(_column(visitor, "tomorrow").locator(f"#c{one}")).to_be_visible()
    expect(card.locator(".waiting")).to_be_hidden()
    assert visitor.page.evaluate("window.columns") == ["today", "tomorrow"]


def test_a_card_with_a_time_of_day_keeps_it(visitor: Visitor, house: House) -> None:
    one = house.call(21, "Half Past Nine Ltd")
    activity = house.plan(one, "At its time", day(1), due_time="09:30")  # UTC
    card = _board(visitor, "Half Past Nine Ltd", one)

    card.drag_to(_column(visitor, "today"))

    until(lambda: house.company.get("activities", activity)["due_date"] == day().isoformat())
    assert house.company.get("activities", activity)["due_time"].startswith("09:30")


def test_an_account_with_nothing_planned_is_dragged_to_a_day_and_a_dialog_asks_what(
    visitor: Visitor, house: House
) -> None:
    one = house.call(22, "Nothing Planned Oy")
    card = _board(visitor, "Nothing Planned Oy", one)
    expect(_column(visitor, "none").locator(card)).to_be_visible()

    card.drag_to(_column(visitor, "tomorrow"))
    dialog = visitor.page.locator("#dialog")
    expect(dialog).to_contain_text("For Nothing Planned Oy")
    expect(dialog.get_by_label("Day")).to_have_value(day(1).isoformat())
    dialog.get_by_label("What is to be done").fill("Say hello")
    dialog.get_by_role("button", name="Plan").click()

    visitor.told("Being planned for Nothing Planned Oy: Say hello")
    expect(_column(visitor, "tomorrow").locator(f"#c{one}")).to_contain_text("Say hello")
    until(lambda: house.activities(one, "Say hello"))
    (activity,) = house.activities(one, "Say hello")
    assert (activity["due_date"], activity["done"]) == (day(1).isoformat(), False)


def test_a_day_that_is_over_takes_no_card(visitor: Visitor, house: House) -> None:
    one = house.call(23, "Not Yesterday Ltd")
    activity = house.plan(one, "Not in the past", day(1))
    card = _board(visitor, "Not Yesterday Ltd", one)

    card.drag_to(_column(visitor, "overdue"))

    visitor.told("Nothing can be planned for a day that is over.")
    expect(_column(visitor, "tomorrow").locator(f"#c{one}")).to_be_visible()
    assert house.company.get("activities", activity)["due_date"] == day(1).isoformat()


def test_a_card_is_moved_by_keys_alone(visitor: Visitor, house: House) -> None:
    page = visitor.page
    one = house.call(24, "Keys Only KG")
    activity = house.plan(one, "By keys", day())
    other = house.call(25, "Keys Only Neighbour")
    _board(visitor, "Keys Only", other)

    page.locator(f"#c{other} h3 a").focus()
    page.keyboard.press("ArrowRight")  # over the empty columns, to the card
    expect(page.locator(f"#c{one} h3 a")).to_be_focused()
    page.keyboard.press("m")
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.locator("#dialog").get_by_role("button", name="Today")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    visitor.told("By keys")
    until(lambda: house.company.get("activities", activity)["due_date"] == day(1).isoformat())
    expect(_column(visitor, "tomorrow").locator(f"#c{one}")).to_be_visible()


@pytest.mark.parametrize("hand", ["mouse", "key"])
def test_an_activity_is_done_from_its_card(visitor: Visitor, house: House, hand: str) -> None:
    number, name = (26, "Done Deal SARL") if hand == "mouse" else (27, "Done By D")
    one = house.call(number, name)
    activity = house.plan(one, f"Done by {hand}", day(-3))
    card = _board(visitor, name, one)
    expect(_column(visitor, "overdue").locator(card)).to_be_visible()

    if hand == "mouse":
        card.get_by_role("button", name="Done").click()
    else:
        card.locator("h3 a").focus()
        visitor.page.keyboard.press("d")

    visitor.told(f"Being marked as done: Done by {hand}")
    until(lambda: house.company.get("activities", activity)["done"])
    expect(_column(visitor, "none").locator(f"#c{one}")).to_be_visible()


def test_what_is_planned_at_pipedrive_moves_the_card_by_itself(visitor: Visitor, house: House) -> None:
    one = house.call(28, "Moves By Itself B.V.")
    _board(visitor, "Moves By Itself B.V.", one)
    expect(_column(visitor, "none").locator(f"#c{one}")).to_be_visible()

    house.plan(one, "Planned elsewhere", day())

    expect(_column(visitor, "today").locator(f"#c{one}")).to_contain_text("Planned elsewhere")
    expect(_column(visitor, "none").locator(f"#c{one}")).to_have_count(0)


def test_plus_in_a_column_plans_for_its_day(visitor: Visitor, house: House) -> None:
    page = visitor.page
    one = house.call(29, "Plus Sign Group")
    visitor.go("/board")

    page.get_by_role("link", name="Plan an activity: Tomorrow").click()
    page.locator("#dialog input[type=search]").press_sequentially("plus sign")
    page.locator("#dialog").get_by_role("link", name="Plus Sign Group").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_label("Day")).to_have_value(day(1).isoformat())
    dialog.get_by_label("What is to be done").fill("From the plus")
    dialog.get_by_role("button", name="Plan").click()

    visitor.told("From the plus")
    until(lambda: house.activities(one, "From the plus"))
    expect(page).to_have_url(re.compile(r"/board$"))


def _board(visitor: Visitor, words: str, one: int) -> Locator:
    """The board narrowed down to some words; the card of an account."""
    visitor.go(f"/board?q={quote(words)}")
    card = visitor.page.locator(f"#c{one}")
    expect(card).to_be_visible()
    return card


def _column(visitor: Visitor, bucket: str) -> Locator:
    return visitor.page.locator(f"[data-column={bucket}]")
