"""The page of what waits for a person: conflicts, one by one and in bulk, what Pipedrive does not take or refused."""

from typing import Any

import pytest
from sqlalchemy import update

from sync.store.conflicts import Conflict, load_conflicts, record_conflict
from sync.store.edits import Parked, park
from sync.store.journal import State, note_outcome
from sync.store.schema import TABLES
from sync.writeback.errands import ask_for_activity
from tests.web.pages.conftest import PageSite

HOSTILE = '<script>alert("x")</script>'


def disputed(site: PageSite, organization_id: int, field: str = "name", **values: Any) -> int:
    """A conflict that waits, with Pipedrive's value in the mirror; its number."""
    now, desk = site.clock.now(), site.desk
    given = {"base_value": "Before", "account_value": "Ours", "pipedrive_value": "Theirs", **values}
    conflict = Conflict(
        organization_id, field, **given, account_time=now, account_by="sql", pipedrive_time=now,
        pipedrive_by="pipedrive user 2", policy="review", detected_at=now,
    )  # fmt: skip
    with site.database.writing() as connection:
        record_conflict(connection, desk.mirror.company_id, conflict)
        theirs = TABLES["organizations"]
        held = theirs.c.get(field, theirs.c.custom_fields)
        value = given["pipedrive_value"] if field in theirs.c else {field: given["pipedrive_value"]}
        connection.execute(update(theirs).where(theirs.c.id == organization_id).values({held: value}))
        return load_conflicts(connection, desk.mirror.company_id)[0].id or 0


def waiting(site: PageSite) -> list[int]:
    return [one.id or 0 for one in site.desk.conflicts() if one.resolution is None]


def test_a_conflict_shows_both_values_with_who_and_when(site: PageSite) -> None:
    disputed(site, site.desk.id, account_value=HOSTILE)

    page = site.get("/conflicts").text

    assert "Theirs" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "(Pipedrive)" in page
    assert "Keep Pipedrive" in page


def test_nothing_to_decide_is_said(site: PageSite) -> None:
    assert "Nothing to decide" in site.get("/conflicts").text
    assert "There was never a conflict" in site.get("/conflicts?all=1").text


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        ({"keep": "theirs"}, "Theirs"),
        ({"keep": "ours"}, "Ours"),
        ({"keep": "value", "value": "A third"}, "A third"),
    ],
)
def test_one_click_decides_and_the_other_side_follows(site: PageSite, form: dict[str, str], kept: str) -> None:
    number = disputed(site, site.desk.id)

    answer = site.post(f"/conflicts/{number}/resolve", {**form, "open": "1", "back": "/conflicts"})

    assert answer.status_code == 200
    assert "Decided: Name." in answer.text
    assert waiting(site) == []
    assert site.desk.here()["name"] == kept
    site.desk.write_back()
    assert site.desk.there()["name"] == kept
    assert "was kept" in site.get("/conflicts?all=1").text or kept == "A third"


def test_what_somebody_else_has_decided_meanwhile_is_not_decided_again(site: PageSite) -> None:
    number = disputed(site, site.desk.id)
    site.post(f"/conflicts/{number}/resolve", {"keep": "theirs", "open": "1"})

    answer = site.post(f"/conflicts/{number}/resolve", {"keep": "ours", "open": "1"})

    assert "was faster" in answer.text
    assert site.desk.here()["name"] == "Theirs"
    site.post(f"/conflicts/{number}/resolve", {"keep": "ours"})  # from the page of those that are decided
    assert site.desk.here()["name"] == "Ours"


def test_a_third_value_is_asked_for_with_the_control_of_the_field(site: PageSite) -> None:
    code = site.desk.codes["Kunde seit"]
    number = disputed(
        site, site.desk.id, code, base_value=None, account_value="2026-01-01", pipedrive_value="2026-02-02"
    )

    form = site.get(f"/conflicts/{number}/value").text
    refused = site.post(f"/conflicts/{number}/resolve", {"keep": "value", "value": "yesterday"})

    assert 'type="date" value="2026-01-01"' in form
    assert "data-dialog-page" in form
    assert refused.status_code == 422
    assert "This is no date." in refused.text
    assert waiting(site) == [number]
    site.post(f"/conflicts/{number}/resolve", {"keep": "value", "value": "2026-03-03"})
    assert site.desk.custom_here("Kunde seit") == "2026-03-03"


def test_many_are_decided_at_once_those_selected_those_of_a_field_or_all(site: PageSite) -> None:
    first, second, third, fourth = site.desk.ids[:4]
    selected = [disputed(site, first), disputed(site, second)]
    of_a_field = [disputed(site, third, "website", account_value="a.example", pipedrive_value="b.example")]
    last = [disputed(site, fourth)]

    answer = site.post("/conflicts/resolve", [("keep", "theirs"), *(("conflict", one) for one in selected)])
    assert "Decided: 2 conflicts." in answer.text
    assert sorted(waiting(site)) == of_a_field + last

    site.post("/conflicts/resolve", {"keep": "ours", "scope": "field:website"})
    assert waiting(site) == last

    answer = site.post("/conflicts/resolve", {"keep": "ours", "scope": "all"})
    assert "Decided: 1 conflict." in answer.text
    assert [site.desk.here(one)["name"] for one in (first, second, fourth)] == ["Theirs", "Theirs", "Ours"]
    assert "Nothing is selected." in site.post("/conflicts/resolve", {"keep": "ours"}).text


def test_one_that_does_not_fit_does_not_stop_the_others(site: PageSite) -> None:
    bad, good = disputed(site, site.desk.ids[0], pipedrive_value=None), disputed(site, site.desk.ids[1])

    answer = site.post("/conflicts/resolve", {"keep": "theirs", "scope": "all"})

    assert "Decided: 1 conflict. 1 was left as it is" in answer.text
    assert waiting(site) == [bad] != [good]


def test_a_parked_change_shows_why_and_is_tried_again(site: PageSite) -> None:
    site.desk.edit(name="Refused")
    with site.database.writing() as connection:
        park(
            connection, site.desk.mirror.company_id, site.desk.id, "name", "Refused", f"No: {HOSTILE}", site.clock.now()
        )

    page = site.get("/conflicts").text
    assert "No: &lt;script&gt;" in page
    assert f"/accounts/{site.desk.id}/fields/name" in page

    assert "1 change will be tried again." in site.post("/conflicts/retry").text
    assert site.desk.parked() == []
    site.desk.write_back()
    assert site.desk.there()["name"] == "Refused"


def test_a_parked_change_of_a_field_that_is_gone_is_shown(site: PageSite) -> None:
    with site.database.writing() as connection:
        park(connection, site.desk.mirror.company_id, site.desk.id, "f" * 40, {"odd": [1]}, "gone", site.clock.now())

    page = site.get("/conflicts")

    assert page.status_code == 200
    assert "The field is not there any more" in page.text
    assert [type(one) for one in site.desk.parked()] == [Parked]


def test_a_refused_errand_is_shown_with_pipedrive_s_words(site: PageSite) -> None:
    with site.database.writing() as connection:
        number = ask_for_activity(
            connection, site.desk.mirror.company_id, organization_id=site.desk.id, subject="Call back", type="call",
            due_date="2026-11-05", by="page", now=site.clock.now(),
        )  # fmt: skip
        note_outcome(connection, number, State.FAILED, site.clock.now(), error="Owner is not active")

    page = site.get("/conflicts").text

    assert "Plan “Call back”" in page
    assert "Owner is not active" in page
    assert f"/accounts/{site.desk.id}/errands/{number}/retry" in page


def test_long_lists_are_read_on(site: PageSite) -> None:
    numbers = [disputed(site, site.desk.id) for _ in range(103)]

    first = site.get("/conflicts").text
    assert first.count('class="paper conflict') == 100
    assert f"before={numbers[3]}" in first
    assert site.get(f"/conflicts?before={numbers[3]}").text.count('class="paper conflict') == 3
    assert site.get("/conflicts?field=website").text.count('class="paper conflict') == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_means_nothing_is_refused(site: PageSite) -> None:
    number = disputed(site, site.desk.id)

    assert site.get("/conflicts?before=x&field=%00&all=").status_code == 200
    assert site.get("/conflicts/999/value").status_code == 404
    assert site.get(f"/conflicts/{10**30}/value").status_code == 404
    assert site.post(f"/conflicts/{number}/resolve", {"keep": "both"}).status_code == 422
    assert site.post("/conflicts/resolve", {"keep": "both", "scope": "all"}).status_code == 422
    assert waiting(site) == [number]
