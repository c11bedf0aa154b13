"""Everything that comes from Pipedrive is hostile: it is shown as text, and never runs."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DISPUTED, FILES, HOSTILE, House, Visitor, day
from tests.service.waiting import until

NAME = "<script>alert('name')</script><img src=x onerror=alert('image')>"
NOTE = """<p onclick="alert('click')">Read <b>me</b></p><img src="x" onerror="alert('note')">
<script>alert('script')</script>
<a href="javascript:alert('link')">press</a><iframe src="https://evil.example/"></iframe>
<style>body{display:none}</style>
<form action="/accounts/bulk/apply" method="post"><button>harmless</button></form><svg onload="alert('svg')"></svg>"""


@pytest.fixture
def haunted(house: House) -> int:
    """An account in which every text is meant to do harm."""
    company = house.company
    one = house.call(HOSTILE, NAME)
    company.create("notes", {"org_id": one, "content": NOTE})
    company.create("deals", {"org_id": one, "title": '"><script>alert("deal")</script>', "status": "won", "value": 1})
    company.create(
        "persons",
        {
            "org_id": one,
            "name": "<img src=x onerror=alert('person')>",
            "emails": [{"value": "javascript:alert('mail')", "primary": True, "label": "work"}],
        },
    )
    company.update("organizations", one, {"custom_fields": {house.code(DISPUTED): "javascript:alert('phone')"}})
    house.plan(one, "<svg/onload=alert('subject')>", day())
    until(lambda: house.here(one)["custom_fields"].get(house.code(DISPUTED)) == "javascript:alert('phone')")
    return one


def test_hostile_texts_are_shown_and_never_run(visitor: Visitor, house: House, haunted: int) -> None:
    page = visitor.page
    for path in (
        f"/accounts/{haunted}",
        "/accounts?q=script",
        "/board?q=script",
        "/jump?q=script",
        "/contacts",
        "/sync",
    ):
        visitor.go(path)
        expect(page.locator("[href^='javascript:' i], main iframe, main img, [onerror], [onclick]")).to_have_count(0)

    visitor.go(f"/accounts/{haunted}")
    expect(page.locator("h1")).to_have_text(NAME)
    expect(page.locator("#notes .note", has_text="Read me")).to_contain_text("press")
    expect(page.locator("#notes .html :is(form, style, button)")).to_have_count(0)
    expect(page.locator("#activities")).to_contain_text("<svg/onload=alert('subject')>")
    expect(page.locator("#people")).to_contain_text("javascript:alert('mail')")
    visitor.find("script")
    expect(page.locator("#table tbody th")).to_contain_text(NAME)
    page.keyboard.press("Control+k")
    page.keyboard.type("<script>")
    expect(page.locator("#palette-list")).to_contain_text(NAME)


def test_a_hostile_name_is_harmless_in_dialogs_and_toasts(visitor: Visitor, house: House, haunted: int) -> None:
    page = visitor.page
    visitor.go("/board?q=script")
    page.locator(f"#c{haunted}").get_by_role("link", name="Move").click()
    expect(page.locator("#dialog")).to_contain_text("<svg/onload=alert('subject')>")
    page.locator("#dialog").get_by_role("button", name="Tomorrow").click()
    visitor.told("<svg/onload=alert('subject')>")


def test_a_hostile_file_is_saved_under_a_plain_name_and_never_opened(visitor: Visitor, house: House) -> None:
    visitor.go(f"/accounts/{house.account(HOSTILE)}")

    with visitor.page.expect_download() as download:
        visitor.page.locator("#files").get_by_role("link", name="x.html").click()

    assert download.value.suggested_filename == "x.html"
    assert download.value.path().read_bytes() == FILES[HOSTILE][1]
