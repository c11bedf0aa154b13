"""Activities from the pages: what a person plans, moves and marks as done reaches Pipedrive, in his time zone."""

from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

import requests

from sync.store.journal import Action, Write
from sync.web.pages.activities import Due, due_at, local_due
from sync.writeback.errands import load_errands
from sync.writeback.sending import send_errands
from tests.web.pages.conftest import PageSite

BERLIN = ZoneInfo("Europe/Berlin")


def errands(site: PageSite) -> list[Write]:
    """What was asked for and is not done."""
    with site.database.reading() as connection:
        return list(load_errands(connection, site.mirror.company_id))


def planned(site: PageSite, **values: Any) -> dict[str, Any]:
    """An activity that an account has as planned, at Pipedrive and here."""
    form = {"subject": "Ask", "type": "call", "date": "2026-11-20", "back": "/board", **values}
    answer = site.post(f"/accounts/{site.desk.id}/activities/new", form)
    assert answer.status_code == 200, answer.text
    send_errands(site.mirror)
    made: dict[str, Any] = max(site.company.all("activities"), key=lambda one: one["id"])
    return made


def said(answer: requests.Response) -> str:
    """What the page that came of a form says was done."""
    return answer.text.partition("data-toast>")[2].partition("</div>")[0]


def in_berlin(site: PageSite) -> None:
    site.session.cookies.set("zone", "Europe%2FBerlin")


def test_the_form_offers_the_types_the_people_and_the_deals_of_the_account(site: PageSite) -> None:
    page = site.get(f"/accounts/{site.desk.id}/activities/new?date=2026-12-01")
    assert page.status_code == 200
    assert 'name="date" value="2026-12-01"' in page.text
    assert all(f'<option value="{kind}">' in page.text for kind in ("call", "meeting", "task"))
    deals = [one for one in site.company.all("deals") if one["org_id"] == site.desk.id]
    assert deals
    assert all(f'<option value="{one["id"]}">' in page.text for one in deals)


def test_what_is_planned_is_planned_at_pipedrive_at_the_viewer_s_time(site: PageSite) -> None:
    in_berlin(site)
    deal = next(one["id"] for one in site.company.all("deals") if one["org_id"] == site.desk.id)
    form = {"subject": " Ask ", "type": "call", "date": "2026-12-01", "time": "00:30", "duration": "00:45"}
    answer = site.post(
        f"/accounts/{site.desk.id}/activities/new",
        {**form, "deal": deal, "note": "<b>\nyes", "owner": "", "back": "/board"},
    )
    assert answer.status_code == 200
    assert "Being planned" in said(answer)
    send_errands(site.mirror)
    made = max(site.company.all("activities"), key=lambda one: one["id"])
    assert (made["subject"], made["type"], made["org_id"], made["deal_id"]) == ("Ask", "call", site.desk.id, deal)
    assert (made["due_date"], made["due_time"][:5], made["duration"][:5]) == ("2026-11-30", "23:30", "00:45")
    assert made["note"] == "&lt;b&gt;<br>yes"


def test_what_is_planned_without_a_time_is_due_all_day(site: PageSite) -> None:
    in_berlin(site)
    planned(site, date="2026-12-01", time="")
    made = max(site.company.all("activities"), key=lambda one: one["id"])
    assert made["due_date"] == "2026-12-01"
    assert not made["due_time"]


WRONG = [
    ({"subject": " "}, "Say what is to be done."),
    ({"date": "soon"}, "Say on which day."),
    ({"date": "9999-12-31"}, "Say on which day."),
    ({"time": "25:00"}, "Write the time of day like 09:30."),
    ({"type": "nothing"}, "There is no activity type"),
    ({"duration": "long"}, "is not a duration"),
    ({"owner": "999999"}, "does not exist or is not active"),
    ({"deal": "999999"}, "has no deal 999999"),
]


def test_what_can_t_be_planned_is_asked_again_with_what_was_typed(site: PageSite) -> None:
    for wrong, words in WRONG:
        form = {"subject": "Ask <him>", "type": "call", "date": "2026-12-01", "note": "And more", **wrong}
        answer = site.post(f"/accounts/{site.desk.id}/activities/new", form)
        assert answer.status_code == 422
        assert words in answer.text
        assert "data-dialog-page" in answer.text
        assert ">And more</textarea>" in answer.text
        assert "Ask <him>" not in answer.text
    assert not errands(site)


def test_nothing_is_planned_for_an_account_that_is_not_there(site: PageSite) -> None:
    for organization in (999_999, 10**30):
        assert site.get(f"/accounts/{organization}/activities/new").status_code == 404
        assert site.post(f"/accounts/{organization}/activities/new", {"subject": "Ask"}).status_code == 404


def test_an_account_is_chosen_by_its_name(site: PageSite) -> None:
    name = site.desk.here()["name"]
    page = site.get("/activities/new", params={"q": name, "date": "2026-12-01"})
    assert f'href="/accounts/{site.desk.id}/activities/new?date=2026-12-01"' in page.text
    assert "No account is called “nobody at all”." in site.get("/activities/new?q=nobody+at+all").text


def test_what_is_done_is_done_at_pipedrive(site: PageSite) -> None:
    activity = planned(site)
    answer = site.post(f"/activities/{activity['id']}/done", {"back": "/board"})
    assert answer.url.endswith("/board")
    assert "Being marked as done: Ask" in said(answer)
    send_errands(site.mirror)
    assert site.company.get("activities", activity["id"])["done"]
    site.post(f"/activities/{activity['id']}/done", {"done": "0"})
    send_errands(site.mirror)
    assert not site.company.get("activities", activity["id"])["done"]


def test_an_activity_moves_to_another_day_at_its_time_of_day_even_where_clocks_change(site: PageSite) -> None:
    in_berlin(site)
    activity = planned(site, date="2027-03-26", time="09:00")
    assert activity["due_time"][:5] == "08:00"
    site.post(f"/activities/{activity['id']}/reschedule", {"date": "2027-03-30"})
    send_errands(site.mirror)
    moved = site.company.get("activities", activity["id"])
    assert (moved["due_date"], moved["due_time"][:5]) == ("2027-03-30", "07:00")


def test_an_activity_moves_to_another_time_which_the_form_holds_before(site: PageSite) -> None:
    in_berlin(site)
    activity = planned(site, date="2026-11-20", time="09:00")
    page = site.get(f"/activities/{activity['id']}/reschedule")
    assert 'name="date" value="2026-11-20"' in page.text
    assert 'name="time" value="09:00" required' in page.text
    site.post(f"/activities/{activity['id']}/reschedule", {"date": "2026-11-21", "time": "00:15"})
    asked = site.get(f"/activities/{activity['id']}/reschedule")
    assert 'name="date" value="2026-11-21"' in asked.text, "what is asked for already counts"
    send_errands(site.mirror)
    moved = site.company.get("activities", activity["id"])
    assert (moved["due_date"], moved["due_time"][:5]) == ("2026-11-20", "23:15")


def test_a_time_of_day_can_t_be_taken_away(site: PageSite) -> None:
    activity = planned(site, time="09:00")
    answer = site.post(f"/activities/{activity['id']}/reschedule", {"date": "2026-11-21", "time": ""})
    assert answer.status_code == 422
    assert "say which" in answer.text


def test_whoever_moves_what_is_not_next_afterwards_is_told(site: PageSite) -> None:
    first = planned(site, subject="First", date="2026-11-18")
    planned(site, subject="Second", date="2026-11-19")
    answer = site.post(f"/activities/{first['id']}/reschedule", {"date": "2027-11-20", "back": "/board"})
    assert "Due before it: " in said(answer)


def test_an_activity_that_is_not_there_is_not_found(site: PageSite) -> None:
    for activity in (999_999, 10**30):
        assert site.get(f"/activities/{activity}/reschedule").status_code == 404
        assert site.post(f"/activities/{activity}/done").status_code == 404
        assert site.post(f"/activities/{activity}/reschedule", {"date": "2026-12-01"}).status_code == 404


def test_a_form_leads_back_to_the_page_of_ours_that_it_was_asked_for_from(site: PageSite) -> None:
    path = f"/accounts/{site.desk.id}/activities/new"
    ours = site.get(path, headers={"Referer": f"{site.url}/board?owner=1"})
    assert 'name="back" value="/board?owner=1"' in ours.text
    theirs = site.get(path, headers={"Referer": "https://evil.example/board"})
    assert f'name="back" value="/accounts/{site.desk.id}"' in theirs.text


def test_asking_notes_who_asked(site: PageSite) -> None:
    site.post(f"/accounts/{site.desk.id}/activities/new", {"subject": "Ask", "type": "call", "date": "2026-12-01"})
    (asked,) = errands(site)
    assert (asked.action, asked.requested_by, asked.requested_at) == (Action.CREATE, "page", site.clock.now())


def test_days_and_times_go_to_the_api_and_back() -> None:
    assert due_at(date(2026, 7, 1), time(0, 30), BERLIN) == Due(date(2026, 6, 30), "22:30")
    assert due_at(date(2026, 7, 1), None, BERLIN) == Due(date(2026, 7, 1), None)
    assert local_due(date(2026, 6, 30), "22:30:00", BERLIN) == (date(2026, 7, 1), time(0, 30))
    assert local_due(date(2026, 6, 30), None, BERLIN) == (date(2026, 6, 30), None)
    assert local_due(date(2026, 6, 30), "soon", BERLIN) == (date(2026, 6, 30), None)
