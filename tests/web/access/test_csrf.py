"""Nobody else's page changes anything in a visitor's name: asked of the browser, and proven by a token in the form."""

from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from shutil import copyfile

import pytest

from sync.clock import ManualClock
from sync.store.api_tokens import add_api_token
from sync.store.database import Database
from sync.store.logins import Role
from sync.store.passwords import token_hash
from sync.web.access import csrf
from tests.web.access.conftest import NOW, Build, House, served
from tests.web.stage import Show

SITES = (None, "same-origin", "none", "same-site", "cross-site", "")
ORIGINS = (None, "ours", "null", "http://evil.example", "other scheme", "other port")
COOKIES = (None, "somebody=here")
TOKENS = (None, "a token")
KINDS = ("application/json", "application/x-www-form-urlencoded", "text/plain", None)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="module")
def local(show: Show, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[House]:
    """Where nobody signs in, and a program has a token."""
    file = tmp_path_factory.mktemp("csrf") / "mirror.db"
    copyfile(sqlite_template, file)
    clock = ManualClock(NOW)
    with closing(Database(f"sqlite:///{file}")) as database:
        with database.writing() as connection:
            add_api_token(connection, "crm", token_hash("a token"), Role.EDITOR, at=NOW)
        with show(served(database, clock, {})) as address:
            house = House(address, database, clock)
            with house.guests:
                yield house


def passes(site: str | None, origin: str | None, cookie: str | None, token: str | None, kind: str | None) -> bool:
    """The rule, in other words than the code's."""
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is not None:
        return origin == "ours"
    return token is not None or (kind == "application/json" and cookie is None)


@pytest.mark.parametrize(("site", "origin"), [*product(SITES, ORIGINS)])
def test_a_change_comes_from_a_page_of_ours_or_from_a_program(
    local: House, site: str | None, origin: str | None
) -> None:
    """Every combination of what a request says of where it comes from, and of what it can do."""
    port = int(local.url.rpartition(":")[2])
    origins = {
        "ours": local.url,
        "other scheme": local.url.replace("http:", "https:"),
        "other port": f"http://127.0.0.1:{port + 1}",
    }
    program = local.program()
    for cookie, token, kind in product(COOKIES, TOKENS, KINDS):
        given = {
            "Sec-Fetch-Site": site,
            "Origin": origins.get(origin or "", origin),
            "Cookie": cookie,
            "Authorization": token and f"Bearer {token}",
            "Content-Type": kind,
        }
        headers = {name: value for name, value in given.items() if value is not None}
        for method, path in (("POST", "/change"), ("DELETE", "/api/v1/things")):
            answer = program.ask(method, path, headers)
            expected = 200 if passes(site, origin, cookie, token, kind) else 403
            assert answer.status_code == expected, headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_to_look_is_allowed_from_anywhere(local: House, site: str) -> None:
    """A link from a mail, say. It changes nothing."""
    assert local.program(**{"Sec-Fetch-Site": site}).ask("GET", "/who").status_code == 200


def test_behind_tls_our_origin_is_another_one(build: Build) -> None:
    house = build(SYNC_WEB__HOSTS="accounts.example.com")
    browser = house.signed_in()
    token = browser.cookies["pipedrive-sync-session"]
    secure = {"X-Forwarded-Proto": "https", "Host": "accounts.example.com"}
    cookie = {"Cookie": f"__Host-pipedrive-sync-session={token}"}

    def status(origin: str) -> int:
        return house.program().ask("POST", "/change", {**secure, **cookie, "Origin": origin}).status_code

    assert status("https://accounts.example.com") == 200
    assert status("https://accounts.example.com:443") == 200
    assert status("http://accounts.example.com") == 403
    assert status("https://accounts.example.com:8443") == 403


# The token in forms


def test_a_form_carries_a_token_that_its_cookie_fits(house: House) -> None:
    browser = house.browser()
    token = browser.ask("GET", "/form").json()
    assert browser.ask("POST", "/form", data={"csrf": token}).json() == "sent"
    assert browser.ask("POST", "/form", {"X-CSRF-Token": token}).json() == "sent"
    assert browser.ask("POST", "/form", files={"csrf": (None, token)}).json() == "sent"
    assert browser.ask("GET", "/form").json() == token  # two tabs have the same


@pytest.mark.parametrize("given", ["", "0" * 64, "ü", None])
def test_a_form_without_the_right_token_is_refused(house: House, given: str | None) -> None:
    browser = house.browser()
    browser.ask("GET", "/form")
    answer = browser.ask("POST", "/form", data={} if given is None else {"csrf": given})
    assert answer.status_code == 403
    assert "reload" in answer.text


def test_a_token_sent_as_a_file_is_none(house: House) -> None:
    browser = house.browser()
    token = browser.ask("GET", "/form").json()
    assert browser.ask("POST", "/form", files={"csrf": ("file.txt", token)}).status_code == 403


def test_a_token_is_of_no_use_to_others(house: House) -> None:
    one, other = house.browser(), house.browser()
    token = one.ask("GET", "/form").json()
    assert other.ask("GET", "/form").json() != token
    assert other.ask("POST", "/form", data={"csrf": token}).status_code == 403
    assert house.browser().ask("POST", "/form", data={"csrf": token}).status_code == 403  # without any cookie


def test_the_token_tells_nothing_of_what_it_is_made_from(house: House) -> None:
    browser = house.browser()
    token = browser.ask("GET", "/form").json()
    assert browser.cookies["pipedrive-sync-forms"] not in token
    assert csrf.token_for(browser.cookies["pipedrive-sync-forms"]) == token


@pytest.mark.parametrize("planted", ["", "x", "a" * 42, "a" * 44, "ü" * 43, "a" * 42 + "!"])
def test_a_cookie_that_we_can_not_have_made_is_made_anew(house: House, planted: str) -> None:
    answer = house.program(Cookie=f"pipedrive-sync-forms={planted}".encode().decode("latin-1")).ask("GET", "/form")
    assert answer.cookies["pipedrive-sync-forms"] != planted
    assert answer.json() == csrf.token_for(answer.cookies["pipedrive-sync-forms"])


def test_only_a_page_with_a_form_sets_the_cookie(house: House) -> None:
    assert "set-cookie" not in house.browser().ask("GET", "/who").headers
    browser = house.browser()
    assert "HttpOnly" in browser.ask("GET", "/form").headers["set-cookie"]
    assert "set-cookie" not in browser.ask("GET", "/form").headers


def test_signing_in_makes_tokens_from_before_worthless(house: House) -> None:
    house.add("Anna")
    browser = house.browser()
    before = browser.form_token()
    browser.sign_in("Anna")
    token = browser.ask("GET", "/form").json()
    assert token == csrf.token_for(browser.cookies["pipedrive-sync-session"])
    assert browser.ask("POST", "/form", data={"csrf": before}).status_code == 403
    assert browser.ask("POST", "/form", data={"csrf": token}).status_code == 200


def test_a_program_with_a_token_needs_no_form(local: House) -> None:
    assert local.program("a token").ask("POST", "/form").json() == "sent"
    assert local.program().ask("POST", "/form", json={}).status_code == 403
