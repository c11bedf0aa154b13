"""Who may use the page: once there are logins, everybody has to sign in, and viewers change nothing."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import Program
from tests.browser.conftest import House, Meet, Visitor, opened_house, serious

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded() -> Iterator[House]:
    """A service with an editor and a viewer."""
    with opened_house(organizations=20) as house:
        _add(house.program, "anna", "editor")
        _add(house.program, "victor", "viewer")
        yield house


def test_whoever_signs_in_gets_where_he_wanted_to_go_and_signs_out_again(meet: Meet, guarded: House) -> None:
    visitor = meet(guarded.url, forgiven=("403",))
    page = visitor.page
    one = guarded.account(0)
    visitor.go(f"/accounts/{one}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert serious(page) == []

    _sign_in(visitor, "anna", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("anna")
    _sign_in(visitor, "anna", PASSWORD)
    expect(page).to_have_url(f"{guarded.url}/accounts/{one}")
    expect(page.locator("h1")).to_have_text(guarded.name(one))
    expect(page.get_by_role("link", name="Edit: Name")).to_be_visible()

    page.locator("header.top details.menu summary").click()
    expect(page.locator(".menu-body")).to_contain_text("Signed in as anna")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.go("/accounts")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_viewer_sees_everything_and_can_edit_nothing(meet: Meet, guarded: House) -> None:
    visitor = meet(guarded.url, forgiven=("403",))
    page = visitor.page
    one = guarded.account(1)
    visitor.go(f"/accounts/{one}")
    _sign_in(visitor, "victor", PASSWORD)
    expect(page.locator("h1")).to_have_text(guarded.name(one))
    expect(page.locator("a[data-edit], main form, main button")).to_have_count(0)

    visitor.go("/board")
    expect(page.locator("#board .card").first).to_be_visible()
    expect(page.locator("#board [draggable], #board .acts, #board .plus")).to_have_count(0)

    visitor.go("/accounts")
    expect(page.locator("#bulk, #table input")).to_have_count(0)
    row = page.locator("#table tbody tr").first
    visitor.cell(row, "Owner").click()
    expect(page.locator("dialog[open]")).to_have_count(0)

    answer = page.request.get(f"{guarded.url}/accounts/{one}/fields/name")
    assert answer.status == 403


def test_an_open_page_leads_to_the_door_once_its_session_is_over(meet: Meet, guarded: House) -> None:
    visitor = meet(guarded.url, forgiven=("401",))
    visitor.go(f"/accounts/{guarded.account(2)}")
    _sign_in(visitor, "anna", PASSWORD)
    expect(visitor.page.locator("h1")).to_have_text(guarded.name(guarded.account(2)))

    visitor.page.context.clear_cookies()

    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()


def _add(program: Program, name: str, role: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "sync", "users", "add", name, "--role", role, "--password-stdin"],
        cwd=program.folder,
        env=program.environment,
        input=f"{PASSWORD}\n",
        text=True,
        check=True,
        capture_output=True,
    )


def _sign_in(visitor: Visitor, name: str, password: str) -> None:
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_label("Password").fill(password)
    visitor.page.get_by_role("button", name="Sign in").click()
