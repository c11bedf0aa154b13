"""Whoever guesses passwords has to wait, longer each time, and learns nothing of names."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync.clock import ManualClock
from sync.store.logins import find_login
from sync.store.passwords import password_fits
from sync.web.access import passwords
from sync.web.access.throttle import FORGOTTEN, MOST, Throttle, neighbourhood
from tests.web.access.conftest import NOW, PASSWORD, House


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(clock, free=3, longest=60)


def test_the_wait_doubles_up_to_a_limit(throttle: Throttle, clock: ManualClock) -> None:
    waits = []
    for _ in range(9):
        throttle.failed("a")
        waits.append(throttle.wait("a"))
    assert waits == [0, 0, 2, 4, 8, 16, 32, 60, 60]
    clock.advance(59.5)
    assert throttle.wait("a") == 0.5
    clock.advance(1)
    assert throttle.wait("a") == 0
    assert throttle.wait("b") == 0


def test_failures_are_forgotten_after_a_while_and_on_success(throttle: Throttle, clock: ManualClock) -> None:
    for _ in range(3):
        throttle.failed("a")
        throttle.failed("b")
    throttle.forget("b")
    clock.advance(FORGOTTEN)
    throttle.failed("a")
    throttle.failed("b")
    assert (throttle.wait("a"), throttle.wait("b")) == (0, 0)


def test_a_very_long_row_of_failures_is_no_trouble(throttle: Throttle) -> None:
    for _ in range(3000):
        throttle.failed("a")
    assert throttle.wait("a") == 60


def test_it_remembers_a_bounded_number(throttle: Throttle) -> None:
    for _ in range(3):
        throttle.failed("first")
    for number in range(MOST - 1):
        throttle.failed(str(number))
    assert throttle.wait("first") > 0
    throttle.failed("one more")
    assert throttle.wait("first") == 0
    assert len(throttle._failures) == MOST


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_who_has_many_addresses_is_one_neighbour(address: str, expected: str) -> None:
    assert neighbourhood(address) == expected


def from_address(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"203.0.113.{number}"}


def test_after_five_failures_one_has_to_wait(house: House) -> None:
    house.add("Anna")
    browser = house.browser()
    for _ in range(5):
        answer = browser.sign_in("Anna", "wrong password")
        assert answer.status_code == 403
        assert "The name or the password is wrong." in answer.text
    answer = browser.sign_in("Anna")  # even with the right one
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert "try again in 2 seconds" in answer.text
    house.clock.advance(1)
    assert "try again in 1 second." in browser.sign_in("Anna").text
    house.clock.advance(1)
    assert browser.sign_in("Anna", "wrong password").status_code == 403
    assert browser.sign_in("Anna").headers["retry-after"] == "4"
    house.clock.advance(4)
    assert browser.sign_in("Anna").status_code == 303
    assert house.browser().sign_in("Anna", "wrong password").status_code == 403
    assert house.browser().sign_in("Anna").status_code == 303  # what was before is forgotten


def test_a_name_is_guarded_from_wherever_and_however_it_is_spelled(house: House) -> None:
    house.add("Anna")
    for number in range(5):
        browser = house.browser()
        answer = browser.sign_in("anna" if number % 2 else " ANNA", "wrong password", headers=from_address(number))
        assert answer.status_code == 403
    assert house.browser().sign_in("Anna", headers=from_address(99)).status_code == 429


def test_an_owner_is_not_kept_out_for_long(house: House) -> None:
    house.add("Anna")
    for number in range(12):
        house.browser().sign_in("Anna", "wrong password", headers=from_address(number))
        house.clock.advance(60)
    assert house.browser().sign_in("Anna").status_code == 303


def test_an_address_is_guarded_whatever_names_are_tried(house: House) -> None:
    house.add("Anna")
    browser = house.browser()
    for number in range(20):
        assert browser.sign_in(f"name {number}", "wrong", headers=from_address(7)).status_code == 403
    assert browser.sign_in("Anna", headers=from_address(7)).status_code == 429
    assert browser.sign_in("Anna", headers=from_address(8)).status_code == 303


def test_an_address_is_not_freed_by_signing_in_with_ones_own_name(house: House) -> None:
    house.add("Anna")
    for number in range(20):
        house.browser().sign_in(f"name {number}", "wrong")
        if number == 10:
            assert house.browser().sign_in("Anna").status_code == 303
    assert house.browser().sign_in("Anna").status_code == 429


def test_guesses_at_the_same_moment_count_one_by_one(house: House) -> None:
    house.add("Anna")
    token = (browser := house.browser()).form_token()
    cookie = f"pipedrive-sync-forms={browser.cookies['pipedrive-sync-forms']}"

    def guess(_number: int) -> int:
        form = {"name": "Anna", "password": "wrong password", "csrf": token}
        return house.program(Origin=house.url, Cookie=cookie).ask("POST", "/login", data=form).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, range(12)))
    assert answers.count(403) == 5
    assert answers.count(429) == 7


# Nothing is learnt of names


def test_an_unknown_name_is_told_the_same(house: House) -> None:
    house.add("Anna")
    known, unknown = (house.browser().sign_in(name, "wrong password") for name in ("Anna", "Benn"))
    assert known.status_code == unknown.status_code == 403
    assert _plain(known.text, "Anna") == _plain(unknown.text, "Benn")


def test_an_unknown_name_has_to_wait_as_well(house: House) -> None:
    house.add("Anna")
    for _ in range(5):
        house.browser().sign_in("Nobody", "wrong password")
    assert house.browser().sign_in("Nobody").status_code == 429


@pytest.mark.parametrize("password", [PASSWORD, "", "x" * 1024, "ü" * 1024, "x" * 1025, "\0"])
def test_the_slow_hash_is_computed_once_whatever_the_name(
    house: House, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    house.add("Anna")
    hashes: list[str | None] = []

    def counted(given: str, password_hash: str | None) -> bool:
        hashes.append(password_hash)
        return password_fits(given, password_hash)

    monkeypatch.setattr(passwords, "password_fits", counted)
    with house.database.reading() as connection:
        login = find_login(connection, "Anna")
    assert login
    house.browser().sign_in("Anna", password)
    house.browser().sign_in("Benn", password)
    house.browser().sign_in("x" * 65, password)
    assert hashes == [login.password_hash, None, None]


def _plain(page: str, name: str) -> str:
    return "".join(part for part in page.replace(name, "…").split('"') if len(part) != 64)


# It keeps nobody waiting


def test_hashes_are_computed_one_at_a_time_and_keep_nobody_else_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("Anna")
    at_once, most = 0, 0
    entered, go_on, lock = threading.Event(), threading.Event(), threading.Lock()

    def slow(_password: str, _hash: str | None) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        entered.set()
        go_on.wait(10)
        with lock:
            at_once -= 1
        return False

    monkeypatch.setattr(passwords, "password_fits", slow)
    monkeypatch.setattr(passwords, "MOST_WAITING", 3)
    browsers = [house.browser() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(browser.sign_in, f"name {number}") for number, browser in enumerate(browsers)]
        assert entered.wait(10)
        done = next(answer for answer in iter(lambda: [one for one in answers if one.done()], None) if answer)  # busy
        assert house.program().ask("GET", "/webhooks/pipedrive").status_code == 200
        go_on.set()
        statuses = sorted(answer.result().status_code for answer in answers)
    assert done[0].result().status_code == 429
    assert statuses == [403, 403, 403, 429]
    assert most == 1


def test_the_clock_of_the_throttle_is_the_one_that_is_given() -> None:
    clock = ManualClock(NOW)
    throttle = Throttle(clock, free=1, longest=60)
    throttle.failed("a")
    assert throttle.wait("a") == 2
