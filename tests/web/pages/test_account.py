"""The page of an account over HTTP: what it shows, what is done from it, what is honest about what is not done yet."""

import html
import re
from datetime import UTC
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import event, update

from sync.accounts.facts import Dossier
from sync.accounts.fields import Fields
from sync.accounts.kinds import FieldKind, FieldType
from sync.accounts.planner import Policy, Rule
from sync.mirror.cycle import run_cycle
from sync.settings import load_settings
from sync.store.edits import load_history, park
from sync.store.errands import load_open_errands
from sync.store.journal import State, note_outcome
from sync.store.schema import TABLES, accounts, companies, conflicts
from sync.web.pages.account.fields import field_groups
from sync.web.pages.fields.view import FieldView
from sync.web.pages.language import language_for
from sync.writeback.errands import ask_for_activity, ask_for_note, ask_to_complete
from tests.web.pages.conftest import PageSite


def words(text: str) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def page(site: PageSite, organization_id: int | None = None, query: str = "") -> str:
    answer = site.get(f"/accounts/{organization_id or site.desk.id}{query}")
    assert answer.status_code == 200
    return answer.text


def part(text: str, region: str) -> str:
    """What one region of a page says."""
    found = re.search(rf'<(\w+) id="{region}" data-region.*?</\1>', text, re.DOTALL)
    assert found, region
    return words(found[0])


def hang(site: PageSite, entity: str, **values: Any) -> int:
    """A record made at Pipedrive for the account."""
    return int(site.company.create(entity, {"org_id": site.desk.id, **values})["id"])


def mirror(site: PageSite) -> None:
    site.clock.advance(1000)
    run_cycle(site.mirror)


def set_account(site: PageSite, **values: Any) -> None:
    """Change the row itself, as the program does: no edit."""
    mine = accounts.c.organization_id == site.desk.id
    with site.database.writing() as connection:
        connection.execute(update(accounts).where(mine).values(**values, revision=accounts.c.revision + 1))


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_the_head_tells_what_the_account_is(site: PageSite) -> None:
    head = part(page(site), "account")
    account = site.desk.here()
    assert account["name"] in head
    assert "Active" in head
    assert "Customer since" in head
    assert re.search(r"Like this since \d\d:\d\d:\d\d, by poll", head)


def test_it_tells_when_a_webhook_brought_it(site: PageSite) -> None:
    site.desk.subscribe()
    site.desk.edit_there(name="Told by an event")
    site.desk.hear()
    head = part(page(site), "account")
    assert "Told by an event" in head
    assert "by webhook" in head


def test_values_in_several_currencies_are_all_told(site: PageSite) -> None:
    hang(site, "deals", title="Swiss", status="won", value=1234.5, currency="CHF", won_time="2026-10-01T10:00:00Z")
    hang(site, "deals", title="Yen", status="won", value=5000, currency="JPY", won_time="2026-10-01T10:00:00Z")
    mirror(site)
    head = part(page(site), "account")
    assert "CHF" in head
    assert "JP¥5,000" in head
    assert "unknown: a rate is missing" in head


def test_deals_stand_in_groups_with_their_sums(site: PageSite) -> None:
    for title, value in (("Small", 100), ("Large", 900)):
        hang(site, "deals", title=title, status="lost", value=value, currency="EUR", lost_time="2026-10-01T10:00:00Z")
    mirror(site)
    deals = part(page(site), "deals")
    assert "Large" in deals
    assert re.search(r"Lost \d+ .*€1,000", deals)


def test_an_account_with_nothing_at_all_is_a_page(site: PageSite) -> None:
    with site.database.writing() as connection:
        for table in ("deals", "persons", "activities", "notes", "files"):
            connection.execute(TABLES[table].delete())
    set_account(site, name=None)
    text = words(page(site))
    for said in ("Without a name", "Nobody is known there.", "No files", "Nothing is planned.", "No notes", "No deals"):
        assert said in text


def test_a_former_account_says_so(site: PageSite) -> None:
    set_account(site, status="former")
    assert "None of its deals is won at present." in part(page(site), "account")


def test_an_account_that_pipedrive_deleted_says_so(site: PageSite) -> None:
    site.desk.subscribe()
    site.company.delete("organizations", site.desk.id)
    site.desk.hear()
    text = page(site)
    head = part(text, "account")
    assert "Former" in head
    assert "Deleted at Pipedrive:" in head
    assert "/activities/new" not in text  # nothing can be planned there any more
    assert 'name="content"' not in text


def test_an_account_that_is_switched_off_says_so(site: PageSite) -> None:
    set_account(site, write_back=False)
    assert "not written to Pipedrive" in part(page(site), "account")


def test_viewers_see_no_way_to_change_anything(site: PageSite, monkeypatch: pytest.MonkeyPatch) -> None:
    hang(site, "activities", subject="Call them", type="call", due_date="2026-12-01")
    mirror(site)
    monkeypatch.setattr("sync.web.access.viewer.Viewer.can_edit", False)
    text = page(site)
    main = text[text.index("<main") :]
    assert "Call them" in main
    for way in ("<form", "<button", "data-edit", "/activities/new", "/reschedule"):
        assert way not in main.split("<dialog")[0]
    assert site.get(f"/accounts/{site.desk.id}/fields/name").status_code == 403


def test_there_is_no_page_where_there_is_no_account(site: PageSite) -> None:
    other = int(site.company.create("organizations", {"name": "No customer"})["id"])
    mirror(site)
    answer = site.get(f"/accounts/{other}")
    assert answer.status_code == 404
    assert "none of its deals was ever won" in words(answer.text)
    for number in ("99999999", "99999999999999999999999"):
        answer = site.get(f"/accounts/{number}")
        assert answer.status_code == 404
        assert "There is no such account." in words(answer.text)


def test_it_leads_to_pipedrive_only_where_that_is_what_it_talks_to(site: PageSite) -> None:
    assert "Open in Pipedrive" not in page(site)


def test_it_takes_at_most_ten_statements(site: PageSite) -> None:
    page(site)
    statements: list[str] = []

    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(site.database.engine, "before_cursor_execute", noted)
    try:
        page(site)
    finally:
        event.remove(site.database.engine, "before_cursor_execute", noted)
    assert len([one for one in statements if not one.startswith("BEGIN")]) <= 10


def test_it_is_not_sent_again_while_nothing_changes(site: PageSite) -> None:
    answer = site.get(f"/accounts/{site.desk.id}")
    again = site.get(f"/accounts/{site.desk.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_custom_field_that_the_account_fills_is_shown_as_computed() -> None:
    settings = load_settings({"SYNC_COMPUTED_FIELDS__WON_VALUE": "Worth to us"})
    types = {"a" * 40: "Worth to us", "b" * 40: "Segment"}
    rules = {
        code: Rule(FieldType(FieldKind.DOUBLE), Policy.ACCOUNT if name == "Worth to us" else Policy.NEWEST)
        for code, name in types.items()
    }
    view = FieldView(Fields(rules, types), language_for(["en"], UTC))
    held = SimpleNamespace(account={"custom_fields": dict.fromkeys(types, 5)}, edits=[])
    (group,) = field_groups(view, cast(Dossier, held), settings)
    assert {one.title: one.is_filled for one in group.lines} == {"Worth to us": True, "Segment": False}


# --- what is not agreed on yet ----------------------------------------------------------------------------------------


def test_fields_tell_what_waits_what_is_parked_and_what_is_disputed(site: PageSite) -> None:
    site.desk.edit(name="Waits", website="https://parked.example", visible_to=7)
    company, now = site.mirror.company_id, site.clock.now()
    with site.database.writing() as connection:
        park(connection, company, site.desk.id, "website", "https://parked.example", "Not <b>that</b>, says it", now)
        values = {"company_id": company, "organization_id": site.desk.id, "field": "visible_to", "policy": "review"}
        connection.execute(conflicts.insert().values(**values, detected_at=now))
    text = page(site)
    fields = part(text, "fields")
    assert "waits to be written" in fields
    assert "Pipedrive does not take this: Not <b>that</b>, says it" in fields
    assert "changed on both sides: decide" in fields
    assert "<b>that" not in text


def test_what_is_parked_can_be_tried_again(site: PageSite) -> None:
    site.desk.edit(name="Parked")
    with site.database.writing() as connection:
        park(connection, site.mirror.company_id, site.desk.id, "name", "Parked", "no", site.clock.now())
    answer = site.post(f"/accounts/{site.desk.id}/fields/name/retry")
    assert "It will be tried again: Name" in words(answer.text)
    assert site.desk.parked() == []
    answer = site.post(f"/accounts/{site.desk.id}/fields/name/retry")
    assert "Nothing is parked there any more." in words(answer.text)


def test_errands_that_wait_show_what_will_be(site: PageSite) -> None:
    activity = hang(site, "activities", subject="Call them", type="call", due_date="2026-12-01")
    mirror(site)
    company, now = site.mirror.company_id, site.clock.now()
    with site.database.writing() as connection:
        ask_to_complete(connection, company, activity, by="Ann", now=now)
        ask_for_note(connection, company, organization_id=site.desk.id, content="a &lt;b&gt; note", by="Ann", now=now)
        ask_for_activity(
            connection,
            company,
            organization_id=site.desk.id,
            subject="Visit <them>",
            type="meeting",
            due_date="2026-12-03",
            by="Ann",
            now=now,
        )
    text = page(site)
    activities = part(text, "activities")
    assert "being marked as done…" in activities
    assert "Visit <them>" in activities
    assert "being planned…" in activities
    notes = part(text, "notes")
    assert "being added…" in notes
    assert "a <b> note" in notes


@pytest.mark.parametrize(
    ("way", "said", "left"), [("forget", "Forgotten.", 0), ("retry", "It will be tried again.", 1)]
)
def test_what_pipedrive_refused_is_told_and_tried_again_or_forgotten(
    site: PageSite, way: str, said: str, left: int
) -> None:
    company, now = site.mirror.company_id, site.clock.now()
    with site.database.writing() as connection:
        errand = ask_for_note(connection, company, organization_id=site.desk.id, content="x", by="Ann", now=now)
        note_outcome(connection, errand, State.FAILED, now, error="No <more> notes")
    refused = part(page(site), "refused")
    assert "Pipedrive did not do this: Add a note. No <more> notes" in refused

    answer = site.post(f"/accounts/{site.desk.id}/errands/{errand}/{way}")

    assert said in words(answer.text)
    assert "Pipedrive did not do this" not in words(answer.text)
    with site.database.reading() as connection:
        assert len(load_open_errands(connection, company)) == left
    answer = site.post(f"/accounts/{site.desk.id}/errands/{errand}/retry")
    assert "That is not waiting any more" in words(answer.text)


# --- notes ------------------------------------------------------------------------------------------------------------


def test_a_note_is_added_and_arrives_at_pipedrive(site: PageSite) -> None:
    answer = site.post(f"/accounts/{site.desk.id}/notes", {"content": "First line\r\n<second> line"})
    assert "The note is being added." in words(answer.text)
    site.desk.write_back()
    (note,) = [one for one in site.company.all("notes") if "First line" in one["content"]]
    assert note["content"] == "First line<br>&lt;second&gt; line"
    assert note["org_id"] == site.desk.id
    assert "First line <second> line" in part(page(site), "notes")


def test_an_empty_note_is_none(site: PageSite) -> None:
    answer = site.post(f"/accounts/{site.desk.id}/notes", {"content": " \r\n"})
    assert "The note is empty." in words(answer.text)
    answer = site.post("/accounts/99999999/notes", {"content": "x"})
    assert answer.status_code == 404


# --- history ----------------------------------------------------------------------------------------------------------


def test_the_history_tells_what_changed_and_who_did_it(site: PageSite) -> None:
    before = site.desk.here()["name"]
    site.desk.edit(name="Renamed", edited_by="billing")
    history = part(page(site), "history")
    assert f"Name: {before} → became Renamed · billing" in history


def test_the_history_names_the_user_of_an_event(site: PageSite) -> None:
    site.desk.subscribe()
    site.desk.edit_there(name="Renamed there")
    site.desk.hear()
    user = site.company.all("users")[0]["name"]
    assert f"Renamed there · {user} (Pipedrive)" in part(page(site), "history")


def test_a_long_history_is_shown_in_full_when_asked_for(site: PageSite) -> None:
    for number in range(30):
        site.desk.edit(name=f"Name {number}")
    short, long = page(site), page(site, query="?history=all")
    assert "Name 29" in part(short, "history")
    assert "Name 3 " not in part(short, "history")
    assert "Show more" in part(short, "history")
    assert "Name 3 " in part(long, "history")
    assert "Show less" in part(long, "history")


def test_a_history_that_is_cut_has_no_gaps(site: PageSite) -> None:
    """An old deal is not shown right below the changes of which earlier ones are left out."""
    hang(site, "deals", title="Long ago", status="lost", lost_time="2020-01-01T10:00:00Z")
    mirror(site)
    for number in range(30):
        site.desk.edit(name=f"Name {number}")
    assert "Long ago" not in part(page(site), "history")
    assert "Long ago" in part(page(site, query="?history=all"), "history")


def test_the_growth_of_the_won_value_is_told_in_words_too(site: PageSite) -> None:
    table = TABLES["deals"]
    with site.database.writing() as connection:
        connection.execute(update(table).where(table.c.org_id == site.desk.id).values(status="lost"))
    for year, value in ((2024, 100), (2025, 250)):
        moment = f"{year}-05-05T10:00:00Z"
        hang(site, "deals", title=f"{year}", status="won", value=value, currency="EUR", won_time=moment)
    mirror(site)
    assert "2024 €100 €100 2025 €250 €350" in part(page(site), "deals")


# --- editing ----------------------------------------------------------------------------------------------------------


def was_of(site: PageSite, field: str, organization_id: int | None = None) -> str:
    """What a form showed: its hidden value."""
    text = site.get(f"/accounts/{organization_id or site.desk.id}/fields/{field}").text
    found = re.search(r'name="was" value="([^"]*)"', text)
    assert found
    return html.unescape(found[1])


def test_a_field_is_edited_by_its_form_and_arrives_at_pipedrive(site: PageSite) -> None:
    was = was_of(site, "name")
    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": "A & B <Ltd>"})
    assert answer.status_code == 200
    assert "Saved: Name" in words(answer.text)
    assert site.desk.here()["name"] == "A & B <Ltd>"
    with site.database.reading() as connection:
        (latest,) = load_history(connection, site.mirror.company_id, site.desk.id, 1)
    assert (latest.changed_by, latest.side) == ("page", "account")
    assert f"/changes/{latest.id}/undo" in answer.text

    site.desk.write_back()

    assert site.desk.there()["name"] == "A & B <Ltd>"


def test_a_change_is_taken_back(site: PageSite) -> None:
    before, was = site.desk.here()["name"], was_of(site, "name")
    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": "Oops"})
    found = re.search(r"/changes/\d+/undo", answer.text)
    assert found
    site.post(found[0])
    assert site.desk.here()["name"] == before


def test_an_option_is_chosen_by_its_number(site: PageSite) -> None:
    custom = site.company.fields.custom("organizations")
    code = next(code for code, field in custom.items() if field["field_type"] == "enum")
    option = custom[code]["options"][-1]
    site.post(f"/accounts/{site.desk.id}/fields/{code}", {"was": was_of(site, code), "value": str(option["id"])})
    assert site.desk.here()["custom_fields"][code] == option["id"]
    assert f"{option['label']}" in part(page(site), "fields")


def test_saying_what_is_held_already_changes_nothing(site: PageSite) -> None:
    was = was_of(site, "name")
    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": site.desk.here()["name"]})
    assert "Nothing was changed." in words(answer.text)
    assert site.desk.edits() == []


def test_a_field_that_was_changed_meanwhile_is_not_overwritten(site: PageSite) -> None:
    was = was_of(site, "name")
    site.desk.edit(name="Theirs <b>", edited_by="Bob")

    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": "Mine", "back": "/accounts?x=1"})

    assert answer.status_code == 409
    assert "data-dialog-page" in answer.text
    assert "Changed by Bob, after you began:" in words(answer.text)
    assert "Theirs Theirs <b> Yours Mine" in words(answer.text)
    assert site.desk.here()["name"] == "Theirs <b>"
    assert 'href="/accounts?x=1"' in answer.text  # keep theirs

    hidden = dict(re.findall(r'name="(was|value|back)" value="([^"]*)"', answer.text))
    mine = {name: html.unescape(value) for name, value in hidden.items()}
    site.post(f"/accounts/{site.desk.id}/fields/name", mine, allow_redirects=False)
    assert site.desk.here()["name"] == "Mine"


def test_two_who_make_the_same_change_do_not_quarrel(site: PageSite) -> None:
    was = was_of(site, "name")
    site.desk.edit(name="The same")
    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": "The same"})
    assert answer.status_code == 200
    assert "Nothing was changed." in words(answer.text)


@pytest.mark.parametrize("was", [None, "", "no json", '"something else"'])
def test_a_form_that_does_not_tell_what_it_showed_overwrites_nothing(site: PageSite, was: str | None) -> None:
    before = site.desk.here()["name"]
    form = {"value": "Mine"} if was is None else {"value": "Mine", "was": was}
    assert site.post(f"/accounts/{site.desk.id}/fields/name", form).status_code == 409
    assert site.desk.here()["name"] == before


def test_what_does_not_fit_comes_back_with_what_was_typed(site: PageSite) -> None:
    was = was_of(site, "employee_count")
    answer = site.post(f"/accounts/{site.desk.id}/fields/employee_count", {"was": was, "value": 'many"><b>'})
    assert answer.status_code == 422
    assert "This is no number." in words(answer.text)
    assert 'value="many&#34;&gt;&lt;b&gt;"' in answer.text
    assert site.desk.edits() == []


def test_a_name_that_is_no_number_suggests_those_that_are_meant(site: PageSite) -> None:
    custom = site.company.fields.custom("organizations")
    code = next(code for code, field in custom.items() if field["field_type"] == "org")
    name = site.desk.here()["name"]
    answer = site.post(f"/accounts/{site.desk.id}/fields/{code}", {"was": "null", "value": name[:6]})
    assert answer.status_code == 422
    assert f"{name} ({site.desk.id})" in words(answer.text)
    found = site.get("/names/organizations", params={"q": name[:6]})
    assert f"{name} ({site.desk.id})" in html.unescape(found.text)
    assert site.get("/names/users").status_code == 404


def test_there_is_no_form_for_what_can_not_be_edited(site: PageSite) -> None:
    for field in ("won_value", "gone", "fields.gone", "deleted_at"):
        assert site.get(f"/accounts/{site.desk.id}/fields/{field}").status_code == 404
        assert site.post(f"/accounts/{site.desk.id}/fields/{field}", {"value": "1"}).status_code == 404
    assert site.get("/accounts/99999999/fields/name").status_code == 404


# --- hostile text -----------------------------------------------------------------------------------------------------

SCRIPT = "<script>alert(1)</script>"


def test_nothing_that_pipedrive_sends_gets_into_the_markup(site: PageSite) -> None:
    company = site.company
    company.update("organizations", site.desk.id, {"name": SCRIPT, "website": "javascript:alert(1)"})
    deal = hang(site, "deals", title=SCRIPT, status="open", value=1, currency="EUR")
    contact = [{"value": f'"><img src=x onerror=alert(1)>{SCRIPT}', "primary": True, "label": "work"}]
    hang(site, "persons", name=SCRIPT, emails=contact, phones=[{"value": "javascript:1", "primary": True}])
    hang(site, "activities", subject=SCRIPT, type="call", due_date="2026-12-01", deal_id=deal)
    hang(site, "activities", subject=SCRIPT, type="call", due_date="2026-10-01", done=True)
    hang(
        site,
        "notes",
        content='<img src=x onerror=alert(1)><p onclick="alert(1)" style="position:fixed">kept</p>'
        '<a href="javascript:alert(1)">link</a><a href="https://ok.example">ok</a><script>alert(1)</script>'
        '<iframe src="//evil.example"></iframe><form action="/logout"><input name=x></form><svg onload=alert(1)>',
    )
    company.add_file("../../<script>.html", b"x", org_id=site.desk.id)
    mirror(site)
    with site.database.writing() as connection:
        connection.execute(update(companies).values(domain='"><script>alert(1)</script>'))

    text = page(site)

    assert SCRIPT in html.unescape(part(text, "account"))
    body = text[text.index("<main") :]
    assert "<script" not in body
    assert not re.search(r"<[^>]*\son\w+\s*=", body)
    assert not re.search(r"(href|src|action)=\"?\s*javascript:", body, re.IGNORECASE)
    assert not re.search(r"<(img|iframe|svg on|style|object|embed)", body)
    assert not re.search(r"<[^>]*\sstyle=", body)
    assert "<p>kept</p>" in body
    assert '<a href="https://ok.example" rel="noopener noreferrer nofollow">ok</a>' in body
    assert "../.." not in body
    assert "evil.example" not in body


def test_a_conflict_page_is_harmless_too(site: PageSite) -> None:
    was = was_of(site, "name")
    site.desk.edit(name=SCRIPT, edited_by=SCRIPT)
    answer = site.post(f"/accounts/{site.desk.id}/fields/name", {"was": was, "value": f'"{SCRIPT}'})
    assert answer.status_code == 409
    assert "<script>" not in answer.text
