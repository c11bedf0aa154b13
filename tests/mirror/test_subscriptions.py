"""Exactly one subscription of ours tells of each kind of record, whatever happened to them; others' are left alone."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, text

from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror import subscriptions
from sync.mirror.company import Mirror
from sync.mirror.reference import resolved
from sync.mirror.subscriptions import check_subscriptions, install, receiver_url, remove
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Company, Sandbox
from sync.settings import SettingsError
from sync.store.database import Database
from sync.store.webhooks import Subscription, load_subscriptions, password_fits
from tests.mirror.conftest import OpenMirror, fill

URL = "https://sync.example.com/hooks/webhooks/pipedrive"
SETTINGS = {"WEBHOOK_PUBLIC_URL": "https://sync.example.com/hooks/"}
CREDENTIALS = {"WEBHOOK_USER": "pipedrive", "WEBHOOK_PASSWORD": "correct horse battery staple"}
OBJECTS = [entity.singular for entity in ENTITIES if entity.has_events]


@pytest.fixture
def company(sandbox: Sandbox) -> Company:
    return sandbox.company


@pytest.fixture
def mirror(open_here: OpenMirror) -> Mirror:
    return open_here(**SETTINGS)


def others(company: Company, count: int = 1, **attributes: Any) -> list[int]:
    """Subscriptions that are not ours."""
    theirs = {"event_action": "*", "event_object": "deal", "name": "another's", "subscription_url": URL} | attributes
    return [company.create("webhooks", theirs)["id"] for _ in range(count)]


def ours(company: Company) -> dict[int, str]:
    """What our subscriptions at Pipedrive tell of, by their ids."""
    found = [hook for hook in company.all("webhooks") if hook["name"] == "pipedrive-sync"]
    return {hook["id"]: hook["event_object"] for hook in found}


def known(mirror: Mirror) -> list[Subscription]:
    with mirror.database.reading() as connection:
        return load_subscriptions(connection, mirror.company_id)


def assert_in_line(mirror: Mirror, company: Company, objects: list[str] = OBJECTS) -> None:
    """One of ours for each kind of record, all active, and the database knows these and no others."""
    assert sorted(ours(company).values()) == sorted(objects)
    assert {one.webhook_id: one.event_object for one in known(mirror)} == ours(company)
    for one in known(mirror):
        hook = company.get("webhooks", one.webhook_id)
        assert (hook["is_active"], hook["event_action"], hook["version"]) == (1, "*", "2.0")
        assert (hook["subscription_url"], hook["http_auth_user"]) == (one.subscription_url, one.auth_user)
        assert password_fits(hook["http_auth_password"], one.password_hash)


def everything(database: Database) -> str:
    """Every value of every table, as one text."""
    with database.reading() as connection:
        names = inspect(connection).get_table_names()
        return "\n".join(
            repr(tuple(row)) for name in names for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        )


def test_installing_subscribes_to_everything_that_is_mirrored_and_doing_it_again_changes_nothing(
    mirror: Mirror, company: Company, sandbox: Sandbox
) -> None:
    done = install(mirror, receiver_url(mirror.settings))
    assert (done.url, done.kept, list(done.created), done.removed) == (URL, [], OBJECTS, [])
    assert_in_line(mirror, company)
    before, writes, tokens = ours(company), len(sandbox.writes), sandbox.limits.spent
    again = install(mirror, URL)
    assert (sorted(again.kept), again.created, again.removed) == (sorted(OBJECTS), [], [])
    assert ours(company) == before
    assert len(sandbox.writes) == writes
    assert sandbox.limits.spent - tokens == 10


def test_every_kind_of_record_that_has_events_is_one_that_pipedrive_tells_of() -> None:
    assert set(OBJECTS) == {"activity", "deal", "note", "organization", "person", "pipeline", "stage", "user"}


def test_without_an_address_it_says_which_setting_is_missing(open_here: OpenMirror) -> None:
    with pytest.raises(SettingsError, match="WEBHOOK_PUBLIC_URL") as caught:
        receiver_url(open_here().settings)
    assert "https://sync.example.com" in caught.value.remedy


def test_without_credentials_in_the_settings_new_ones_are_made_up(mirror: Mirror, company: Company) -> None:
    install(mirror, URL)
    pairs = {(hook["http_auth_user"], hook["http_auth_password"]) for hook in company.all("webhooks")}
    ((user, password),) = pairs
    assert len(password) >= 40
    assert ":" not in user


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS | CREDENTIALS], ids=["made up", "from the settings"])
def test_no_password_is_in_the_database_in_clear(
    open_here: OpenMirror, company: Company, settings: dict[str, str]
) -> None:
    mirror = open_here(**settings)
    install(mirror, URL)
    company.delete("webhooks", next(iter(ours(company))))
    check_subscriptions(mirror)
    stored = everything(mirror.database)
    hooks = company.all("webhooks")
    assert all(hook["http_auth_user"] in stored for hook in hooks)
    assert not any(hook["http_auth_password"] in stored for hook in hooks)
    assert "scrypt$" in stored


def test_the_credentials_of_the_settings_are_used_and_a_change_of_either_makes_all_subscriptions_anew(
    open_here: OpenMirror, company: Company
) -> None:
    install(open_here(**SETTINGS), URL)
    for changed in (
        CREDENTIALS,
        CREDENTIALS | {"WEBHOOK_PASSWORD": "another"},
        CREDENTIALS | {"WEBHOOK_USER": "someone", "WEBHOOK_PASSWORD": "another"},
    ):
        mirror, before = open_here(**SETTINGS, **changed), ours(company)
        done = install(mirror, URL)
        assert list(done.created) == OBJECTS
        assert sorted(done.removed) == sorted(before)
        assert_in_line(mirror, company)
        hooks = company.all("webhooks")
        assert {hook["http_auth_user"] for hook in hooks} == {changed["WEBHOOK_USER"]}
        assert {hook["http_auth_password"] for hook in hooks} == {changed["WEBHOOK_PASSWORD"]}
        assert install(mirror, URL).created == []


def test_credentials_that_were_made_up_are_kept_when_the_settings_name_none(
    open_here: OpenMirror, company: Company
) -> None:
    install(open_here(**SETTINGS, **CREDENTIALS), URL)
    assert install(open_here(**SETTINGS), URL).created == []


def test_another_address_moves_all_subscriptions(open_here: OpenMirror, company: Company) -> None:
    install(open_here(**SETTINGS), URL)
    moved = open_here(WEBHOOK_PUBLIC_URL="https://elsewhere.example.com")
    done = install(moved, receiver_url(moved.settings))
    assert list(done.created) == OBJECTS
    assert_in_line(moved, company)
    assert {one.subscription_url for one in known(moved)} == {"https://elsewhere.example.com/webhooks/pipedrive"}


def test_others_are_left_alone(mirror: Mirror, company: Company) -> None:
    theirs = [
        *others(company),
        *others(company, name="pipedrive-sync", subscription_url="https://other.example.com/webhooks/pipedrive"),
        *others(company, name="pipedrive-sync", subscription_url=URL + "/more"),
    ]
    before = [company.get("webhooks", one) for one in theirs]
    install(mirror, URL)
    check_subscriptions(mirror)
    remove(mirror)
    assert [company.get("webhooks", one) for one in theirs] == before
    assert {hook["id"] for hook in company.all("webhooks")} == set(theirs)


def test_what_pipedrive_ended_or_switched_off_is_made_anew(
    mirror: Mirror, company: Company, clock: ManualClock
) -> None:
    install(mirror, URL)
    by_object = {what: one for one, what in ours(company).items()}
    company.delete("webhooks", by_object["deal"])
    company.update("webhooks", by_object["note"], {"is_active": 0, "remove_reason": "too many failures"})
    clock.advance(3600)
    done = check_subscriptions(mirror)
    assert done is not None
    assert (sorted(done.created), done.removed) == (["deal", "note"], [by_object["note"]])
    assert_in_line(mirror, company)
    assert all(clock.now() - one.checked_at < timedelta(seconds=1) for one in known(mirror))


def test_what_expired_after_three_days_without_a_delivery_is_made_anew(
    mirror: Mirror, company: Company, sandbox: Sandbox, clock: ManualClock
) -> None:
    install(mirror, URL)
    clock.advance(3 * 86_400 + 1)
    sandbox.deliveries.pump()
    assert ours(company) == {}
    done = check_subscriptions(mirror)
    assert done is not None
    assert list(done.created) == OBJECTS
    assert_in_line(mirror, company)


def test_where_nothing_was_ever_installed_nothing_is_checked(
    mirror: Mirror, company: Company, sandbox: Sandbox
) -> None:
    calls = len(sandbox.calls)
    assert check_subscriptions(mirror) is None
    install(mirror, URL)
    remove(mirror)
    assert check_subscriptions(mirror) is None
    assert ours(company) == {}
    assert len([call for call in sandbox.calls[calls:] if call.method == "GET"]) == 2  # of `install` and of `remove`


def test_the_check_goes_on_at_the_address_of_the_installation_where_the_setting_is_gone(
    open_here: OpenMirror, company: Company
) -> None:
    install(open_here(**SETTINGS), URL)
    company.delete("webhooks", next(iter(ours(company))))
    mirror = open_here()
    done = check_subscriptions(mirror)
    assert done is not None
    assert (done.url, len(done.created)) == (URL, 1)
    assert_in_line(mirror, company)


@pytest.mark.parametrize("skip", [0, 3, 7], ids=["the first", "one in between", "the last"])
def test_a_creation_whose_answer_was_lost_leaves_no_stray_subscription(
    mirror: Mirror, company: Company, sandbox: Sandbox, skip: int
) -> None:
    sandbox.faults.reset_after(method="POST", path="*/webhooks", skip=skip)
    with pytest.raises(SyncError):
        install(mirror, URL)
    assert len(ours(company)) == skip + 1
    assert len(known(mirror)) == skip
    done = install(mirror, URL)
    assert (len(done.kept), len(done.created), len(done.removed)) == (skip, len(OBJECTS) - skip, 1)
    assert_in_line(mirror, company)


@pytest.mark.parametrize("step", ["save_subscription", "delete_webhook", "forget_subscriptions"])
def test_an_installation_that_died_is_finished_by_the_next_one(
    open_here: OpenMirror, company: Company, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    install(open_here(**SETTINGS), URL)
    mirror = open_here(**SETTINGS, **CREDENTIALS)
    monkeypatch.setattr(subscriptions, step, die)
    with pytest.raises(Killed):
        install(mirror, URL)
    monkeypatch.undo()
    install(mirror, URL)
    assert_in_line(mirror, company)


def test_two_of_ours_for_one_kind_of_record_become_one(mirror: Mirror, company: Company) -> None:
    others(company, 2, name="pipedrive-sync", event_object="deal")
    others(company, 1, name="pipedrive-sync", event_object="deal", event_action="change")
    others(company, 1, name="pipedrive-sync", event_object="product")
    done = install(mirror, URL)
    assert len(done.removed) == 4
    assert_in_line(mirror, company)


def test_there_is_no_subscription_to_what_is_left_out(open_here: OpenMirror, company: Company) -> None:
    left_out = {"SYNC_PRIVACY__LEAVE_OUT": "notes,persons"}
    install(fill(open_here(**SETTINGS)), URL)
    wanted = [one for one in OBJECTS if one not in ("note", "person")]
    mirror = resolved(open_here(**SETTINGS, **left_out))
    done = install(mirror, URL)
    assert (sorted(done.kept), done.created, len(done.removed)) == (sorted(wanted), [], 2)
    assert_in_line(mirror, company, wanted)


def test_a_user_with_forty_webhooks_is_told_so_in_pipedrives_words_and_nothing_is_lost(
    mirror: Mirror, company: Company
) -> None:
    theirs = others(company, 37)
    with pytest.raises(SyncError, match="Webhooks limit reached"):
        install(mirror, URL)
    assert len(known(mirror)) == len(ours(company)) == 3
    for one in theirs[:10]:
        company.delete("webhooks", one)
    done = install(mirror, URL)
    assert (len(done.kept), len(done.created), done.removed) == (3, len(OBJECTS) - 3, [])
    assert_in_line(mirror, company)


def test_removing_ends_all_of_ours_at_whatever_address(open_here: OpenMirror, company: Company) -> None:
    install(open_here(**SETTINGS), URL)
    moved = open_here(WEBHOOK_PUBLIC_URL="https://elsewhere.example.com")
    stray = others(company, name="pipedrive-sync", subscription_url="https://elsewhere.example.com/webhooks/pipedrive")
    assert sorted(remove(moved)) == sorted([*range(1, len(OBJECTS) + 1), *stray])
    assert company.all("webhooks") == []
    assert known(moved) == []
    assert remove(moved) == []


def test_removing_goes_on_over_what_is_gone_already(mirror: Mirror, company: Company, sandbox: Sandbox) -> None:
    install(mirror, URL)
    first = next(iter(ours(company)))
    sandbox.faults.before(lambda: company.delete("webhooks", first), method="DELETE", path=f"*/webhooks/{first}")
    assert len(remove(mirror)) == len(OBJECTS)
    assert ours(company) == {}
    assert known(mirror) == []
