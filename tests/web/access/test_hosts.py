"""The pages are reached by names of ours alone: a name of somebody else's that means this machine gets nothing."""

import http.client

import pytest

from tests.web.access.conftest import Build, House


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def status_for(house: House, host: str, path: str = "/who") -> int:
    return house.program(Host=host).ask("GET", path).status_code


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1", "127.0.0.1:9999", "127.0.0.2", "[::1]", "[::1]:80"],
)
def test_this_machine_has_names_of_its_own(house: House, host: str) -> None:
    assert status_for(house, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8080",
        "localhost@evil.example",
        "127.0.0.1 evil.example",
        "192.0.2.7",
        "0.0.0.0",
        "[::]",
        "[::1].evil.example",
        "[::1",
        "",
    ],
)
def test_no_other_name_is_ours(house: House, host: str) -> None:
    answer = house.program(Host=host).ask("GET", "/who")
    assert answer.status_code == 421
    assert "[web]" in answer.text or host == ""


def test_names_in_the_settings_are_ours(build: Build) -> None:
    house = build(SYNC_WEB__HOSTS="accounts.example.com, 192.0.2.7", SYNC_HOST="sync.example.com")
    house.add("Anna")
    for host in ("accounts.example.com", "Accounts.Example.com:443", "192.0.2.7", "sync.example.com", "localhost"):
        assert status_for(house, host, "/login") == 200
    assert status_for(house, "www.accounts.example.com", "/login") == 421


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_every_address_is_no_name(build: Build, bound: str) -> None:
    house = build(SYNC_HOST=bound)
    house.add("Anna")
    assert status_for(house, "0.0.0.0", "/login") == 421
    assert status_for(house, "[::]", "/login") == 421


def test_a_change_is_refused_by_the_name_too(house: House) -> None:
    evil = house.program(Host="evil.example", Origin="http://evil.example", **{"Sec-Fetch-Site": "same-origin"})
    assert evil.ask("POST", "/change").status_code == 421


def test_what_machines_ask_for_is_not_asked_by_which_name(house: House) -> None:
    assert status_for(house, "www.example.com", "/webhooks/pipedrive") == 200


def test_two_names_are_none(house: House) -> None:
    connection = http.client.HTTPConnection(house.url.removeprefix("http://"), timeout=10)
    connection.putrequest("GET", "/who", skip_host=True)
    connection.putheader("Host", "localhost")
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    assert connection.getresponse().status in (400, 421)
    connection.close()
