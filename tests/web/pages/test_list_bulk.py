"""Changing many accounts at once: the preview tells what would happen, and that is what happens."""

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select

from sync.store.schema import accounts, journal
from sync.writeback.cycle import ApprovalNeeded
from tests.web.pages.conftest import PageSite
from tests.writeback.conftest import Desk


def hidden(page: str) -> list[tuple[str, str]]:
    """What the form of a step carries to the next, but for its token."""
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return [(name, unescape(value)) for name, value in pairs if name not in ("csrf", "back", "zone")]


def held(site: PageSite, column: str) -> dict[int, Any]:
    """What all accounts hold."""
    with site.database.reading() as connection:
        found = connection.execute(select(accounts.c.organization_id, accounts.c[column])).all()
    return {one.organization_id: one[1] for one in found}


def preview(site: PageSite, do: str, ids: list[int], **values: Any) -> str:
    """The preview of an action for some accounts."""
    form = [("do", do), *(("account", one) for one in ids)]
    first = site.post("/accounts/bulk", [*form, *([("field", values["field"])] if "field" in values else [])])
    assert first.status_code == 200
    assert "data-dialog-page" in first.text
    given = [(name, value) for name, value in values.items() if name != "field"]
    answer = site.post("/accounts/bulk/preview", [*hidden(first.text), *given])
    assert answer.status_code == 200
    return answer.text


def confirm(site: PageSite, page: str) -> str:
    """Do what a preview shows; what is said then."""
    return said(site.post("/accounts/bulk/apply", hidden(page)).text)


def other_owner(site: PageSite) -> int:
    """Somebody who does not own the first account."""
    users = (one["id"] for one in site.company.all("users") if one["active_flag"])
    return next(one for one in users if one != site.desk.here()["owner_id"])


def code_of(site: PageSite, kind: str) -> str:
    """A custom field of a type."""
    fields = site.company.fields.custom("organizations")
    return next(code for code, field in sorted(fields.items()) if field["field_type"] == kind)


def said(page: str) -> str:
    found = re.search(r"data-toast>\s*<p>(.*?)</p>", page, re.DOTALL)
    return unescape(found[1]) if found else ""


def test_the_owner_of_many_changes_after_a_preview_and_is_taken_back_in_one_go(site: PageSite) -> None:
    before, some = held(site, "owner_id"), site.desk.ids[:5]
    owner = other_owner(site)
    changing = sum(before[one] != owner for one in some)
    page = preview(site, "owner", some, value=str(owner))
    assert "5 accounts are chosen." in page
    assert f"{changing} would change." in page
    assert held(site, "owner_id") == before
    answer = site.post("/accounts/bulk/apply", hidden(page))
    assert said(answer.text).startswith(f"{changing} account")
    assert held(site, "owner_id") == {**before, **dict.fromkeys(some, owner)}
    undo = re.search(r'action="(/changes/\d+/undo)"', answer.text)
    assert undo
    site.post(undo[1])
    assert held(site, "owner_id") == before


def test_labels_are_added_to_and_removed_from_those_that_are_there(site: PageSite) -> None:
    one, other = site.desk.ids[:2]
    label, second = [one["id"] for one in site.company.fields.get("organizations", "label_ids")["options"]][:2]
    site.desk.edit(one, label_ids=[second])
    site.desk.edit(other, label_ids=[label])
    page = preview(site, "add_label", [one, other], label=label)
    assert "1 would change." in page
    assert confirm(site, page) == "1 account changed."
    assert [held(site, "label_ids")[each] for each in (one, other)] == [[second, label], [label]]
    confirm(site, preview(site, "remove_label", [one, other], label=label))
    assert [held(site, "label_ids")[each] for each in (one, other)] == [[second], []]


def test_a_field_is_set_with_its_own_control(site: PageSite) -> None:
    code = code_of(site, "double")
    fields = site.post("/accounts/bulk", {"do": "field", "account": site.desk.id}).text
    assert f'<option value="{code}">' in fields
    page = preview(site, "field", site.desk.ids[:2], field=code, value="1,250.5")
    assert "1,250.5" in page
    confirm(site, page)
    assert [held(site, "custom_fields")[one][code] for one in site.desk.ids[:2]] == [1250.5, 1250.5]


def test_what_does_not_fit_is_said_before_anything_happens(site: PageSite) -> None:
    code = code_of(site, "double")
    form = {"do": "field", "field": code, "chosen": str(site.desk.id), "value": "many"}
    for step in ("preview", "apply"):
        answer = site.post(f"/accounts/bulk/{step}", form)
        assert answer.status_code == 422
        assert "This is no number." in answer.text


def test_all_that_match_the_filter_are_meant_and_stay_the_ones_that_were_shown(site: PageSite) -> None:
    site.desk.edit(site.desk.ids[0], name="Twin one")
    site.desk.edit(site.desk.ids[1], name="Twin two")
    form = site.post("/accounts/bulk", {"do": "owner", "every": "1", "query": "q=twin"}).text
    assert "For 2 accounts" in form
    owner = other_owner(site)
    page = site.post("/accounts/bulk/preview", [*hidden(form), ("value", owner)]).text
    site.desk.edit(site.desk.ids[2], name="Twin three, too late")
    before = held(site, "owner_id")
    confirm(site, page)
    assert held(site, "owner_id") == {**before, **dict.fromkeys(site.desk.ids[:2], owner)}


def test_an_activity_is_asked_for_once_for_each_account(site: PageSite) -> None:
    some = site.desk.ids[:3]
    page = preview(site, "activity", some, subject="Say hello", type="call", date="2026-12-01", assignee="account")
    assert "One activity for each of 3 accounts" in page
    assert confirm(site, page) == "3 activities are being planned."
    with site.database.reading() as connection:
        asked = connection.execute(select(journal.c.organization_id, journal.c.body)).all()
    assert sorted(one for one, _ in asked) == some
    assert {body["subject"] for _, body in asked} == {"Say hello"}


@pytest.mark.parametrize("missing", [{"subject": " "}, {"date": "soon"}, {"type": "nonsense"}, {"time": "late"}])
def test_an_activity_needs_all_that_it_is_made_of(site: PageSite, missing: dict[str, str]) -> None:
    whole = {"do": "activity", "chosen": str(site.desk.id), "subject": "Call", "type": "call", "date": "2026-12-01"}
    assert site.post("/accounts/bulk/preview", {**whole, **missing}).status_code == 422


def test_nothing_selected_changes_nothing(site: PageSite) -> None:
    assert said(site.post("/accounts/bulk", {"do": "owner"}).text) == "Select some accounts first."


def test_rubbish_in_place_of_accounts_means_none(site: PageSite) -> None:
    for chosen in ("1-", "a", "1,,2", "9" * 30, "-5", "1-2-3"):
        form = {"do": "owner", "chosen": chosen}
        assert said(site.post("/accounts/bulk", form).text) == "Select some accounts first."


def test_so_many_that_they_wait_for_approval_are_announced(desk: Desk, request: pytest.FixtureRequest) -> None:
    desk.restart(SYNC_WRITE_BACK__MAX_ACCOUNTS="2")
    site: PageSite = request.getfixturevalue("site")
    value = str(other_owner(site))
    assert "accounts approve" not in preview(site, "owner", [desk.id], value=value)
    page = preview(site, "owner", desk.ids, value=value)
    assert "accounts approve" in page
    confirm(site, page)
    with pytest.raises(ApprovalNeeded):
        desk.write_back()


def test_viewers_see_no_way_to_edit_and_have_none(site: PageSite, monkeypatch: pytest.MonkeyPatch) -> None:
    token = site.csrf()
    monkeypatch.setattr("sync.web.access.viewer.Viewer.can_edit", False)
    page = site.get("/accounts").text
    assert 'name="account"' not in page
    assert "data-editable" not in page
    answer = site.session.post(
        f"{site.url}/accounts/bulk/apply",
        data={"csrf": token, "do": "owner", "chosen": str(site.desk.id), "value": "1"},
        headers={"Origin": site.url, "Sec-Fetch-Site": "same-origin"},
        timeout=30,
    )
    assert answer.status_code == 403
    site.post("/accounts/saved", {"name": "Mine", "query": "q=a"})
    assert ">Mine</a>" in site.get("/accounts").text
