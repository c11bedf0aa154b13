"""Every page, in both themes, in both languages, on a telephone and on a wide screen: usable by everybody."""

import pytest

from tests.browser.conftest import House, Meet, Visitor, serious

PATHS = ("/accounts", "/board", "/accounts/{account}", "/contacts", "/conflicts", "/sync", "/api/docs", "/jump?q=a")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_on_a_page_keeps_anybody_from_using_it(visitor: Visitor, house: House, path: str) -> None:
    visitor.go(path.format(account=house.account(0)))

    assert serious(visitor.page) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_read_in_the_dark(meet: Meet, house: House, path: str) -> None:
    visitor = meet(color_scheme="dark")
    visitor.go(path.format(account=house.account(0)))

    assert serious(visitor.page, all_else=False) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_a_telephone(meet: Meet, house: House, path: str) -> None:
    visitor = meet(viewport={"width": 360, "height": 740}, has_touch=True)
    visitor.go(path.format(account=house.account(0)))

    assert _sticks_out(visitor) == []
    assert serious(visitor.page, colours=False) == []


def _sticks_out(visitor: Visitor) -> list[str]:
    """What makes the whole page scroll sideways."""
    script = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
      [...document.querySelectorAll('body *')]
        .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1 && !one.closest('.scroll'))
        .slice(0, 5).map((one) => one.outerHTML.slice(0, 120))"""
    found: list[str] = visitor.page.evaluate(script)
    return found
