"""The network goes, and comes back: the page says so, and loses nothing that was typed."""

from playwright.sync_api import expect

from tests.browser.conftest import House, Meet
from tests.service.waiting import until


def test_a_page_says_that_it_is_offline_and_follows_again_afterwards(meet: Meet, house: House) -> None:
    one = house.call(47, "Off And On")
    visitor = meet(forgiven=("ERR_INTERNET_DISCONNECTED",))
    page = visitor.page
    visitor.go(f"/accounts/{one}")

    page.context.set_offline(True)
    expect(page.locator("#offline")).to_contain_text("You are offline: this is how it was at")
    house.company.update("organizations", one, {"name": "On Again"})
    page.get_by_label("A new note").fill("Typed without a network")
    page.get_by_role("button", name="Add note").click()
    visitor.told("That did not work: the service does not answer. Nothing was changed.")
    expect(page.get_by_label("A new note")).to_have_value("Typed without a network")

    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("h1")).to_have_text("On Again")
    page.get_by_role("button", name="Add note").click()
    visitor.told("The note is being added.")
    until(lambda: any("Typed without a network" in note["content"] for note in house.company.all("notes")))
