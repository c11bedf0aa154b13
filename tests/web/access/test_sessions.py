"""A session: begun by a password, held by a cookie, ended by time, by signing out, or by a new password."""

import hashlib
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from sync.store.database import Database
from sync.store.logins import Role, find_login, remove_login, save_password
from sync.store.passwords import hash_password
from sync.store.schema import logins, sessions
from sync.store.sessions import IDLE, LONGEST, begin_session
from tests.service.waiting import until
from tests.web.access.conftest import PASSWORD, Browser, Build, House

SESSION = "pipedrive-sync-session"
MINUTE, HOUR = 60.0, 3600.0


def is_in(browser: Browser) -> bool:
    return browser.ask("GET", "/who").status_code == 200


def seen_at(database: Database) -> list[object]:
    with database.reading() as connection:
        return list(connection.scalars(select(sessions.c.seen_at)))


def test_who_signs_in_is_known(house: House) -> None:
    browser = house.signed_in("Anna", Role.EDITOR)
    assert browser.ask("GET", "/who").json() == {
        "name": "Anna (page)",
        "role": "editor",
        "login": "Anna",
        "how": "session",
    }


@pytest.mark.parametrize("spelled", ["Änna", "änna", "ÄNNA", "A\u0308nna", " Änna "])
def test_a_name_may_be_spelled_in_every_way(house: House, spelled: str) -> None:
    house.add("Änna")
    browser = house.browser()
    browser.sign_in(spelled)
    assert browser.ask("GET", "/who").json()["login"] == "Änna"


def test_a_password_may_be_composed_in_every_way(house: House) -> None:
    house.add("Anna", password="größer als müde")
    browser = house.browser()
    assert browser.sign_in("Anna", "gro\u0308ßer als mu\u0308de").status_code == 303


def test_without_a_session_a_page_leads_to_the_form(house: House) -> None:
    house.add("Anna")
    answer = house.browser().ask("GET", "/who?status=all&q=a b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/who%3Fstatus%3Dall%26q%3Da%2520b"


def test_without_a_session_the_api_says_so_in_its_own_way(house: House) -> None:
    house.add("Anna")
    answer = house.program().ask("GET", "/api/v1/who")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


def test_without_a_session_a_script_is_not_led_to_a_form(house: House) -> None:
    house.add("Anna")
    assert house.browser(**{"Sec-Fetch-Mode": "cors"}).ask("GET", "/who").status_code == 401


def test_a_change_after_the_session_ended_leads_back_to_the_page_with_the_form(house: House) -> None:
    house.add("Anna")
    browser = house.browser()
    answer = browser.ask("POST", "/change", {"Referer": f"{house.url}/who?q=x"})
    assert answer.headers["location"] == "/login?next=/who%3Fq%3Dx"
    answer = browser.ask("POST", "/change", {"Referer": "http://evil.example/who"})
    assert answer.headers["location"] == "/login"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(house: House) -> None:
    house.add("Anna")
    flags = _flags(house.browser().sign_in("Anna").headers["set-cookie"])
    assert flags == {"httponly", "samesite=lax", "path=/", "max-age=2592000"}


def test_behind_tls_the_cookie_travels_by_nothing_else(house: House) -> None:
    house.add("Anna")
    secure = {"X-Forwarded-Proto": "https", "Origin": house.url.replace("http:", "https:")}
    page = house.browser().ask("GET", "/login", secure)
    assert page.headers["set-cookie"].startswith("__Host-pipedrive-sync-forms=")
    assert "secure" in _flags(page.headers["set-cookie"])
    form = {"name": "Anna", "password": PASSWORD, "csrf": _token(page.text)}
    cookie = page.headers["set-cookie"].partition(";")[0]
    answer = house.browser().ask("POST", "/login", {**secure, "Cookie": cookie}, data=form)
    assert answer.headers["set-cookie"].startswith("__Host-pipedrive-sync-session=")
    assert _flags(answer.headers["set-cookie"]) == {"httponly", "samesite=lax", "path=/", "max-age=2592000", "secure"}


def test_behind_tls_a_cookie_that_came_without_it_counts_for_nothing(house: House) -> None:
    """Another host of the domain, or whoever listens to plain HTTP, can plant such a one."""
    browser = house.signed_in()
    assert browser.ask("GET", "/who", {"X-Forwarded-Proto": "https"}).status_code == 303


def _flags(header: str) -> set[str]:
    return {part.strip().lower() for part in header.split(";")[1:]}


def _token(page: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found
    return found[1]


# How long it lasts


def test_a_session_ends_when_it_is_not_used(house: House) -> None:
    browser = house.signed_in()
    house.clock.advance(IDLE.total_seconds() - 1)
    assert is_in(browser)
    other = house.browser()
    other.sign_in("Anna")
    house.clock.advance(IDLE.total_seconds())
    assert not is_in(other)


def test_a_session_goes_on_while_it_is_used(house: House) -> None:
    browser = house.signed_in()
    for _ in range(4):
        before = seen_at(house.database)
        house.clock.advance(11 * HOUR)
        assert is_in(browser)
        until(lambda before=before: seen_at(house.database) != before)  # type: ignore[misc]


def test_a_session_ends_in_the_end(house: House) -> None:
    browser = house.signed_in()
    began = house.clock.now()
    while house.clock.now() + timedelta(hours=11) < began + LONGEST:
        before = seen_at(house.database)
        house.clock.advance(11 * HOUR)
        assert is_in(browser)
        until(lambda before=before: seen_at(house.database) != before)  # type: ignore[misc]
    house.clock.advance((began + LONGEST - house.clock.now()).total_seconds() - 1)
    assert is_in(browser)
    house.clock.advance(1)
    assert not is_in(browser)


def test_being_seen_is_noted_once_a_minute(house: House) -> None:
    browser = house.signed_in()
    before = seen_at(house.database)
    house.clock.advance(59)
    assert is_in(browser)
    assert is_in(browser)
    assert seen_at(house.database) == before
    house.clock.advance(1)
    assert is_in(browser)
    until(lambda: seen_at(house.database) == [house.clock.now()])


def test_sessions_that_have_ended_are_forgotten(house: House) -> None:
    browser = house.signed_in()
    house.clock.advance(IDLE.total_seconds())
    browser.sign_in("Anna")
    house.clock.advance(IDLE.total_seconds())
    house.browser().sign_in("Anna")
    assert len(seen_at(house.database)) == 1


# How it ends


def test_who_signs_out_is_out_in_this_browser_alone(house: House) -> None:
    one = house.signed_in()
    other = house.browser()
    other.sign_in("Anna")
    held = one.cookies[SESSION]
    answer = one.ask("POST", "/logout", data={"csrf": one.ask("GET", "/form").json()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert SESSION not in one.cookies
    assert house.program(Cookie=f"{SESSION}={held}").ask("GET", "/who").status_code == 303  # nor with the old cookie
    assert is_in(other)


def test_nobody_is_signed_out_by_others(house: House) -> None:
    browser = house.signed_in()
    assert browser.ask("POST", "/logout").status_code == 403
    assert browser.ask("GET", "/logout").status_code == 405
    assert is_in(browser)


def test_a_new_password_ends_every_session_of_its_owner(house: House) -> None:
    anna, ben = house.signed_in("Anna"), house.signed_in("Ben")
    with house.database.writing() as connection:
        save_password(connection, "Anna", hash_password("another one"))
    assert not is_in(anna)
    assert is_in(ben)
    assert anna.sign_in("Anna").status_code == 403
    assert anna.sign_in("Anna", "another one").status_code == 303


def test_who_is_removed_is_out(house: House) -> None:
    anna, ben = house.signed_in("Anna"), house.signed_in("Ben")
    with house.database.writing() as connection:
        remove_login(connection, "Anna")
    assert not is_in(anna)
    assert is_in(ben)


def test_a_password_that_changes_while_it_is_checked_lets_nobody_in(database: Database, house: House) -> None:
    house.add("Anna")
    with database.reading() as connection:
        login = find_login(connection, "Anna")
    assert login is not None
    with database.writing() as connection:
        save_password(connection, "Anna", hash_password("another one"))
        assert not begin_session(connection, login, "00", at=house.clock.now())
    assert seen_at(database) == []


# What nobody gets hold of


def test_every_sign_in_has_a_session_of_its_own(house: House) -> None:
    """Else, whoever plants a cookie would be signed in with its owner."""
    house.add("Anna")
    browser = house.browser()
    browser.cookies.set(SESSION, "planted-by-somebody-else", domain="127.0.0.1", path="/")
    browser.sign_in("Anna")
    assert browser.cookies[SESSION] != "planted-by-somebody-else"
    assert not is_in(house.program(Cookie=f"{SESSION}=planted-by-somebody-else"))
    first = browser.cookies[SESSION]
    form = {"name": "Anna", "password": PASSWORD, "csrf": browser.ask("GET", "/form").json()}
    assert browser.ask("POST", "/login", data=form).status_code == 303
    assert browser.cookies[SESSION] != first
    assert not is_in(house.program(Cookie=f"{SESSION}={first}"))  # nobody needs the old one any more


def test_the_database_holds_no_secret_in_clear(house: House) -> None:
    browser = house.signed_in()
    held = browser.cookies[SESSION]
    with house.database.reading() as connection:
        rows = [*connection.execute(select(logins)), *connection.execute(select(sessions))]
    assert PASSWORD not in str(rows)
    assert held not in str(rows)
    assert hashlib.sha256(held.encode()).hexdigest() in str(rows)
    assert "$argon2id$" in str(rows)


def test_a_token_has_256_random_bits(house: House) -> None:
    one, other = house.signed_in("Anna"), house.signed_in("Ben")
    assert len(one.cookies[SESSION]) == len(other.cookies[SESSION]) == 43
    assert one.cookies[SESSION] != other.cookies[SESSION]


def test_the_log_holds_neither_password_nor_token_nor_what_was_typed_as_a_name(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = house.signed_in()
    house.browser().sign_in("my password, typed into the wrong field", "wrong password")
    logged = "".join(capsys.readouterr())
    assert "signed_in" in logged
    assert "sign_in_refused" in logged
    for secret in (PASSWORD, "wrong password", "typed into", browser.cookies[SESSION]):
        assert secret not in logged


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/login?next=/login",
        "/logout",
        "/a\r\nSet-Cookie: x=y",
        "",
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(house: House, wanted: str) -> None:
    house.add("Anna")
    browser = house.browser()
    assert browser.sign_in("Anna", wanted=wanted).headers["location"] == "/"
    assert browser.ask("GET", "/login", params={"next": wanted}).headers["location"] == "/"


@pytest.mark.parametrize("wanted", ["/accounts?q=a%20b&owner=1", "/accounts/7", "/"])
def test_after_signing_in_it_goes_on_where_one_wanted_to_go(house: House, wanted: str) -> None:
    house.add("Anna")
    assert house.browser().sign_in("Anna", wanted=wanted).headers["location"] == wanted


def test_what_was_typed_is_text_in_the_form(house: House) -> None:
    house.add("Anna")
    page = house.browser().sign_in('"><script>alert(1)</script>', wanted='/"><script>').text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert PASSWORD not in page


@pytest.mark.parametrize("headers", [{"Content-Length": "1000000"}, {"Content-Length": "x"}])
def test_a_form_of_somebody_unknown_is_small(house: House, headers: dict[str, str]) -> None:
    house.add("Anna")
    data = b"name=a" * 4000 if headers["Content-Length"] != "x" else iter([b"name=Anna"])
    answer = house.browser().ask(
        "POST",
        "/login",
        {"Content-Type": "application/x-www-form-urlencoded"},
        data=data,  # type: ignore[arg-type]
    )
    assert answer.status_code == 413


# Where nobody has to sign in, and where somebody would have to


def test_on_this_machine_alone_nobody_has_to_sign_in(house: House) -> None:
    found = house.program().ask("GET", "/who").json()
    assert found == {"name": "page", "role": "editor", "login": "", "how": "local"}
    assert house.browser().ask("GET", "/login").headers["location"] == "/"


def test_with_the_first_login_the_page_is_closed(house: House) -> None:
    assert is_in(house.program())
    house.add("Anna")
    assert not is_in(house.program())


@pytest.mark.parametrize(
    "environment",
    [{"SYNC_HOST": "0.0.0.0"}, {"WEBHOOK_PUBLIC_URL": "https://sync.example.com"}],
)
@pytest.mark.parametrize("path", ["/who", "/login", "/api/v1/who"])
def test_where_a_login_is_needed_and_there_is_none_it_is_told_how_to_make_one(
    build: Build, environment: dict[str, str], path: str
) -> None:
    house = build(**environment)
    answer = house.program().ask("GET", path)
    assert answer.status_code == 403
    assert "pipedrive-sync users add" in answer.text
    house.add("Anna")
    assert house.browser().sign_in("Anna").status_code == 303  # without starting anew


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"])
def test_what_is_forwarded_from_elsewhere_is_not_from_this_machine(house: House, header: str) -> None:
    assert house.program(**{header: "192.0.2.7"}).ask("GET", "/who").status_code == 403
