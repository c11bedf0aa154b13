"""What a person asks for is done at Pipedrive, once, whatever happens on the way; and the account shows it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import pytest
from sqlalchemy import Connection, select

from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror.cycle import run_cycle
from sync.mirror.privacy import Privacy
from sync.pipedrive.errors import BudgetSpent, PipedriveError
from sync.sandbox import Proportions, Sandbox, generate
from sync.store.database import Database
from sync.store.errands import claim_errand, move_errands
from sync.store.holds import save_pause, switch_account
from sync.store.journal import State, Write
from sync.store.schema import TABLES, journal
from sync.writeback.errands import (
    NoSuchErrand,
    NothingThere,
    UnfitErrand,
    ask_for_activity,
    ask_for_note,
    ask_to_complete,
    ask_to_delete,
    ask_to_reschedule,
    drop_errand,
    html_of,
    load_errands,
    retry_errand,
)
from sync.writeback.sending import Sent, send_errands
from tests.writeback.conftest import Desk

DUE = "2031-02-03"
ACTIVITIES, NOTES = "activities", "notes"
PATHS = {ACTIVITIES: "/api/v2/activities", NOTES: "/api/v1/notes"}


class Counter:
    """Where people ask for things to be done for the accounts of a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.company = desk.sandbox.company
        self.me = desk.mirror.me.user_id

    def ask(self, how: Callable[..., int], *what: Any, **values: Any) -> int:
        self.desk.clock.advance(1)
        with self.desk.mirror.database.writing() as connection:
            return how(connection, self.desk.mirror.company_id, *what, by="alice", now=self.desk.clock.now(), **values)

    def plan(self, subject: str = "Satisfied?", **values: Any) -> int:
        values = {"organization_id": self.desk.id, "type": "call", "due_date": DUE, **values}
        return self.ask(ask_for_activity, subject=subject, **values)

    def note(self, content: str = "They are happy", **values: Any) -> int:
        return self.ask(ask_for_note, content=content, **{"organization_id": self.desk.id, **values})

    def existing(self, **values: Any) -> int:
        """An activity that is there already, by another user."""
        values = {"subject": "Old", "type": "call", "due_date": "2030-01-01", "org_id": self.desk.id, **values}
        made: int = self.company.create(ACTIVITIES, values, user_id=2)["id"]
        self.desk.clock.advance(5)
        run_cycle(self.desk.mirror)
        return made

    def send(self, after: float = 1) -> Sent:
        self.desk.clock.advance(after)
        return send_errands(self.desk.mirror)

    def send_failing(self, kind: type[SyncError] = PipedriveError) -> None:
        with pytest.raises(kind):
            self.send()

    def settle(self) -> None:
        """Rounds until nothing is open any more."""
        for _ in range(5):
            self.send(after=61)
        assert [one for one in self.open() if one.state is not State.FAILED] == []

    def open(self) -> Sequence[Write]:
        with self.desk.mirror.database.reading() as connection:
            return load_errands(connection, self.desk.mirror.company_id)

    def journal(self) -> dict[int, Any]:
        with self.desk.mirror.database.reading() as connection:
            return {row.id: row for row in connection.execute(select(journal))}

    def made(self, entity: str = ACTIVITIES, text: str = "Satisfied?") -> list[dict[str, Any]]:
        """What of this text stands at Pipedrive."""
        name = "subject" if entity == ACTIVITIES else "content"
        return [one for one in self.company.all(entity) if text in one[name]]

    def there(self, activity: int) -> dict[str, Any]:
        return self.company.get(ACTIVITIES, activity)

    def mirrored(self, entity: str, record: int) -> Any:
        table = TABLES[entity]
        with self.desk.mirror.database.reading() as connection:
            return connection.execute(select(table).where(table.c.id == record)).one_or_none()

    def writes(self, method: str | None = None) -> list[Any]:
        return [one for one in self.desk.sandbox.api.writes if method in (None, one.method)]


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    """A company without activities: what is planned is what is next."""
    few = Proportions(deals=3, activities=0, persons=0, notes=0, files=0)
    with Sandbox(generate(7, clock=clock, organizations=6, proportions=few), clock=clock, burst=None) as running:
        running.faults.latency = 0.01
        yield running


@pytest.fixture
def counter(desk: Desk) -> Counter:
    return Counter(desk)


def deal_of(counter: Counter, organization: int) -> int:
    return next(one["id"] for one in counter.company.all("deals") if one["org_id"] == organization)


# Doing it


def test_a_planned_activity_is_made_and_is_what_is_next_for_the_account(counter: Counter, desk: Desk) -> None:
    deal = deal_of(counter, desk.id)
    errand = counter.plan(
        "  Satisfied? ", due_time="9:30", duration=time(0, 45), owner_id=2, deal_id=deal, note=html_of("a < b\nc")
    )
    assert counter.send() == Sent(done=1)
    (made,) = counter.made()
    assert made["creator_user_id"] == counter.me
    assert (made["type"], made["org_id"], made["deal_id"], made["owner_id"]) == ("call", desk.id, deal, 2)
    assert (made["due_date"], made["due_time"], made["duration"]) == (DUE, "09:30:00", "00:45:00")
    assert (made["subject"], made["note"]) == ("Satisfied?", "a &lt; b<br>c")
    assert (desk.here()["next_activity_id"], desk.here()["next_activity_due_date"]) == (made["id"], date(2031, 2, 3))
    row = counter.journal()[errand]
    assert (row.state, row.record_id, row.requested_by, row.organization_id) == ("done", made["id"], "alice", desk.id)
    assert row.update_time == datetime.fromisoformat(made["update_time"])
    assert (counter.open(), counter.send()) == ([], Sent())


def test_only_what_was_asked_for_is_sent(counter: Counter, desk: Desk) -> None:
    counter.plan(due_date=date(2031, 2, 3))
    counter.send()
    assert json.loads(counter.writes("POST")[0].body) == {
        "subject": "Satisfied?",
        "type": "call",
        "org_id": desk.id,
        "due_date": DUE,
    }


def test_a_note_is_added(counter: Counter, desk: Desk) -> None:
    errand = counter.note("<b>Happy</b>")
    assert counter.send() == Sent(done=1)
    (made,) = counter.made(NOTES, "Happy")
    assert (made["org_id"], made["content"]) == (desk.id, "<b>Happy</b>")
    assert counter.mirrored(NOTES, made["id"]).content == "<b>Happy</b>"
    assert counter.journal()[errand].record_id == made["id"]


def test_a_rescheduled_activity_keeps_its_time(counter: Counter, desk: Desk) -> None:
    activity = counter.existing(due_time="08:00:00")
    counter.ask(ask_to_reschedule, activity, due_date=DUE)
    counter.send()
    assert (counter.there(activity)["due_date"], counter.there(activity)["due_time"]) == (DUE, "08:00:00")
    assert desk.here()["next_activity_due_date"] == date(2031, 2, 3)
    counter.ask(ask_to_reschedule, activity, due_date="2031-02-04", due_time=time(10, 15))
    counter.send()
    assert (counter.there(activity)["due_date"], counter.there(activity)["due_time"]) == ("2031-02-04", "10:15:00")
    assert counter.mirrored(ACTIVITIES, activity).due_time == "10:15:00"


def test_what_is_done_moves_the_accounts_next_and_last_activity_and_can_be_undone(counter: Counter, desk: Desk) -> None:
    activity = counter.existing()
    assert (desk.here()["next_activity_id"], desk.here()["last_activity_time"]) == (activity, None)
    counter.ask(ask_to_complete, activity)
    counter.send()
    marked = datetime.fromisoformat(counter.there(activity)["marked_as_done_time"])
    assert (desk.here()["next_activity_id"], desk.here()["last_activity_time"]) == (None, marked)
    counter.ask(ask_to_complete, activity, done=False)
    counter.send()
    assert (desk.here()["next_activity_id"], desk.here()["last_activity_time"]) == (activity, None)


def test_a_deleted_activity_is_gone_on_both_sides(counter: Counter, desk: Desk) -> None:
    activity = counter.existing()
    counter.ask(ask_to_delete, activity)
    assert counter.send() == Sent(done=1)
    assert counter.there(activity)["is_deleted"]
    assert counter.mirrored(ACTIVITIES, activity).deleted_at is not None
    assert desk.here()["next_activity_id"] is None


def test_an_activity_of_a_deal_belongs_to_the_account_too(counter: Counter, desk: Desk) -> None:
    activity = counter.existing(org_id=None, deal_id=deal_of(counter, desk.id))
    errand = counter.ask(ask_to_complete, activity, organization_id=desk.id)
    assert counter.journal()[errand].organization_id == desk.id
    counter.send()
    assert desk.here()["last_activity_time"] is not None


def test_what_it_costs(counter: Counter) -> None:
    activity = counter.existing()
    costs = []
    for ask in (
        counter.plan,
        counter.note,
        lambda: counter.ask(ask_to_complete, activity),
        lambda: counter.ask(ask_to_delete, activity),
    ):
        before = counter.desk.sandbox.limits.spent
        ask()
        counter.send()
        costs.append(counter.desk.sandbox.limits.spent - before)
    assert costs == [5, 10, 5, 3]


def test_our_own_work_coming_back_with_the_next_poll_changes_nothing(counter: Counter, desk: Desk) -> None:
    counter.plan()
    counter.note()
    counter.send()
    (made,) = counter.made()
    held = counter.mirrored(ACTIVITIES, made["id"])._mapping
    account = desk.here()
    desk.clock.advance(60)
    run_cycle(desk.mirror)
    again = counter.mirrored(ACTIVITIES, made["id"])._mapping
    assert [name for name in held if held[name] != again[name]] == ["attendees", "synced_at"]  # only lists tell those
    assert desk.here() == account


def test_two_identical_errands_make_two_records(counter: Counter) -> None:
    counter.plan()
    counter.plan()
    assert counter.send() == Sent(done=2)
    assert len(counter.made()) == 2


def test_what_privacy_keeps_out_of_the_mirror_stays_out(counter: Counter, desk: Desk) -> None:
    desk.mirror = replace(desk.mirror, privacy=Privacy(entities=frozenset({NOTES})))
    errand = counter.note()
    counter.send()
    (made,) = counter.made(NOTES, "happy")
    assert counter.mirrored(NOTES, made["id"]) is None
    assert counter.journal()[errand].record_id == made["id"]


# Asking


def test_a_type_is_known_by_its_name_in_any_case(counter: Counter) -> None:
    counter.company.create("activity_types", {"name": "Nachfass-Gespräch", "key_string": "nachfass"})
    counter.company.create("activity_types", {"name": "Old", "key_string": "old", "active_flag": False})
    counter.desk.clock.advance(100_000)
    run_cycle(counter.desk.mirror)
    counter.plan(type="nachfass-GESPRÄCH ")
    counter.send()
    assert counter.made()[0]["type"] == "nachfass"
    with pytest.raises(UnfitErrand, match=r"There are .*nachfass"):
        counter.plan(type="old")


def test_what_makes_no_sense_is_refused_at_once(counter: Counter) -> None:
    for values in (
        {"subject": "   "},
        {"subject": "nul\0"},
        {"subject": "\udce4"},
        {"type": "nonsense"},
        {"due_date": "2031-02-30"},
        {"due_date": "20310203"},
        {"due_date": "tomorrow"},
        {"due_date": datetime(2031, 2, 3)},  # noqa: DTZ001
        {"due_time": "25:00"},
        {"due_time": "09:30Z"},
        {"duration": "90"},
        {"note": ""},
    ):
        with pytest.raises(UnfitErrand) as refused:
            counter.plan(**values)
        assert refused.value.remedy
    assert counter.journal() == {}


def test_what_is_not_there_is_refused_at_once(counter: Counter, desk: Desk) -> None:
    counter.company.update("users", 3, {"active_flag": False})
    desk.clock.advance(100_000)
    run_cycle(desk.mirror)
    for values in (
        {"organization_id": 999},
        {"owner_id": 999},
        {"owner_id": 3},
        {"deal_id": 999_999},
        {"deal_id": deal_of(counter, desk.ids[1])},
        {"organization_id": 2**70},
    ):
        with pytest.raises(NothingThere):
            counter.plan(**values)
    assert counter.journal() == {}


def test_nothing_is_asked_for_an_organization_that_is_deleted(counter: Counter, desk: Desk) -> None:
    activity = counter.existing()
    counter.company.delete("organizations", desk.id)
    run_cycle(desk.mirror, whole_sweep=True)
    for ask in (counter.plan, counter.note, lambda: counter.ask(ask_to_complete, activity)):
        with pytest.raises(NothingThere):
            ask()


def test_only_activities_of_the_account_are_changed(counter: Counter, desk: Desk) -> None:
    mine, nobodys = counter.existing(), counter.existing(org_id=None)
    gone = counter.existing()
    counter.company.delete(ACTIVITIES, gone)
    run_cycle(desk.mirror, whole_sweep=True)
    for activity, organization in ((mine, desk.ids[1]), (nobodys, None), (gone, None), (999_999, None), (2**70, None)):
        with pytest.raises(NothingThere):
            counter.ask(ask_to_delete, activity, organization_id=organization)
    assert counter.journal() == {}


def test_text_becomes_html() -> None:
    assert html_of("a & b <c>\r\n\n'd'\n") == "a &amp; b &lt;c&gt;<br><br>'d'"


# Not doing it


def test_a_pause_and_the_settings_hold_everything(counter: Counter, desk: Desk) -> None:
    counter.plan()

    def pause(at: datetime | None) -> None:
        with desk.mirror.database.writing() as connection:
            save_pause(connection, desk.mirror.company_id, by="bob", at=at)

    pause(desk.clock.now())
    assert counter.send() == Sent()
    pause(None)
    desk.restart(WRITE_BACK="off")
    assert counter.send() == Sent()
    assert (counter.writes(), [one.state for one in counter.open()]) == ([], ["waiting"])
    desk.restart()
    assert counter.send() == Sent(done=1)


def test_an_account_that_is_switched_off_waits_and_the_others_do_not(counter: Counter, desk: Desk) -> None:
    with desk.mirror.database.writing() as connection:
        switch_account(connection, desk.mirror.company_id, desk.id, on=False)
    counter.plan()
    counter.plan("Another", organization_id=desk.ids[1])
    assert counter.send() == Sent(done=1)
    assert (counter.made(), len(counter.made(text="Another"))) == ([], 1)


def test_a_refusal_is_kept_in_pipedrives_words_and_the_others_go_on(counter: Counter, desk: Desk) -> None:
    desk.sandbox.faults.fail(status=400, message="Enough activities", method="POST", path="*/activities")
    refused = counter.plan()
    counter.plan("Another")
    counter.note()
    assert counter.send() == Sent(done=2, failed=1)
    (failed,) = counter.open()
    assert (failed.id, failed.state, failed.error) == (refused, State.FAILED, "Enough activities")
    calls = len(desk.sandbox.api.calls)
    assert counter.send() == Sent()
    assert len(desk.sandbox.api.calls) == calls

    with desk.mirror.database.writing() as connection:
        retry_errand(connection, desk.mirror.company_id, refused)
    assert counter.send() == Sent(done=1)
    assert len(counter.made()) == 1


def test_changing_what_was_deleted_meanwhile_fails_and_deleting_it_is_done(counter: Counter) -> None:
    activity = counter.existing()
    change, deletion = counter.ask(ask_to_complete, activity), counter.ask(ask_to_delete, activity)
    counter.company.delete(ACTIVITIES, activity)
    assert counter.send() == Sent(done=1, failed=1)
    assert "deleted" in counter.journal()[change].error
    assert counter.journal()[deletion].state == "done"
    assert counter.mirrored(ACTIVITIES, activity).deleted_at is not None


def test_an_errand_can_be_dropped_until_it_is_sent(counter: Counter, desk: Desk) -> None:
    first, second, third = counter.plan(), counter.plan("Another"), counter.plan("Third")
    company = desk.mirror.company_id

    def drop(errand: int) -> None:
        with desk.mirror.database.writing() as connection:
            drop_errand(connection, company, errand)

    drop(third)
    desk.sandbox.faults.after(lambda: drop(second), method="POST")
    assert counter.send() == Sent(done=1)
    assert [one.id for one in counter.journal().values()] == [first]
    assert (len(counter.made()), counter.made(text="Another"), counter.made(text="Third")) == (1, [], [])
    for errand in (first, second, 2**70):
        with pytest.raises(NoSuchErrand):
            drop(errand)
        with pytest.raises(NoSuchErrand), desk.mirror.database.writing() as connection:
            retry_errand(connection, company, errand)


def test_of_two_who_would_send_an_errand_one_does(counter: Counter, desk: Desk) -> None:
    counter.plan()
    (errand,) = counter.open()
    claims = []
    for _ in range(2):
        with desk.mirror.database.writing() as connection:
            claims.append(claim_errand(connection, errand, desk.clock.now(), None))
    assert claims == [True, False]


def test_open_errands_are_listed_for_one_account_or_all(counter: Counter, desk: Desk) -> None:
    counter.plan()
    other = counter.note(organization_id=desk.ids[1])
    with desk.mirror.database.reading() as connection:
        (found,) = load_errands(connection, desk.mirror.company_id, desk.ids[1])
    assert (found.id, found.entity, found.action, found.record_id) == (other, NOTES, "create", None)
    assert len(counter.open()) == 2


# Failures


def test_a_server_error_of_one_does_not_stop_the_others(counter: Counter, desk: Desk) -> None:
    desk.sandbox.faults.fail(status=500, method="POST", path="*/activities")
    counter.plan()
    counter.note()
    counter.send_failing()
    assert (len(counter.made(NOTES, "happy")), [one.state for one in counter.open()]) == (1, ["sent"])
    counter.settle()
    assert len(counter.made()) == 1


def test_when_pipedrive_itself_fails_the_rest_waits(counter: Counter, desk: Desk) -> None:
    desk.sandbox.faults.fail(status=500, method="POST", times=9)
    for _ in range(5):
        counter.plan()
    counter.send_failing()
    assert len(counter.writes("POST")) == 3
    assert [one.state for one in counter.open()] == ["sent"] * 3 + ["waiting"] * 2
    desk.sandbox.faults.clear()
    counter.settle()
    assert len(counter.made()) == 5


def test_when_the_days_tokens_are_spent_everything_waits_and_nothing_is_looked_for_later(
    counter: Counter, desk: Desk
) -> None:
    spent = {"x-daily-ratelimit-token-remaining": "0", "x-ratelimit-reset": "3600"}
    desk.sandbox.faults.fail(status=429, headers=spent, method="POST")
    counter.plan()
    counter.plan("Another")
    counter.send_failing(BudgetSpent)
    assert len(counter.writes("POST")) == 1
    assert [one.state for one in counter.open()] == ["waiting", "waiting"]
    desk.clock.advance(24 * 3600)
    calls = len(desk.sandbox.api.calls)
    assert counter.send() == Sent(done=2)
    assert [one.method for one in desk.sandbox.api.calls[calls:]] == ["POST", "POST"]


@pytest.mark.parametrize("entity", [ACTIVITIES, NOTES])
def test_a_creation_whose_answer_was_lost_is_found_again(counter: Counter, desk: Desk, entity: str) -> None:
    errand = counter.plan() if entity == ACTIVITIES else counter.note("They are happy & <i>well</i>")
    desk.sandbox.faults.reset_after(method="POST", path=PATHS[entity])
    counter.send_failing()
    desk.restart()
    assert counter.send() == Sent(done=1)
    (made,) = counter.made(entity, "Satisfied?" if entity == ACTIVITIES else "happy")
    assert counter.journal()[errand].record_id == made["id"]
    assert counter.mirrored(entity, made["id"]) is not None
    assert len(counter.writes("POST")) == 1
    if entity == ACTIVITIES:
        assert desk.here()["next_activity_id"] == made["id"]


@pytest.mark.parametrize("fault", ["truncate", "fail_after", "odd answer"])
def test_an_answer_that_says_nothing_is_as_good_as_lost(counter: Counter, desk: Desk, fault: str) -> None:
    counter.plan()
    if fault == "odd answer":
        desk.sandbox.faults.after(lambda: counter.company.create(ACTIVITIES, _twin(counter)), method="POST")
        desk.sandbox.faults.answer({"success": True, "data": None}, method="POST")
    else:
        getattr(desk.sandbox.faults, fault)(method="POST")
    counter.send_failing()
    assert counter.send() == Sent(done=1)
    assert (len(counter.made()), len(counter.writes("POST"))) == (1, 1)


def _twin(counter: Counter, **values: Any) -> dict[str, Any]:
    """A record just like the one that `plan` makes."""
    mine = {"creator_user_id": counter.me, "org_id": counter.desk.id}
    return {"subject": "Satisfied?", "type": "call", "due_date": DUE, **mine, **values}


def test_a_creation_that_never_arrived_is_made_once_it_is_certain(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.fail(status=503, method="POST")
    counter.send_failing()
    assert counter.send(after=50) == Sent(waiting=1)
    assert len(counter.writes("POST")) == 1
    (left,) = counter.open()
    assert (left.state, left.error) == (State.SENT, "no answer came, and Pipedrive does not show it yet")
    assert counter.send(after=16) == Sent(done=1)
    assert (len(counter.writes("POST")), len(counter.made())) == (2, 1)


def test_a_creation_is_not_looked_for_all_the_time(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.fail(status=503, method="POST")
    counter.send_failing()
    calls = len(desk.sandbox.api.calls)
    for _ in range(28):
        counter.send(after=0.5)
    assert len(desk.sandbox.api.calls) - calls == 1
    counter.send(after=5)
    assert len(desk.sandbox.api.calls) - calls == 2


def test_a_creation_that_lists_show_late_is_not_made_twice(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.late_lists(40)
    desk.sandbox.faults.reset_after(method="POST")
    counter.send_failing()
    assert counter.send() == Sent(waiting=1)
    assert counter.send(after=60) == Sent(done=1)
    assert (len(counter.writes("POST")), len(counter.made())) == (1, 1)


@pytest.mark.parametrize("lost", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("effective", [True, False])
def test_of_two_identical_errands_both_are_done_once(
    counter: Counter, desk: Desk, lost: tuple[bool, bool], effective: bool
) -> None:
    errands = [counter.plan(), counter.plan()]
    for place, is_lost in enumerate(lost):
        skip = place - sum(lost[:place])  # a request that one fault strikes, another does not count
        if is_lost and effective:
            desk.sandbox.faults.reset_after(method="POST", skip=skip)
        elif is_lost:
            desk.sandbox.faults.fail(status=500, method="POST", skip=skip)
    counter.send_failing()
    desk.restart()
    counter.settle()
    made = {one["id"] for one in counter.made()}
    assert len(made) == 2
    assert {counter.journal()[one].record_id for one in errands} == made


def test_what_others_made_or_was_there_before_is_not_taken_for_ours(counter: Counter, desk: Desk) -> None:
    counter.company.create(ACTIVITIES, _twin(counter))
    desk.clock.advance(120)
    counter.plan(note="About it")
    desk.sandbox.faults.fail(status=503, method="POST")
    counter.send_failing()
    counter.company.create(ACTIVITIES, _twin(counter, note="About it", creator_user_id=2))
    counter.company.create(ACTIVITIES, _twin(counter, note="About more"))
    counter.company.create(ACTIVITIES, _twin(counter, note="About it", org_id=desk.ids[1]))
    counter.settle()
    assert len(counter.made()) == 5


def test_an_older_twin_is_not_taken_for_ours(counter: Counter, desk: Desk) -> None:
    counter.company.create(ACTIVITIES, _twin(counter))
    desk.clock.advance(120)
    counter.plan()
    desk.sandbox.faults.fail(status=503, method="POST")
    counter.send_failing()
    counter.settle()
    assert len(counter.made()) == 2


def test_what_pipedrive_makes_of_a_text_is_recognised(counter: Counter, desk: Desk) -> None:
    counter.plan("Satisfied?  Really", note="<p>So &amp; so</p>\n<script></script>", due_time="09:30")
    counter.note("<p onclick='x()'>They are  happy</p> &auml;")

    def clean() -> None:
        for one in counter.made():
            values = {"subject": "Satisfied? Really", "note": "<p>So &#38; so</p>", "due_time": "09:30"}
            counter.company.annotate(ACTIVITIES, one["id"], values)
        for one in counter.made(NOTES, "happy"):
            counter.company.annotate(NOTES, one["id"], {"content": "They are happy<br /> ä"})

    desk.sandbox.faults.after(clean, method="POST", times=2)
    desk.sandbox.faults.reset_after(method="POST", times=2)
    counter.send_failing()
    assert counter.send() == Sent(done=2)
    assert (len(counter.made()), len(counter.made(NOTES, "happy"))) == (1, 1)


@pytest.mark.parametrize("seconds", [-600, 600])
def test_clocks_that_differ_do_not_make_it_twice(counter: Counter, desk: Desk, seconds: float) -> None:
    desk.sandbox.faults.clock_skew(seconds)
    counter.plan()
    desk.sandbox.faults.reset_after(method="POST")
    counter.send_failing()
    counter.settle()
    assert len(counter.made()) == 1


def test_it_is_found_behind_hundreds_that_were_made_since(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.reset_after(method="POST")
    counter.send_failing()
    for _ in range(501):
        counter.company.create(ACTIVITIES, {"subject": "Bulk", "org_id": desk.id}, user_id=2)
    assert counter.send() == Sent(done=1)
    assert len(counter.made()) == 1


def test_what_was_sent_twice_may_come_from_the_first_time(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.late_lists(150)
    desk.sandbox.faults.reset_after(method="POST")
    counter.send_failing()
    desk.sandbox.faults.late_lists(0)
    desk.sandbox.faults.fail(status=500, method="POST", times=1)
    with pytest.raises(PipedriveError):
        counter.send(after=100)  # certain enough: it is sent again, and that fails
    assert counter.send(after=70) == Sent(done=1)
    assert len(counter.made()) == 1


def test_a_look_that_fails_leaves_it_for_the_next_round(counter: Counter, desk: Desk) -> None:
    counter.plan()
    desk.sandbox.faults.reset_after(method="POST")
    counter.send_failing()
    desk.sandbox.faults.fail(status=403, method="GET", path=PATHS[ACTIVITIES])
    counter.note()
    counter.send_failing()
    assert len(counter.made(NOTES, "happy")) == 1
    assert counter.send() == Sent(done=1)
    assert len(counter.made()) == 1


CHANGES: dict[str, tuple[str, Callable[[Counter, int], int], Callable[[dict[str, Any]], bool]]] = {
    "reschedule": (
        "PATCH",
        lambda counter, one: counter.ask(ask_to_reschedule, one, due_date=DUE, due_time="9:00"),
        lambda record: (record["due_date"], record["due_time"]) == (DUE, "09:00:00"),
    ),
    "complete": (
        "PATCH",
        lambda counter, one: counter.ask(ask_to_complete, one),
        lambda record: record["done"],
    ),
    "delete": (
        "DELETE",
        lambda counter, one: counter.ask(ask_to_delete, one),
        lambda record: record["is_deleted"],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("effective", [True, False])
def test_of_a_change_without_an_answer_reading_tells_what_became(
    counter: Counter, desk: Desk, what: str, effective: bool
) -> None:
    method, ask, is_so = CHANGES[what]
    activity = counter.existing()
    errand = ask(counter, activity)
    if effective:
        desk.sandbox.faults.reset_after(method=method)
    else:
        desk.sandbox.faults.fail(status=502, method=method)
    counter.send_failing()
    desk.restart()
    assert counter.send() == Sent(done=1)
    assert is_so(counter.there(activity))
    assert is_so({**counter.mirrored(ACTIVITIES, activity)._mapping, "due_date": counter.there(activity)["due_date"]})
    assert len(counter.writes(method)) == (1 if effective else 2)
    assert counter.journal()[errand].state == "done"


def test_a_change_without_an_answer_never_overwrites_what_was_changed_since(counter: Counter, desk: Desk) -> None:
    activity = counter.existing()
    errand = counter.ask(ask_to_reschedule, activity, due_date=DUE)
    desk.sandbox.faults.reset_after(method="PATCH")
    counter.send_failing()
    counter.company.update(ACTIVITIES, activity, {"due_date": "2032-01-01"})
    assert counter.send() == Sent(failed=1)
    assert counter.there(activity)["due_date"] == "2032-01-01"
    assert counter.mirrored(ACTIVITIES, activity).due_date == date(2032, 1, 1)
    assert "changed at Pipedrive" in counter.journal()[errand].error
    assert len(counter.writes("PATCH")) == 1


def test_a_change_that_never_arrived_is_sent_again_where_something_else_was_changed_since(
    counter: Counter, desk: Desk
) -> None:
    activity = counter.existing()
    counter.ask(ask_to_reschedule, activity, due_date=DUE)
    desk.sandbox.faults.fail(status=500, method="PATCH")
    counter.send_failing()
    counter.company.update(ACTIVITIES, activity, {"subject": "New"})
    assert counter.send() == Sent(done=1)
    assert (counter.there(activity)["due_date"], counter.there(activity)["subject"]) == (DUE, "New")


def test_a_change_is_sent_again_where_the_mirror_did_not_know_what_was_there_before(
    counter: Counter, desk: Desk
) -> None:
    activity = counter.existing()
    counter.company.update(ACTIVITIES, activity, {"due_date": "2032-01-01"})  # which no poll has read
    desk.clock.advance(300)
    counter.ask(ask_to_reschedule, activity, due_date=DUE)
    desk.sandbox.faults.fail(status=500, method="PATCH")
    counter.send_failing()
    assert counter.send() == Sent(done=1)
    assert counter.there(activity)["due_date"] == DUE


def test_a_change_without_an_answer_of_what_is_deleted_since_fails(counter: Counter, desk: Desk) -> None:
    activity = counter.existing()
    errand = counter.ask(ask_to_complete, activity)
    desk.sandbox.faults.fail(status=500, method="PATCH")
    counter.send_failing()
    counter.company.delete(ACTIVITIES, activity)
    assert counter.send() == Sent(failed=1)
    assert "deleted" in counter.journal()[errand].error
    assert counter.mirrored(ACTIVITIES, activity).deleted_at is not None


def test_what_was_asked_for_later_is_never_overtaken(counter: Counter, desk: Desk) -> None:
    activity, other = counter.existing(), counter.existing()
    counter.ask(ask_to_reschedule, activity, due_date="2031-01-01")
    counter.ask(ask_to_reschedule, activity, due_date=DUE)
    counter.ask(ask_to_complete, other)
    desk.sandbox.faults.fail(status=500, method="PATCH")
    counter.send_failing()
    assert counter.there(activity)["due_date"] == "2030-01-01"
    assert counter.there(other)["done"]
    assert counter.send() == Sent(done=2)
    assert counter.there(activity)["due_date"] == DUE


def test_after_a_merge_it_is_done_for_the_survivor(counter: Counter, desk: Desk) -> None:
    waiting, activity = counter.plan("Waits"), counter.existing()
    lost = counter.plan()
    complete = counter.ask(ask_to_complete, activity)
    desk.sandbox.faults.reset_after(method="POST", skip=1)
    desk.sandbox.faults.fail(status=400, method="POST", times=1)
    desk.sandbox.faults.fail(status=400, method="PATCH", times=1)
    counter.send_failing()
    survivor = counter.company.merge_organizations(desk.id, desk.ids[1])
    with desk.mirror.database.writing() as connection:
        assert move_errands(connection, desk.mirror.company_id, loser=desk.id, survivor=survivor) == 3
        for errand in (waiting, complete):
            retry_errand(connection, desk.mirror.company_id, errand)
    counter.settle()
    assert [one["org_id"] for one in (*counter.made(), *counter.made(text="Waits"))] == [survivor, survivor]
    assert counter.there(activity)["done"]
    assert {counter.journal()[one].organization_id for one in (waiting, lost, complete)} == {survivor}


# Death between any two steps


class Crash(BaseException):
    """The process dies."""


class MortalDatabase(Database):
    """A database whose process dies right before or right after one of its commits."""

    def __init__(self, url: str, commit: int, when: str) -> None:
        super().__init__(url)
        self._left, self._when = commit, when

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._left -= 1
        with super().writing() as connection:
            yield connection
            if self._left == 0 and self._when == "before":
                raise Crash
        if self._left == 0 and self._when == "after":
            raise Crash


ASKED: dict[str, Callable[[Counter, int], int]] = {
    "plan": lambda counter, _: counter.plan(),
    "note": lambda counter, _: counter.note("Satisfied?"),
    "reschedule": CHANGES["reschedule"][1],
    "delete": CHANGES["delete"][1],
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize(
    ("is_lost", "commit", "when"),
    [
        (False, 1, "before"),
        (False, 1, "after"),
        (False, 2, "before"),
        (False, 2, "after"),
        (True, 2, "before"),
        (True, 2, "after"),
    ],
)
def test_a_death_between_any_two_steps_does_it_once_all_the_same(
    counter: Counter, desk: Desk, database_url: str, what: str, is_lost: bool, commit: int, when: str
) -> None:
    """The first commit is right before the call, the second takes in the answer, or what was found out without it."""
    activity = counter.existing() if what in CHANGES else 0
    errand = ASKED[what](counter, activity)
    method = CHANGES[what][0] if what in CHANGES else "POST"
    if is_lost:
        desk.sandbox.faults.reset_after(method=method)
    mortal = MortalDatabase(database_url, commit, when)
    desk.mirror = replace(desk.mirror, database=mortal)
    if is_lost:
        counter.send_failing()
    with pytest.raises(Crash):
        counter.send()
    mortal.close()
    desk.restart()
    counter.settle()
    assert counter.journal()[errand].state == "done"
    assert len([one for one in counter.writes(method) if one.effective]) == 1
    assert (
        CHANGES[what][2](counter.there(activity))
        if what in CHANGES
        else counter.made(NOTES if what == "note" else ACTIVITIES)
    )
    writes = len(counter.writes())
    assert (counter.send(after=100), len(counter.writes())) == (Sent(), writes)
