"""Who may deliver: those of the settings, and those whom a subscription in the database names, while it is there."""

import asyncio
import base64

import pytest
from structlog.testing import capture_logs

from sync.clock import ManualClock
from sync.settings import load_settings
from sync.store.webhooks import Subscription, forget_subscriptions, hash_password, save_subscription
from sync.web.webhooks import credentials
from sync.web.webhooks.credentials import TRUSTED_FOR, Credentials
from tests.web.conftest import COMPANY, NOW, Serve, Unsteady, event


def header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def subscribe(database: Unsteady, webhook_id: int, user: str, password: str) -> None:
    with database.writing() as connection:
        made = Subscription(webhook_id, "deal", "https://x.example", user, hash_password(password), True, NOW, NOW)
        save_subscription(connection, COMPANY, made)


def unsubscribe(database: Unsteady, webhook_id: int) -> None:
    with database.writing() as connection:
        forget_subscriptions(connection, COMPANY, [webhook_id])


class Guesses:
    """Counts how often a slow hash is computed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, password: str, password_hash: str) -> bool:
        self.count += 1
        return original(password, password_hash)


original = credentials.password_fits


@pytest.fixture
def guesses(monkeypatch: pytest.MonkeyPatch) -> Guesses:
    counting = Guesses()
    monkeypatch.setattr(credentials, "password_fits", counting)
    return counting


@pytest.fixture
def subscribed(unsteady: Unsteady) -> Unsteady:
    """A database with a subscription: number 1, of ann, whose password is right."""
    subscribe(unsteady, 1, "ann", "right: with a colon")
    return unsteady


@pytest.fixture
def door(subscribed: Unsteady, clock: ManualClock) -> Credentials:
    return Credentials(load_settings({}), subscribed, clock)


ANN = header("ann", "right: with a colon")


def test_those_of_the_settings_are_right_and_no_others() -> None:
    settings = load_settings({"WEBHOOK_USER": "Bär", "WEBHOOK_PASSWORD": "a:b ü"})
    configured = credentials._configured(settings)

    assert configured == credentials._digests("Bär", "a:b ü")
    assert credentials._basic(header("Bär", "a:b ü")) == ("Bär", "a:b ü")
    assert credentials._basic(header("Bär", "a:b ü").replace("Basic", "bAsIc")) == ("Bär", "a:b ü")


def test_those_of_a_subscription_let_deliveries_in(serve: Serve, unsteady: Unsteady) -> None:
    site = serve(WEBHOOK_USER="", WEBHOOK_PASSWORD="")
    assert site.post(event(), auth=("ann", "right")).status_code == 401
    subscribe(unsteady, 1, "ann", "right")

    assert site.post(event(), auth=("ann", "right")).status_code == 200
    assert site.post(event(), auth=("ann", "wrong")).status_code == 401


def test_those_of_a_subscription_are_right_beside_those_of_the_settings(serve: Serve, unsteady: Unsteady) -> None:
    site = serve()
    subscribe(unsteady, 1, "ann", "right")

    assert site.post(event(), auth=("ann", "right")).status_code == 200
    assert site.post(event()).status_code == 200


def test_what_was_right_is_remembered_and_costs_no_slow_hash_again(door: Credentials, guesses: Guesses) -> None:
    assert [asyncio.run(door.fit(ANN)) for _ in range(5)] == [True] * 5
    assert guesses.count == 1


def test_a_user_nobody_knows_costs_no_slow_hash(door: Credentials, guesses: Guesses) -> None:
    assert not asyncio.run(door.fit(header("bob", "right: with a colon")))
    assert guesses.count == 0


def test_a_wrong_password_is_wrong_however_often_the_right_one_was_given(door: Credentials) -> None:
    assert asyncio.run(door.fit(ANN))
    assert not asyncio.run(door.fit(header("ann", "wrong")))


def test_many_first_deliveries_at_once_cost_one_slow_hash(door: Credentials, guesses: Guesses) -> None:
    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(door.fit(ANN) for _ in range(30)))

    assert asyncio.run(all_at_once()) == [True] * 30
    assert guesses.count == 1


def test_a_minute_after_its_subscription_is_gone_it_is_wrong(
    door: Credentials, subscribed: Unsteady, clock: ManualClock
) -> None:
    assert asyncio.run(door.fit(ANN))
    unsubscribe(subscribed, 1)

    clock.advance(TRUSTED_FOR)
    assert not asyncio.run(door.fit(ANN))


def test_while_its_subscription_is_there_it_stays_right_without_a_slow_hash(
    door: Credentials, clock: ManualClock, guesses: Guesses
) -> None:
    for _ in range(5):
        assert asyncio.run(door.fit(ANN))
        clock.advance(TRUSTED_FOR)
    assert guesses.count == 1


def test_it_is_right_as_long_as_any_subscription_has_it(
    door: Credentials, subscribed: Unsteady, clock: ManualClock
) -> None:
    subscribe(subscribed, 2, "ann", "right: with a colon")
    assert asyncio.run(door.fit(ANN))
    unsubscribe(subscribed, 1)

    clock.advance(TRUSTED_FOR)
    assert asyncio.run(door.fit(ANN))


def test_no_more_is_remembered_than_is_reasonable(
    door: Credentials, subscribed: Unsteady, monkeypatch: pytest.MonkeyPatch, guesses: Guesses
) -> None:
    monkeypatch.setattr(credentials, "MOST_REMEMBERED", 2)
    spellings = [ANN, ANN.replace("Basic", "basic"), ANN.replace("Basic", "BASIC")]

    for spelling in (*spellings, *reversed(spellings)):
        assert asyncio.run(door.fit(spelling))

    assert guesses.count == 3 + 1  # the first one was forgotten
    assert len(door._remembered) == 2


def test_while_the_database_is_down_it_can_not_be_told_who_is_right(serve: Serve, subscribed: Unsteady) -> None:
    site = serve()
    subscribed.down = True

    with capture_logs() as logs:
        assert site.post(event(), auth=("ann", "right: with a colon")).status_code == 503
    assert [line["event"] for line in logs] == ["delivery_failed"]
