"""A proxy that signs people in says who asks; nobody else can say so in its place."""

import pytest

from sync.settings import load_settings
from sync.store.logins import Role
from sync.web.access.seen import seen
from tests.web.access.conftest import Build, House

PROXY = "127.0.0.9"
BEHIND = {"SYNC_WEB__PROXY_ADDRESS": PROXY, "SYNC_WEB__PROXY_HEADER": "X-Remote-User"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def behind(build: Build) -> House:
    return build(**BEHIND)


def test_the_proxy_says_who_asks(behind: House) -> None:
    found = behind.browser(PROXY).ask("GET", "/who", {"X-Remote-User": "anna@example.com"}).json()
    assert found == {
        "name": "anna@example.com (page)",
        "role": "viewer",
        "login": "anna@example.com",
        "how": "proxy",
    }


@pytest.mark.parametrize("also", [{}, {"X-Forwarded-For": PROXY}, {"Forwarded": f"for={PROXY}"}, {"X-Real-IP": PROXY}])
def test_nobody_else_does(behind: House, also: dict[str, str]) -> None:
    answer = behind.browser("127.0.0.1").ask("GET", "/who", {"X-Remote-User": "anna@example.com", **also})
    assert answer.status_code == 403
    assert "proxy" in answer.text


def test_without_the_header_nobody_is_known(behind: House) -> None:
    assert behind.browser(PROXY).ask("GET", "/who").status_code == 403
    behind.add("Anna")
    assert behind.browser(PROXY).ask("GET", "/who").headers["location"] == "/login?next=/who"


def test_who_has_a_login_has_its_role(behind: House) -> None:
    behind.add("Anna", Role.EDITOR)
    anna = behind.browser(PROXY, **{"X-Remote-User": "ANNA"})
    assert anna.ask("POST", "/change").json() == "changed by Anna (page)"
    assert behind.browser(PROXY, **{"X-Remote-User": "Ben"}).ask("POST", "/change").status_code == 403


def test_others_have_the_role_in_the_settings(build: Build) -> None:
    house = build(**BEHIND, SYNC_WEB__PROXY_ROLE="editor")
    assert house.browser(PROXY, **{"X-Remote-User": "Ben"}).ask("POST", "/change").status_code == 200


def test_a_name_of_any_letters_is_taken(behind: House) -> None:
    found = behind.browser(PROXY).ask("GET", "/who", {"X-Remote-User": "Jürgen Ñandú".encode().decode("latin-1")})
    assert found.json()["login"] == "Jürgen Ñandú"


@pytest.mark.parametrize("name", ["", "api:crm", "x" * 65, "a\u202eb".encode().decode("latin-1")])
def test_what_is_no_name_lets_nobody_in(behind: House, name: str) -> None:
    assert behind.browser(PROXY).ask("GET", "/who", {"X-Remote-User": name}).status_code == 403


def test_the_proxy_is_believed_before_a_session(behind: House) -> None:
    behind.add("Anna")
    browser = behind.browser(PROXY)
    browser.sign_in("Anna")
    assert browser.ask("GET", "/who").json()["login"] == "Anna"
    assert browser.ask("GET", "/who", {"X-Remote-User": "Ben"}).json()["login"] == "Ben"


def test_a_form_behind_the_proxy_carries_a_token_too(behind: House) -> None:
    anna = behind.browser(PROXY, **{"X-Remote-User": "Anna"})
    behind.add("Anna", Role.EDITOR)
    assert anna.ask("POST", "/form").status_code == 403
    assert anna.ask("POST", "/form", data={"csrf": anna.ask("GET", "/form").json()}).status_code == 200
    assert anna.ask("POST", "/change", {"Origin": "http://evil.example"}).status_code == 403


def test_a_network_of_proxies_will_do(build: Build) -> None:
    house = build(SYNC_WEB__PROXY_ADDRESS="127.0.1.0/24", SYNC_WEB__PROXY_HEADER="X-Remote-User")
    named = {"X-Remote-User": "Anna"}
    assert house.browser("127.0.1.77").ask("GET", "/who", named).status_code == 200
    assert house.browser("127.0.2.1").ask("GET", "/who", named).status_code == 403


# What is believed of whom


def looks(peer: str | None, *headers: tuple[str, str], **environment: str) -> tuple[str, str]:
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "scheme": "http", "client": peer and (peer, 4711), "headers": encoded}
    found = seen(scope, load_settings(environment))
    return found.scheme, found.address


FORWARDED = (("x-forwarded-proto", "https"), ("x-forwarded-for", "198.51.100.1, 203.0.113.5"))
THERE = {"SYNC_WEB__PROXY_ADDRESS": "192.0.2.1", "SYNC_WEB__PROXY_HEADER": "X-Remote-User"}


@pytest.mark.parametrize(
    ("peer", "environment", "expected"),
    [
        ("127.0.0.1", {}, ("https", "203.0.113.5")),
        ("::1", {}, ("https", "203.0.113.5")),
        ("::ffff:127.0.0.1", {}, ("https", "203.0.113.5")),
        ("192.0.2.1", THERE, ("https", "203.0.113.5")),
        ("::ffff:192.0.2.1", THERE, ("https", "203.0.113.5")),
        ("192.0.2.1", {}, ("http", "192.0.2.1")),
        ("192.0.2.2", THERE, ("http", "192.0.2.2")),
        (None, THERE, ("http", "")),
    ],
)
def test_what_a_peer_says_of_others_is_believed_of_trusted_ones_alone(
    peer: str | None, environment: dict[str, str], expected: tuple[str, str]
) -> None:
    """And of all who have passed a request on, the last one alone was seen by the one we trust."""
    assert looks(peer, *FORWARDED, **environment) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.5")], ("http", "203.0.113.5")),
        ([("x-forwarded-for", "2001:db8::7")], ("http", "2001:db8::7")),
        ([("x-forwarded-for", "somebody")], ("http", "127.0.0.1")),
        ([("x-forwarded-proto", "https, http")], ("http", "127.0.0.1")),
        ([("x-forwarded-proto", "ftp")], ("http", "127.0.0.1")),
        ([("x-forwarded-proto", "HTTPS")], ("https", "127.0.0.1")),
    ],
)
def test_the_last_of_several_counts(headers: list[tuple[str, str]], expected: tuple[str, str]) -> None:
    assert looks("127.0.0.1", *headers) == expected
