"""Where the page is open, where it is closed, and where the service does not start: every combination."""

from itertools import product

import pytest

from sync.settings import Settings, SettingsError, load_settings
from sync.web.access.binding import is_loopback, needs_login, why_not_served

HOSTS = {
    "127.0.0.1": True,
    "127.1.2.3": True,
    "localhost": True,
    "LocalHost.": True,
    "::1": True,
    "[::1]": True,
    "::ffff:127.0.0.1": True,
    "0.0.0.0": False,
    "::": False,
    "10.0.0.5": False,
    "192.168.1.5": False,
    "::ffff:10.0.0.5": False,
    "sync.example.com": False,
    "localhost.example.com": False,
    "127.0.0.1.example.com": False,
    "": False,
}
PROXY = {"SYNC_WEB__PROXY_ADDRESS": "10.0.0.9", "SYNC_WEB__PROXY_HEADER": "X-Remote-User"}
PUBLIC = {"WEBHOOK_PUBLIC_URL": "https://sync.example.com/pipedrive"}
OFF = {"SYNC_WEB__ENABLED": "false"}


@pytest.mark.parametrize(("host", "expected"), HOSTS.items())
def test_loopback_is_what_can_be_no_other_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def combinations() -> list[tuple[str, int, bool, bool, bool]]:
    hosts = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "192.168.1.5", "sync.example.com")
    return list(product(hosts, (0, 1, 3), (False, True), (False, True), (False, True)))


def settings_of(host: str, proxy: bool, public: bool, off: bool) -> Settings:
    environment = {"SYNC_HOST": host}
    for wanted, more in ((proxy, PROXY), (public, PUBLIC), (off, OFF)):
        environment |= more if wanted else {}
    return load_settings(environment)


@pytest.mark.parametrize(("host", "logins", "proxy", "public", "off"), combinations())
def test_every_combination(host: str, logins: int, proxy: bool, public: bool, off: bool) -> None:
    settings = settings_of(host, proxy, public, off)
    is_here = host in ("127.0.0.1", "::1", "localhost")
    refused = not is_here and not logins and not proxy and not off
    assert (why_not_served(settings, logins) is not None) is refused
    assert needs_login(settings, logins) is bool(logins or proxy or public or not is_here)


def test_the_refusal_names_every_remedy_in_one_line() -> None:
    refusal = why_not_served(load_settings({"SYNC_HOST": "0.0.0.0"}), 0)
    assert isinstance(refusal, SettingsError)
    assert refusal.exit_code == 2
    text = str(refusal)
    assert "\n" not in text
    for remedy in ("users add", "SYNC_WEB__PROXY_ADDRESS", "SYNC_WEB__ENABLED=false", "SYNC_HOST=127.0.0.1"):
        assert remedy in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_a_public_address_on_this_machine_is_not_public(url: str) -> None:
    assert not needs_login(load_settings({"WEBHOOK_PUBLIC_URL": url}), 0)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SYNC_WEB__PROXY_ADDRESS": "10.0.0.9"}, "go together"),
        ({"SYNC_WEB__PROXY_HEADER": "X-Remote-User"}, "go together"),
        ({**PROXY, "SYNC_WEB__PROXY_ADDRESS": "0.0.0.0/0"}, "every address"),
        ({**PROXY, "SYNC_WEB__PROXY_ADDRESS": "::/0"}, "every address"),
        ({**PROXY, "SYNC_WEB__PROXY_ADDRESS": "proxy.example.com"}, "proxy_address"),
        ({**PROXY, "SYNC_WEB__PROXY_HEADER": "X-Remote User"}, "name of a header"),
        ({**PROXY, "SYNC_WEB__PROXY_ROLE": "admin"}, "proxy_role"),
        ({"SYNC_WEB__HOSTS": "https://accounts.example.com"}, "without https://"),
        ({"SYNC_WEB__HOSTS": "*"}, "name like"),
    ],
)
def test_settings_that_would_let_in_too_many_are_mistakes(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings(environment)
