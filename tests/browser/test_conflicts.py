"""What both sides changed: shown with both values, and decided by one click, or many at once."""

import json

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import DISPUTED, House, Visitor
from tests.service.waiting import until


@pytest.mark.parametrize(("keep", "button"), [("theirs", "Keep Pipedrive's"), ("ours", "Keep ours")])
def test_a_conflict_is_decided_by_one_click(visitor: Visitor, house: House, keep: str, button: str) -> None:
    one = _disputed(house, 41 if keep == "theirs" else 42, f"Disputed, {keep}")
    visitor.go("/conflicts")
    conflict = visitor.page.locator("#conflicts li", has_text=f"Disputed, {keep}")
    expect(conflict).to_contain_text(DISPUTED)
    expect(conflict).to_contain_text("+1 ours")
    expect(conflict).to_contain_text("+1 theirs")

    conflict.get_by_role("button", name=button).click()

    expect(conflict).to_have_count(0)
    until(lambda: _both(house, one) == (f"+1 {keep}", f"+1 {keep}"), lambda: _both(house, one))


def test_conflicts_are_decided_many_at_once(visitor: Visitor, house: House) -> None:
    page = visitor.page
    chosen = [_disputed(house, 43, "Disputed in bulk, one"), _disputed(house, 44, "Disputed in bulk, two")]
    left = _disputed(house, 45, "Disputed alone")
    visitor.go("/conflicts")
    for name in ("Disputed in bulk, one", "Disputed in bulk, two"):
        page.get_by_role("checkbox", name=name).check()

    page.locator("#bulk").get_by_role("button", name="Keep ours").click()

    expect(page.locator("#conflicts li", has_text="Disputed in bulk")).to_have_count(0)
    expect(page.locator("#conflicts li", has_text="Disputed alone")).to_be_visible()
    for one in chosen:
        until(lambda one=one: _both(house, one) == ("+1 ours", "+1 ours"))
    assert _both(house, left) == ("+1 ours", "+1 theirs")


def test_the_account_shows_its_conflict_and_a_third_value_ends_it(visitor: Visitor, house: House) -> None:
    page: Page = visitor.page
    one = _disputed(house, 46, "Disputed, third way")
    visitor.go(f"/accounts/{one}")
    expect(page.locator(f'[data-field="{house.code(DISPUTED)}"]')).to_contain_text("changed on both sides")
    page.get_by_role("link", name="changed on both sides").click()
    expect(page).to_have_url(f"{visitor.url}/conflicts")

    page.locator("#conflicts li", has_text="Disputed, third way").get_by_role("link", name="Another value…").click()
    page.locator("#dialog").get_by_label(DISPUTED).fill("+1 a third")
    page.locator("#dialog").get_by_role("button", name="Take this value").click()

    expect(page.locator("#conflicts li", has_text="Disputed, third way")).to_have_count(0)
    until(lambda: _both(house, one) == ("+1 a third", "+1 a third"), lambda: _both(house, one))


def _disputed(house: House, number: int, name: str) -> int:
    """An account whose field was changed here and, just before that was sent, at Pipedrive."""
    one, code = house.call(number, name), house.code(DISPUTED)
    house.company.update("organizations", one, {"custom_fields": {code: "+1 before"}})
    until(lambda: house.here(one)["custom_fields"].get(code) == "+1 before")
    house.sandbox.faults.before(
        lambda: house.company.update("organizations", one, {"custom_fields": {code: "+1 theirs"}}),
        method="GET",
        path=f"*/organizations/{one}",
    )
    answer = requests.patch(
        f"{house.url}/api/v1/accounts/{one}",
        data=json.dumps({"custom_fields": {code: "+1 ours"}}),
        headers={"Content-Type": "application/json", "If-Match": "*", "Origin": house.url},
        timeout=20,
    )
    assert answer.ok, answer.text
    until(lambda: house.here(one)["conflicts"] == 1, lambda: house.here(one))
    return one


def _both(house: House, organization_id: int) -> tuple[object, object]:
    """The value of the disputed field here and there."""
    code = house.code(DISPUTED)
    here = house.here(organization_id)["custom_fields"].get(code)
    return here, house.there(organization_id)["custom_fields"][code]
