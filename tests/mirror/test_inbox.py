"""Events become rows and accounts, in the order in which they happened, whatever came when and whatever was lost."""

import itertools
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from sync.clock import ManualClock
from sync.errors import Interrupted
from sync.mirror import inbox as applying
from sync.mirror.asking import ask_for
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.inbox import Applied, apply_inbox
from sync.mirror.liveness import load_webhook_state
from sync.pipedrive.entities import BY_EVENT, BY_NAME, Entity
from sync.sandbox import Company, Sandbox
from sync.sandbox.fields import CUSTOM_TYPES
from sync.store.database import encode_json
from sync.store.errors import DatabaseBusy
from sync.store.schema import accounts, inbox
from tests.mirror.conftest import OpenMirror, fill
from tests.mirror.told import Body, Told, errors, read_all, row, rows, states, waiting
from tests.truth import built_accounts, differences, expected_accounts

TEXT_OF = {
    "organizations": "name",
    "deals": "title",
    "persons": "name",
    "activities": "subject",
    "notes": "content",
    "pipelines": "name",
    "stages": "name",
    "users": "name",
}
LISTED = ("organizations", "deals", "persons", "activities", "notes")
WITH_TIMES = (*LISTED, "pipelines", "stages")


@pytest.fixture
def told(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> Told:
    """A mirror that holds everything, and hears of what happens from now on."""
    clock.advance(300)
    return Told(filled, sandbox)


@pytest.fixture
def company(sandbox: Sandbox) -> Company:
    return sandbox.company


def assert_same(mirror: Mirror, sandbox: Sandbox) -> None:
    assert differences(mirror.database, sandbox.company) == []
    assert built_accounts(mirror.database) == expected_accounts(sandbox.company)


def assert_as_read(mirror: Mirror, entity: Entity) -> None:
    """Reading every record of an entity that is not deleted changes none of the rows."""
    before = rows(mirror, entity.name)
    assert ask_for(mirror, entity, {one["id"] for one in before if one["deleted_at"] is None})[0].changed == 0
    assert rows(mirror, entity.name) == before


def open_deal(company: Company) -> int:
    """A deal that makes no account yet, of an organization that has none."""
    holders = expected_accounts(company)
    return next(
        deal["id"]
        for deal in company.all("deals")
        if deal["status"] == "open" and not deal["is_archived"] and deal["org_id"] and deal["org_id"] not in holders
    )


# One transaction


def test_an_event_changes_the_row_and_its_account(told: Told, company: Company) -> None:
    deal = open_deal(company)
    organization = company.win_deal(deal, value=1234.56, currency="EUR")["org_id"]
    assert told.come() == Applied(applied=1)
    assert row(told.mirror, "deals", deal)["status"] == "won"
    account = built_accounts(told.mirror.database)[organization]
    assert account == expected_accounts(company)[organization]


def test_an_event_that_moves_a_won_deal_changes_the_account_it_leaves_and_the_one_it_joins(
    told: Told, company: Company, clock: ManualClock
) -> None:
    left, *others = expected_accounts(company)
    deals = [deal["id"] for deal in company.all("deals") if deal["org_id"] == left and deal["status"] == "won"]
    for joined in (others[0], None):
        for deal in deals:
            company.update("deals", deal, {"org_id": joined})
        assert told.come() == Applied(applied=len(deals))
        assert built_accounts(told.mirror.database) == expected_accounts(company)
        clock.advance(2)
    assert left not in built_accounts(told.mirror.database)


class Killed(BaseException):
    """The end of the process, which nothing catches."""


STEPS = ("held_rows", "upsert_told", "mark_told_deleted", "ask_later", "rebuild_accounts", "settle_events")


@pytest.mark.parametrize("death", [Killed(), DatabaseBusy("The database is in use.")], ids=["killed", "busy"])
def test_what_ends_between_any_two_steps_has_changed_nothing_and_is_done_again(
    told: Told, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, death: BaseException
) -> None:
    company, mirror = sandbox.company, told.mirror
    company.win_deal(open_deal(company), value=1, currency="EUR")
    company.update("notes", 1, {"content": "changed"})
    company.delete("activities", 2)
    told.receive(*told.bodies())

    def everything() -> Any:
        tables = [rows(mirror, name) for name in ("deals", "notes", "activities")]
        return tables, built_accounts(mirror.database), waiting(mirror, "deals"), states(mirror)

    before = everything()
    for step in STEPS:
        done = getattr(applying, step)

        def die(*args: Any, done: Callable[..., Any] = done, **kwargs: Any) -> Any:
            done(*args, **kwargs)
            raise death

        monkeypatch.setattr(applying, step, die)
        with pytest.raises(type(death)):
            apply_inbox(mirror)
        monkeypatch.undo()
        assert everything() == before

    assert apply_inbox(mirror) == Applied(applied=3)
    read_all(mirror)
    assert_same(mirror, sandbox)


def test_it_stops_between_two_batches_when_it_is_asked_to(
    told: Told, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "BATCH", 2)
    for number in range(5):
        company.update("organizations", 1, {"name": f"name {number}"})
    told.receive(*told.bodies())
    settle, asked = applying.settle_events, []

    def settle_and_be_asked_to_stop(*args: Any, **kwargs: Any) -> None:
        settle(*args, **kwargs)
        asked.append(True)

    def sleep(seconds: float) -> None:
        if len(asked) == 2:
            raise Interrupted

    monkeypatch.setattr(applying, "settle_events", settle_and_be_asked_to_stop)
    monkeypatch.setattr(told.mirror.clock, "sleep", sleep)
    with pytest.raises(Interrupted):
        apply_inbox(told.mirror)
    assert states(told.mirror) == ["applied"] * 4 + ["pending"]
    monkeypatch.undo()
    apply_inbox(told.mirror)
    assert row(told.mirror, "organizations", 1)["name"] == "name 4"


# Order


def _a_short_life(company: Company, clock: ManualClock, pause: float) -> int:
    """A deal with four events: it comes, changes, is won, and is opened again."""
    values = {"org_id": 1 + company.count("deals") % 30, "value": 10, "currency": "EUR"}
    deal: int = company.create("deals", {"title": "new", **values})["id"]
    clock.advance(pause)
    company.update("deals", deal, {"title": "changed", "value": 20.5})
    clock.advance(pause)
    company.win_deal(deal)
    clock.advance(pause)
    company.reopen_deal(deal)
    return deal


@pytest.mark.parametrize("pause", [0.01, 1.3], ids=["within one second", "across seconds"])
def test_the_order_in_which_events_happened_counts_and_not_the_one_in_which_they_come(
    told: Told, sandbox: Sandbox, clock: ManualClock, pause: float
) -> None:
    company, mirror = sandbox.company, told.mirror
    lives: dict[int, tuple[Body, ...]] = {}
    for order in itertools.permutations(range(4)):
        clock.advance(3 - clock.now().microsecond / 1e6)
        deal = _a_short_life(company, clock, pause)
        bodies = told.bodies()
        lives[deal] = tuple(bodies[place] for place in order)

    for turn in zip(*lives.values(), strict=True):
        told.receive(*turn)
        apply_inbox(mirror)

    for deal in lives:
        record, held = company.get("deals", deal), row(mirror, "deals", deal)
        for name in ("title", "value", "status", "won_time", "org_id"):
            assert (name, str(held[name])) == (name, str(record[name]))
    assert built_accounts(mirror.database) == expected_accounts(company)
    assert waiting(mirror, "deals") == lives.keys()
    read_all(mirror)
    assert_same(mirror, sandbox)


def test_events_of_one_record_keep_their_order_across_batches(
    told: Told, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "BATCH", 3)
    for number in range(5):
        sandbox.company.update("organizations", 1, {"name": f"one {number}"})
        sandbox.company.update("organizations", 2, {"name": f"two {number}"})
    told.receive(*reversed(told.bodies()))
    assert apply_inbox(told.mirror) == Applied(applied=10)
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


@pytest.mark.parametrize("apart", [0.01, 2], ids=["within one second", "seconds apart"])
def test_an_older_event_never_overwrites_what_was_read_since(
    told: Told, sandbox: Sandbox, clock: ManualClock, apart: float
) -> None:
    company, mirror = sandbox.company, told.mirror
    for entity, text in TEXT_OF.items():
        company.update(entity, 1, {text: "older"})
        late = told.one()
        clock.advance(apart)
        company.update(entity, 1, {text: "newer"})
        told.one()  # is lost
        ask_for(mirror, BY_NAME[entity], {1})

        told.receive(late)
        clock.advance(1)
        assert apply_inbox(mirror) == Applied(superseded=1)
        assert row(mirror, entity, 1)[text] == "newer"
    read_all(mirror)
    assert_same(mirror, sandbox)


def test_a_read_that_surely_saw_an_event_is_not_made_again(told: Told, sandbox: Sandbox, clock: ManualClock) -> None:
    for entity, text in TEXT_OF.items():
        sandbox.company.update(entity, 1, {text: "changed"})
        late = told.one()
        clock.advance(120)
        ask_for(told.mirror, BY_NAME[entity], {1})
        told.receive(late)
        assert apply_inbox(told.mirror) == Applied(superseded=1)
        assert waiting(told.mirror, entity) == set()


@pytest.mark.parametrize("deletes", [False, True], ids=["a change", "a deletion"])
def test_a_read_that_began_before_an_event_came_does_not_undo_it(
    told: Told, sandbox: Sandbox, clock: ManualClock, deletes: bool
) -> None:
    company, mirror = sandbox.company, told.mirror
    for entity in LISTED:
        happen = partial(company.delete, entity) if deletes else partial(_rename, company, entity)

        def meanwhile(happen: Callable[[int], Any] = happen) -> None:
            clock.advance(1)
            for record in (1, 2):
                happen(record)
            assert told.come().applied == 2

        company.update(entity, 1, {TEXT_OF[entity]: "before"})
        told.bodies()  # is lost, so that there is something to store
        clock.advance(1)
        sandbox.faults.after(meanwhile, path=f"{BY_NAME[entity].listings[0].path}*")
        ask_for(mirror, BY_NAME[entity], {1, 2})
        for record in (1, 2):
            held = row(mirror, entity, record)
            assert (held["deleted_at"] is not None) is deletes
            assert deletes or held[TEXT_OF[entity]] == "meanwhile"
    read_all(mirror)
    assert_same(mirror, sandbox)


def test_a_record_that_is_deleted_while_it_is_first_read_does_not_stay(
    told: Told, sandbox: Sandbox, clock: ManualClock
) -> None:
    """The event finds nothing that it could mark, and then comes the page."""
    new = sandbox.company.create("deals", {"title": "new", "org_id": 1})["id"]
    told.bodies()  # is lost

    def meanwhile() -> None:
        clock.advance(1)
        sandbox.company.delete("deals", new)
        assert told.come() == Applied(superseded=1)

    sandbox.faults.after(meanwhile, path="/api/v2/deals*")
    ask_for(told.mirror, BY_NAME["deals"], {new})
    assert row(told.mirror, "deals", new)["deleted_at"] is None
    clock.advance(1)
    read_all(told.mirror)
    assert row(told.mirror, "deals", new)["deleted_at"] is not None
    assert_same(told.mirror, sandbox)


def _rename(company: Company, entity: str, record: int) -> None:
    company.update(entity, record, {TEXT_OF[entity]: "meanwhile"})


# Deletion


def test_a_deletion_marks_the_row_and_erases_nothing(told: Told, sandbox: Sandbox, clock: ManualClock) -> None:
    for entity in LISTED:
        before = row(told.mirror, entity, 1)
        clock.advance(0.25)
        sandbox.company.delete(entity, 1)
        assert told.come() == Applied(applied=1)
        after = row(told.mirror, entity, 1)
        assert after["deleted_at"] == clock.now().replace(microsecond=0)
        assert after[TEXT_OF[entity]] == before[TEXT_OF[entity]]
        flag, value = BY_NAME[entity].deleted_when
        assert after[flag] is value
    assert_same(told.mirror, sandbox)


def test_a_deletion_that_comes_before_the_change_it_follows_stays(
    told: Told, sandbox: Sandbox, clock: ManualClock
) -> None:
    for entity, pause in itertools.product(LISTED, (0.01, 2)):
        record = 1 if pause < 1 else 2
        sandbox.company.update(entity, record, {TEXT_OF[entity]: "changed"})
        clock.advance(pause)
        sandbox.company.delete(entity, record)
        change, deletion = told.bodies()
        for body in (deletion, change):
            told.receive(body)
            apply_inbox(told.mirror)
        assert row(told.mirror, entity, record)["deleted_at"] is not None
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


def test_a_record_that_came_and_went_is_not_there_whichever_event_comes_first(told: Told, sandbox: Sandbox) -> None:
    values: Mapping[str, dict[str, Any]] = {"notes": {"org_id": 1}, "deals": {"org_id": 1}}
    for entity, order in itertools.product(LISTED, (1, -1)):
        record = sandbox.company.create(entity, {TEXT_OF[entity]: "short", **values.get(entity, {})})["id"]
        sandbox.company.delete(entity, record)
        for body in told.bodies()[::order]:
            told.receive(body)
            apply_inbox(told.mirror)
        held = row(told.mirror, entity, record)
        assert held is None or held["deleted_at"] is not None
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the restoration first"])
def test_a_record_that_is_restored_comes_back_once_it_was_read(
    told: Told, sandbox: Sandbox, clock: ManualClock, order: int
) -> None:
    for entity, (record, pause) in itertools.product(LISTED, ((1, 0.01), (2, 2))):
        sandbox.company.delete(entity, record)
        clock.advance(pause)
        sandbox.company.restore(entity, record)
        for body in told.bodies()[::order]:
            told.receive(body)
            apply_inbox(told.mirror)
        assert waiting(told.mirror, entity) == {record}
        if order == 1:  # that it is there again no event can tell
            assert row(told.mirror, entity, record)["deleted_at"] is not None
        read_all(told.mirror)
        assert row(told.mirror, entity, record)["deleted_at"] is None
    assert_same(told.mirror, sandbox)


# Merges


@pytest.mark.parametrize("lost", ["neither", "the deletion", "the change"])
def test_a_merge_is_followed_from_either_of_its_events(
    told: Told, sandbox: Sandbox, clock: ManualClock, lost: str
) -> None:
    company, mirror = sandbox.company, told.mirror
    first, second, third, fourth, *_ = expected_accounts(company)
    for bumped, loser, survivor in ((False, first, second), (True, third, fourth)):
        company.switches.merge_bumps_children = bumped
        _set_own_fields(mirror, loser, {"tier": "gold", "region": "north"})
        _set_own_fields(mirror, survivor, {"tier": "silver"})
        children = {
            entity: {child["id"] for child in company.all(entity) if child["org_id"] == loser}
            for entity in (*LISTED[1:], "files")
        }
        assert children["deals"]

        company.merge_organizations(loser, survivor)
        deletion, change = told.bodies()
        told.receive(*{"neither": [deletion, change], "the deletion": [change], "the change": [deletion]}[lost])
        apply_inbox(mirror)

        assert row(mirror, "organizations", loser)["deleted_at"] is not None
        assert {entity: waiting(mirror, entity) for entity in children} == children
        assert _own_fields(mirror, survivor) == {"tier": "silver", "region": "north"}
        assert _own_fields(mirror, loser) == {"tier": "gold", "region": "north"}
        read_all(mirror)
        if lost == "the change":  # what the survivor itself took over is found by a poll
            clock.advance(20)
            run_cycle(mirror)
        assert_same(mirror, sandbox)


def _set_own_fields(mirror: Mirror, organization: int, fields: Any) -> None:
    with mirror.database.writing() as connection:
        mine = accounts.c.organization_id == organization
        connection.execute(update(accounts).where(mine).values(fields=fields))


def _own_fields(mirror: Mirror, organization: int) -> Any:
    with mirror.database.reading() as connection:
        return connection.scalar(select(accounts.c.fields).where(accounts.c.organization_id == organization))


def test_a_survivor_that_was_not_known_yet_takes_the_losers_own_fields(told: Told, sandbox: Sandbox) -> None:
    company, mirror = sandbox.company, told.mirror
    loser = next(iter(expected_accounts(company)))
    _set_own_fields(mirror, loser, {"tier": "gold"})
    survivor = company.create("organizations", {"name": "Survivor"})["id"]
    told.bodies()  # is lost
    company.merge_organizations(loser, survivor)
    told.come()
    read_all(mirror)
    assert _own_fields(mirror, survivor) == {"tier": "gold"}
    assert_same(mirror, sandbox)


# What a payload does not tell


def test_what_the_payload_does_not_carry_stays(told: Told, sandbox: Sandbox, clock: ManualClock) -> None:
    company, mirror = sandbox.company, told.mirror
    kept, dropped = (company.fields.add("organizations", name, "varchar")["field_code"] for name in ("Kept", "Dropped"))
    labels = sorted(company.fields.option_ids("organizations", "label_ids"))[:2]
    address = {"value": "Hauptstr. 1, Berlin", "locality": "Berlin", "country": "Deutschland"}
    company.update(
        "organizations",
        1,
        {
            "website": "https://one.example",
            "annual_revenue": 12.5,
            "label_ids": labels,
            "address": address,
            "cc_email": "of no column",
            "custom_fields": {kept: "kept", dropped: "not told"},
        },
    )
    told.bodies()
    ask_for(mirror, BY_NAME["organizations"], {1})
    before = row(mirror, "organizations", 1)
    assert before["extra"] == {"cc_email": "of no column"}

    clock.advance(2)
    company.update("organizations", 1, {"name": "New", "custom_fields": {kept: "changed"}})
    body = told.one()
    del body["data"]["custom_fields"][dropped]
    told.receive(body)
    assert apply_inbox(mirror) == Applied(applied=1)

    after = row(mirror, "organizations", 1)
    assert (after["name"], after["custom_fields"][kept]) == ("New", "changed")
    assert after["custom_fields"][dropped] == "not told"
    for name in ("website", "annual_revenue", "label_ids", "address", "extra", "is_deleted", "visible_to"):
        assert after[name] == before[name], name
    assert waiting(mirror, "organizations") == {1}
    read_all(mirror)
    assert_same(mirror, sandbox)


def test_a_label_and_an_address_that_changed_are_told_as_far_as_a_payload_can(told: Told, sandbox: Sandbox) -> None:
    company = sandbox.company
    first, second, third = sorted(company.fields.option_ids("organizations", "label_ids"))[:3]
    company.update(
        "organizations", 1, {"label_ids": [first, second], "address": {"value": "Here", "locality": "Berlin"}}
    )
    told.come()
    read_all(told.mirror)
    told.mirror.clock.sleep(2)
    company.update("organizations", 1, {"label_ids": [third], "address": {"value": "There", "locality": "Köln"}})
    told.come()
    held = row(told.mirror, "organizations", 1)
    assert (held["label_ids"], held["address"]["value"], held["address"]["locality"]) == ([third], "There", None)
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


# Failures


def poison(body: Body, value: str) -> Body:
    """The same event with a name that no row can hold, or that a database refuses."""
    return body | {"data": {**body["data"], "name": value}}


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["a NUL", "half a character"])
def test_an_event_that_can_not_be_applied_is_kept_with_its_reason_and_takes_no_other_down(
    told: Told, sandbox: Sandbox, value: str
) -> None:
    company, mirror = sandbox.company, told.mirror
    for number in range(1, 26):
        company.update("organizations", number, {"name": f"name {number}"})
        company.update("persons", number, {"name": f"Person {number}"})
    bodies = told.bodies()
    assert len(bodies) == 50
    bodies[24] = poison(bodies[24], value)
    told.receive(*bodies)
    assert apply_inbox(mirror) == Applied(applied=49, failed=1)

    assert states(mirror).index("failed") == 24
    (reason,) = errors(mirror)
    assert "name contains a NUL" in reason or "surrogate" in reason.lower()
    assert waiting(mirror, "organizations") >= {13}
    assert "name 13" in " ".join(differences(mirror.database, company))
    with mirror.database.reading() as connection:
        now = mirror.clock.now()
        assert load_webhook_state(connection, mirror.company_id, mirror.settings, now).events.failed == 1
    read_all(mirror)
    assert_same(mirror, sandbox)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["a NUL", "half a character"])
def test_an_event_that_failed_is_tried_again_once_its_record_was_read_and_then_is_too_old(
    told: Told, sandbox: Sandbox, clock: ManualClock, value: str
) -> None:
    mirror = told.mirror
    sandbox.company.update("organizations", 1, {"name": "New"})
    told.receive(poison(told.one(), value))
    assert apply_inbox(mirror) == Applied(failed=1)
    assert apply_inbox(mirror) == Applied()
    clock.advance(100)
    read_all(mirror)
    assert states(mirror) == ["pending"]
    assert apply_inbox(mirror) == Applied(superseded=1)
    assert_same(mirror, sandbox)


def test_a_record_that_no_row_can_hold_is_read_once_for_an_event_and_not_over_and_over(
    told: Told, sandbox: Sandbox, clock: ManualClock
) -> None:
    mirror = told.mirror
    sandbox.company.update("organizations", 1, {"name": "a\0b"})
    assert told.come() == Applied(failed=1)
    calls = []
    for _ in range(4):
        before = len(sandbox.calls)
        clock.advance(100)
        read_all(mirror)
        apply_inbox(mirror)
        calls.append(len(sandbox.calls) - before)
    assert calls == [1, 0, 0, 0]
    assert states(mirror) == ["failed"]
    sandbox.company.update("organizations", 1, {"name": "mended"})
    assert told.come() == Applied(applied=1)
    read_all(mirror)
    apply_inbox(mirror)
    assert states(mirror) == ["superseded", "applied"]
    assert_same(mirror, sandbox)


def test_whatever_goes_wrong_with_one_event_the_others_are_applied(
    told: Told, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        sandbox.company.update("organizations", number, {"name": f"name {number}"})
    translate = applying.change_of

    def fail(entity: Entity, event: Any) -> Any:
        if event.entity_id == 5:
            raise RuntimeError("a mistake of our own: \0")
        return translate(entity, event)

    monkeypatch.setattr(applying, "change_of", fail)
    with capture_logs() as lines:
        assert told.come() == Applied(applied=6, failed=1)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["event_failed"]
    (reason,) = errors(told.mirror)
    assert reason == "RuntimeError: a mistake of our own: �"
    monkeypatch.undo()
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


@pytest.mark.parametrize(
    ("payload", "words"), [(None, "JSON"), ("{", "JSON"), ("{}", "meta is missing")], ids=["none", "half", "empty"]
)
def test_an_event_whose_payload_is_lost_is_read_instead(
    told: Told, sandbox: Sandbox, payload: str | None, words: str
) -> None:
    sandbox.company.update("organizations", 1, {"name": "New"})
    told.receive(told.one())
    with told.mirror.database.writing() as connection:
        connection.execute(update(inbox).values(payload=payload))
    assert apply_inbox(told.mirror) == Applied(failed=1)
    assert errors(told.mirror)
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


def test_an_event_that_comes_again_changes_nothing(told: Told, sandbox: Sandbox) -> None:
    company = sandbox.company
    company.create("webhooks", {"event_action": "*", "event_object": "organization", "name": "a second one"})
    company.update("organizations", 1, {"name": "first"})
    first = told.bodies()
    assert [body["meta"]["webhook_id"] for body in first] == ["1", "2"]
    company.update("organizations", 1, {"name": "second"})
    second = told.bodies()
    retried = [{**body, "meta": {**body["meta"], "attempt": 4}} for body in first]

    assert told.receive(*first, *second) == [True, False, True, False]
    assert apply_inbox(told.mirror) == Applied(applied=2)
    assert told.receive(*retried, *first) == [False] * 4
    assert apply_inbox(told.mirror) == Applied()
    assert row(told.mirror, "organizations", 1)["name"] == "second"
    assert states(told.mirror) == ["applied", "applied"]


def test_events_of_a_user_share_an_id_and_are_all_kept(told: Told, sandbox: Sandbox, clock: ManualClock) -> None:
    for name in ("Ada", "Bea", "Cleo"):
        sandbox.company.update("users", 2, {"name": name})
        clock.advance(1)
    bodies = told.bodies()
    assert {body["meta"]["id"] for body in bodies} == {"2"}
    assert told.receive(*bodies, *bodies) == [True] * 3 + [False] * 3
    assert apply_inbox(told.mirror) == Applied(applied=3)
    assert row(told.mirror, "users", 2)["name"] == "Cleo"
    read_all(told.mirror)
    assert_same(told.mirror, sandbox)


# Privacy


def test_events_of_what_is_not_mirrored_are_done_with(open_here: OpenMirror, sandbox: Sandbox) -> None:
    told = Told(fill(open_here(SYNC_PRIVACY__LEAVE_OUT="notes")), sandbox)
    sandbox.company.update("notes", 1, {"content": "private"})
    body = told.one()
    told.receive(body, body | {"meta": {**body["meta"], "id": "of a product", "entity": "product"}})
    assert apply_inbox(told.mirror) == Applied(superseded=2)
    assert sorted(errors(told.mirror)) == ["no note is mirrored", "no product is mirrored"]
    assert rows(told.mirror, "notes") == []
    assert waiting(told.mirror, "notes") == set()


@pytest.mark.parametrize("stripped", [True, False], ids=["stripped on arrival", "stored before the setting"])
def test_what_is_hashed_stays_hashed_and_what_is_left_out_stays_out(
    open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock, stripped: bool
) -> None:
    company = sandbox.company
    tax, phone, region = (
        company.fields.add("organizations", name, "varchar")["field_code"] for name in ("Tax", "Phone", "Area")
    )
    company.update("organizations", 1, {"custom_fields": {tax: "DE-1", phone: "+49", region: "north"}})
    settings = {
        "SYNC_PRIVACY__HASH": "organizations.Tax",
        "SYNC_PRIVACY__HASH_KEY": "pepper",
        "SYNC_PRIVACY__LEAVE_OUT": "organizations.Phone,organizations.owner_id",
    }
    told = Told(fill(open_here(**settings)), sandbox)
    before = row(told.mirror, "organizations", 1)
    clock.advance(2)
    company.update("organizations", 1, {"name": "New", "owner_id": 2, "custom_fields": {region: "south"}})
    body = told.one()
    told.receive(body)
    if not stripped:
        with told.mirror.database.writing() as connection:
            connection.execute(update(inbox).values(payload=encode_json(body)))
    assert apply_inbox(told.mirror) == Applied(applied=1)

    after = row(told.mirror, "organizations", 1)
    assert (after["name"], after["custom_fields"][region], after["owner_id"]) == ("New", "south", None)
    assert after["custom_fields"][tax] == before["custom_fields"][tax]
    assert before["custom_fields"][tax].startswith("hmac-sha256:")
    assert phone not in after["custom_fields"]
    read_all(told.mirror)
    assert_as_read(told.mirror, BY_NAME["organizations"])


# Whatever happens: a webhook and the reads it asks for leave what a plain read leaves


Edit = Callable[[Company, random.Random, int], Any]


def _value_of(kind: str, chance: random.Random, options: list[int]) -> Any:
    return {
        "double": lambda: chance.choice([0, 1.5, -3]),
        "monetary": lambda: {"value": chance.choice([5, 0.25]), "currency": "EUR"},
        "enum": lambda: chance.choice(options),
        "set": lambda: sorted(chance.sample(options, 2)),
        "user": lambda: 1,
        "org": lambda: 2,
        "people": lambda: 3,
        "date": lambda: "2026-11-02",
        "daterange": lambda: {"value": "2026-01-01", "until": "2026-12-31"},
        "time": lambda: {"value": "09:00:00", "timezone_name": "Europe/Berlin"},
        "timerange": lambda: {"value": "09:00:00", "until": "17:00:00"},
        "address": lambda: {"value": "Here", "locality": "Berlin"},
    }.get(kind, lambda: chance.choice(["", "x", "日本"]))()


def _custom(entity: str) -> Edit:
    def edit(company: Company, chance: random.Random, record: int) -> None:
        fields = company.fields.custom(entity)
        code = chance.choice(sorted(fields))
        options = [option["id"] for option in fields[code]["options"] or ()]
        value = None if chance.random() < 0.3 else _value_of(fields[code]["field_type"], chance, options)
        if fields[code]["field_type"] == "address" and value:
            value = (
                dict.fromkeys(
                    (
                        "country",
                        "admin_area_level_1",
                        "admin_area_level_2",
                        "sublocality",
                        "route",
                        "street_number",
                        "subpremise",
                        "postal_code",
                        "formatted_address",
                    )
                )
                | value
            )
        company.update(entity, record, {"custom_fields": {code: value}})

    return edit


def _set(entity: str, name: str, *values: Any) -> Edit:
    return lambda company, chance, record: company.update(entity, record, {name: chance.choice(values)})


def _text(entity: str) -> Edit:
    return lambda company, chance, record: company.update(
        entity, record, {TEXT_OF[entity]: chance.choice("ABC") + " " + chance.choice("xyz")}
    )


_LABELS = ([], [1], [2], [1, 2], [2, 3, 4])
_ADDRESSES = (None, {"value": "Here", "locality": "Berlin"}, {"value": "There"})
EDITS: Mapping[str, tuple[Edit, ...]] = {
    "organizations": (
        _set("organizations", "label_ids", *_LABELS),
        _set("organizations", "address", *_ADDRESSES),
        _set("organizations", "visible_to", 1, 3, 5, 7),
        _set("organizations", "website", None, "https://x.example"),
        _set("organizations", "owner_id", 1, 2),
    ),
    "deals": (
        _set("deals", "label_ids", *_LABELS),
        _set("deals", "value", 0, 12.5, 1e6),
        _set("deals", "org_id", None, 1, 2, 3),
        _set("deals", "stage_id", 1, 2),
        _set("deals", "expected_close_date", None, "2026-12-24"),
        lambda company, chance, deal: company.win_deal(deal),
        lambda company, chance, deal: company.lose_deal(deal, "too dear"),
        lambda company, chance, deal: company.reopen_deal(deal),
        lambda company, chance, deal: company.archive_deal(deal),
        lambda company, chance, deal: company.unarchive_deal(deal),
    ),
    "persons": (
        _set("persons", "phones", [], [{"value": "1", "primary": True, "label": "work"}]),
        _set("persons", "org_id", None, 1, 2),
        _set("persons", "label_ids", *_LABELS),
        _set("persons", "job_title", None, "CEO"),
    ),
    "activities": (
        _set("activities", "done", True, False),
        _set("activities", "due_date", None, "2026-11-05", "2026-11-01"),
        _set("activities", "due_time", None, "09:30:00"),
        _set("activities", "duration", None, "01:00:00"),
        _set("activities", "busy", True, False),
        _set("activities", "location", *_ADDRESSES),
        _set("activities", "org_id", None, 1, 2),
        _set("activities", "participants", [], [{"person_id": 1, "primary": True}]),
        _set("activities", "note", None, "a note"),
    ),
    "notes": (_set("notes", "pinned_to_deal_flag", True, False), _set("notes", "deal_id", None, 1)),
    "pipelines": (_set("pipelines", "is_deal_probability_enabled", True, False),),
    "stages": (_set("stages", "deal_probability", 0, 50, 100), _set("stages", "days_to_rotten", None, 3)),
    "users": (_set("users", "active_flag", True, False), _set("users", "phone", None, "+49 1")),
}
_LASTING = ("pipelines", "stages", "users")  # what a company is made of is not deleted here


def _edit(company: Company, chance: random.Random, entity: str, record: int) -> None:
    """Something that people do: what is deleted they can only restore."""
    flag, value = BY_NAME[entity].deleted_when or ("", None)
    if company.get(entity, record).get(flag) is value:
        company.restore(entity, record)
        return
    possible = [*EDITS[entity], _text(entity)]
    possible += [_custom(entity)] * 3 if BY_NAME[entity].has_custom_fields else []
    possible += [] if entity in _LASTING else [lambda company, chance, record: company.delete(entity, record)]
    chance.choice(possible)(company, chance, record)


def test_every_entity_with_events_is_edited() -> None:
    assert {entity.name for entity in BY_EVENT.values()} == EDITS.keys()


@pytest.mark.parametrize("entities", [("notes", "activities", "users", "stages", "pipelines"), LISTED[:3]])
def test_a_webhook_and_the_reads_it_asks_for_leave_what_a_plain_read_leaves(
    told: Told, sandbox: Sandbox, clock: ManualClock, entities: tuple[str, ...]
) -> None:
    for entity in entities:
        if BY_NAME[entity].has_custom_fields:
            for kind in CUSTOM_TYPES:
                sandbox.company.fields.add(entity, f"every {kind}", kind, ("one", "two", "three"))
        _live_for_a_while(told, sandbox, clock, entity)
        assert_as_read(told.mirror, BY_NAME[entity])


def _live_for_a_while(told: Told, sandbox: Sandbox, clock: ManualClock, entity: str) -> None:
    """Edits of all kinds, told in any order, some twice; after each few the mirror is as Pipedrive has it."""
    company, mirror, chance = sandbox.company, told.mirror, random.Random(entity)
    records = [record["id"] for record in company.all(entity)][:3]
    for _ in range(8):
        for _ in range(chance.randint(1, 6)):
            if chance.random() < 0.1 and entity not in _LASTING:
                links = {} if entity == "organizations" else {"org_id": 1}
                records.append(company.create(entity, {TEXT_OF[entity]: "new", **links})["id"])
            _edit(company, chance, entity, chance.choice(records))
            clock.advance(chance.choice([0, 0.001, 0.3, 1, 70]))
        bodies = told.bodies()
        chance.shuffle(bodies)
        for body in bodies + chance.sample(bodies, len(bodies) // 2):
            told.receive(body)
            if chance.random() < 0.5:
                apply_inbox(mirror)
        apply_inbox(mirror)
        clock.advance(chance.choice([0.5, 30]))
        read_all(mirror)
        assert_same(mirror, sandbox)
        assert "failed" not in states(mirror)
