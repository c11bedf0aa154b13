"""Finding accounts: search as you type, the palette, filters and lists that are kept, columns, the CSV file."""

import csv
import io
import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import House, Visitor


def test_the_list_is_searched_while_somebody_types(visitor: Visitor, house: House) -> None:
    one = house.call(1, "Žlutá Loděnice")
    visitor.go("/accounts")

    visitor.page.get_by_label("Search in names, addresses and texts").press_sequentially("zluta lod")

    expect(visitor.page.locator("#table tbody tr")).to_have_count(1)
    expect(visitor.page.locator("#table tbody th a")).to_have_attribute("href", f"/accounts/{one}")
    expect(visitor.page.locator("#totals")).to_contain_text("1 account")
    expect(visitor.page).to_have_url(re.compile(r"[?&]q=zluta"))


def test_going_back_leads_to_the_list_before_the_search(visitor: Visitor, house: House) -> None:
    house.call(2, "Backwater Mills")
    visitor.go("/accounts")
    search = visitor.page.get_by_label("Search in names, addresses and texts")
    search.press_sequentially("backwater mills")
    expect(visitor.page.locator("#table tbody tr")).to_have_count(1)

    visitor.page.go_back()

    expect(visitor.page).to_have_url(f"{visitor.url}/accounts")
    expect(visitor.page.locator("#table tbody tr")).not_to_have_count(1)


def test_ctrl_k_jumps_to_an_account_or_a_command(visitor: Visitor, house: House) -> None:
    one = house.call(3, "Jump Here Ltd")
    found = visitor.page.locator("#palette [role=option][aria-selected=true]")
    visitor.go("/contacts")

    visitor.page.keyboard.press("Control+k")
    visitor.page.keyboard.type("jump here")
    expect(found).to_contain_text("Jump Here Ltd")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page).to_have_url(f"{visitor.url}/accounts/{one}")

    visitor.page.keyboard.press("Control+k")
    visitor.page.keyboard.type("board")
    expect(found).to_contain_text("Board")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page).to_have_url(f"{visitor.url}/board")


def test_a_filtered_list_is_saved_and_come_back_to(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/accounts")
    page.locator("#filter summary", has_text="Owner").click()
    box = page.locator("#filter input[name=owner]").first
    owner = box.locator("xpath=..").inner_text().strip()
    box.check()
    chip = page.locator("#chips .tag", has_text=f"Owner: {owner}")
    expect(chip).to_be_visible()
    kept = _names(page)

    page.get_by_role("link", name="Save", exact=False).first.click()
    page.get_by_label("Save the list that is shown").fill("My first owner")
    page.get_by_role("button", name="Save", exact=True).click()
    visitor.told("Saved: My first owner")

    visitor.go("/accounts")
    expect(chip).to_be_hidden()
    page.get_by_role("link", name="My first owner").click()
    expect(chip).to_be_visible()
    expect(page.locator("#table tbody th a")).to_have_text(kept)
    page.get_by_role("link", name=f"Remove: Owner: {owner}").click()
    expect(page).to_have_url(f"{visitor.url}/accounts")


def test_filters_hold_together_and_live_in_the_address(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/accounts")
    every = page.locator("#totals strong").inner_text()
    page.locator("#filter summary", has_text="Next activity").click()
    page.get_by_role("checkbox", name="Overdue").check()
    expect(page.locator("#chips .tag")).to_have_count(1)
    page.get_by_label("Status").select_option("Former and active")
    expect(page.locator("#chips .tag")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"next=overdue.*status=all|status=all.*next=overdue"))
    shown = page.locator("#totals strong").inner_text()
    assert shown != every

    visitor.go(page.url.removeprefix(visitor.url))  # as somebody does who was sent the address
    expect(page.locator("#totals strong")).to_have_text(shown)
    expect(page.get_by_label("Status")).to_have_value("all")
    page.get_by_role("link", name="Remove all").click()
    expect(page.locator("#totals strong")).to_have_text(every)


def test_a_column_sorts_the_list_both_ways(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/accounts?status=all")
    head = page.get_by_role("columnheader", name="Won value")
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", re.compile("ascending|descending"))
    first = head.get_attribute("aria-sort")
    head.get_by_role("link").click()
    expect(head).not_to_have_attribute("aria-sort", str(first))


def test_the_columns_that_somebody_chose_are_remembered(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/accounts")
    head = page.locator("#table thead tr")
    expect(head).not_to_contain_text("Kundennummer")
    page.get_by_role("link", name="Columns…").click()
    page.get_by_role("checkbox", name="Kundennummer").check()
    page.get_by_role("button", name="Show these").click()
    expect(head).to_contain_text("Kundennummer")

    visitor.go("/accounts")
    expect(head).to_contain_text("Kundennummer")

    page.get_by_role("link", name="Columns…").click()
    page.get_by_role("button", name="As at first").click()
    expect(head).not_to_contain_text("Kundennummer")


def test_the_export_holds_exactly_what_is_shown(visitor: Visitor, house: House) -> None:
    page = visitor.page
    house.call(4, "Export Probe, the first")
    house.call(5, '=HYPERLINK("Export Probe")')
    visitor.go("/accounts?q=export+probe&sort=name")
    titles = [one.strip() for one in page.locator("#table thead th").all_inner_texts()]

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    content = download.value.path().read_bytes().decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(content))

    assert [one for one in head if not one.endswith(("(currency)", "(due)"))] == titles
    # A name that a spreadsheet would take for a formula has an apostrophe before it.
    assert [row[0].removeprefix("'") for row in rows] == _names(page)
    assert "'=HYPERLINK" in content
    for name in ("Owner", "Labels"):
        shown = [visitor.cell(row, name).inner_text().strip() for row in page.locator("#table tbody tr").all()]
        assert [row[head.index(name)] for row in rows] == [one.replace("\n", ", ") for one in shown]


def _names(page: Page) -> list[str]:
    return page.locator("#table tbody th a").all_inner_texts()
