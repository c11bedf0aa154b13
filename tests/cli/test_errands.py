"""`accounts plan`, `reschedule`, `done`, `unplan`, `note`: what they note, and that it is done at Pipedrive then."""

import io
import sys

import pytest

from sync.sandbox import Company
from sync.store.holds import save_pause
from sync.store.lock import sole_instance
from sync.writeback.sending import Sent, send_errands
from tests.cli.conftest import Program, won

SENT_BY = "The running service sends it, or the next `pipedrive-sync sync`."


@pytest.fixture
def nordlicht(program: Program, company: Company) -> int:
    """An account with one activity."""
    organization = won(company, "Nordlicht", (1, "EUR"))
    company.create(
        "activities", {"subject": "Ring back", "type": "call", "due_date": "2031-01-01", "org_id": organization}
    )
    program.fill()
    return organization


def carry_out(program: Program) -> Sent:
    with program.mirror() as mirror:
        return send_errands(mirror)


def test_an_activity_is_planned(program: Program, company: Company, nordlicht: int) -> None:
    (deal,) = company.all("deals")
    owner = company.update("users", 2, {"name": "Zoë Unique"})
    program.fill()
    arguments = ["Call: satisfied?", "--type", "CALL", "--due", "2031-12-01", "--time", "9:30", "--duration", "0:45"]
    arguments += ["--owner", "zoë", "--deal", str(deal["id"]), "--note", "a < b\nc"]
    with sole_instance(program.database):  # beside a running service
        out = program.run("accounts", "plan", "nordl", *arguments).out
    assert out == f"Noted: “Call: satisfied?” for account {nordlicht}, due 2031-12-01 09:30 UTC. {SENT_BY}\n"
    assert len(company.all("activities")) == 1
    assert carry_out(program) == Sent(done=1)
    made = company.all("activities")[-1]
    assert (made["subject"], made["type"], made["owner_id"], made["deal_id"]) == (
        "Call: satisfied?",
        "call",
        owner["id"],
        deal["id"],
    )
    assert (made["due_date"], made["due_time"], made["duration"]) == ("2031-12-01", "09:30:00", "00:45:00")
    assert made["note"] == "a &lt; b<br>c"


def test_as_json_it_is_the_row_of_the_journal(program: Program, nordlicht: int) -> None:
    row = program.json("accounts", "plan", str(nordlicht), "Satisfied?", "--type", "call", "--due", "2031-12-01")
    assert (row["id"], row["state"], row["entity"], row["action"]) == (1, "waiting", "activities", "create")
    assert row["requested_by"].startswith("command line (")
    assert row["body"] == {"subject": "Satisfied?", "type": "call", "due_date": "2031-12-01", "org_id": nordlicht}


def test_an_activity_is_moved_done_and_deleted(program: Program, company: Company, nordlicht: int) -> None:
    (activity,) = (one["id"] for one in company.all("activities"))

    def told(*arguments: str) -> str:
        out = program.run("accounts", *arguments).out
        assert out.endswith(f". {SENT_BY}\n")
        assert carry_out(program) == Sent(done=1)
        return out.removesuffix(f". {SENT_BY}\n").removeprefix(f"Noted: activity {activity} of account {nordlicht}, ")

    assert told("reschedule", str(activity), "--due", "2031-05-05") == "“Ring back”, moves to 2031-05-05"
    assert company.get("activities", activity)["due_date"] == "2031-05-05"
    assert told("reschedule", str(activity), "--due", "2031-05-05", "--time", "10:00").endswith("2031-05-05 10:00 UTC")
    assert told("done", str(activity)) == "“Ring back”, is done"
    assert company.get("activities", activity)["done"]
    assert told("done", str(activity), "--undo") == "“Ring back”, is not done"
    assert not company.get("activities", activity)["done"]
    assert told("unplan", str(activity), "--yes") == "“Ring back”, is to be deleted"
    assert company.all("activities") == []


def test_nothing_is_deleted_without_a_word_that_it_is_meant(program: Program, nordlicht: int) -> None:
    assert "Add --yes" in program.run("accounts", "unplan", "1", code=2).err
    assert carry_out(program) == Sent()


def test_a_note_is_added_from_the_command_line_or_standard_input(
    program: Program, company: Company, nordlicht: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = program.run("accounts", "note", "Nordlicht", "They <3 us & we them").out
    assert out == f"Noted: a note for account {nordlicht}. {SENT_BY}\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("first line\nsecond line\n"))
    program.run("accounts", "note", "Nordlicht", "-")
    assert carry_out(program) == Sent(done=2)
    contents = [one["content"] for one in company.all("notes")]
    assert contents == ["They &lt;3 us &amp; we them", "first line<br>second line"]


def test_what_cannot_be_done_is_one_line_and_notes_nothing(program: Program, nordlicht: int) -> None:
    plan = ("accounts", "plan", "Nordlicht", "Satisfied?", "--type")
    assert "There is no activity type 'x'. There are call" in program.run(*plan, "x", "--due", "2031-12-01", code=1).err
    assert "is not a date. Write it like" in program.run(*plan, "call", "--due", "soon", code=1).err
    err = program.run(*plan, "call", "--due", "2031-12-01", "--time", "noon", code=1).err
    assert "times of day are in UTC" in err
    assert "no user 'Nobody'" in program.run(*plan, "call", "--due", "2031-12-01", "--owner", "Nobody", code=1).err
    assert "no activity 99" in program.run("accounts", "done", "99", code=1).err
    assert "no account" in program.run("accounts", "note", "Nobody", "x", code=1).err
    assert "The note is empty" in program.run("accounts", "note", "Nordlicht", " ", code=1).err
    assert carry_out(program) == Sent()


def test_it_says_what_keeps_it_back(program: Program, nordlicht: int) -> None:
    assert (
        "It waits: writing to Pipedrive is switched off"
        in program.run("accounts", "note", "Nordlicht", "x", WRITE_BACK="off").out
    )
    with program.mirror() as mirror, program.database.writing() as connection:
        save_pause(connection, mirror.company_id, by="bob", at=mirror.clock.now())
    assert "It waits: writing is paused until" in program.run("accounts", "note", "Nordlicht", "x").out


def test_before_anything_is_copied_they_say_what_to_run(program: Program) -> None:
    assert "Run `pipedrive-sync backfill`" in program.run("accounts", "note", "1", "x", code=1).err
