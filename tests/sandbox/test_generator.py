import os
import subprocess
import sys
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests

from sync.clock import ManualClock
from sync.sandbox import Company, generate
from tests.sandbox.conftest import START


@pytest.fixture(scope="module")
def company() -> Company:
    return generate(3, clock=ManualClock(START), organizations=150)


def test_the_same_seed_gives_the_identical_company_and_another_seed_another(company: Company) -> None:
    again = generate(3, clock=ManualClock(START), organizations=150)
    other = generate(4, clock=ManualClock(START), organizations=150)
    assert again.snapshot() == company.snapshot()
    assert other.get("organizations", 1) != company.get("organizations", 1)
    assert set(other.fields.custom("deals")).isdisjoint(company.fields.custom("deals"))


def test_deals_are_open_won_lost_archived_and_deleted_in_several_currencies(company: Company) -> None:
    deals = company.all("deals", deleted=True)
    assert {deal["status"] for deal in deals} == {"open", "won", "lost"}
    assert {"EUR", "USD", "GBP", "CHF", "JPY"} <= {deal["currency"] for deal in deals}
    assert any(deal["is_deleted"] for deal in deals)
    assert any(deal["is_archived"] and deal["status"] == "won" for deal in deals)
    assert {None, 0} <= {deal["value"] for deal in deals}
    assert all(float(deal["value"] or 0).is_integer() for deal in deals if deal["currency"] == "JPY")
    assert any(deal["org_id"] is None for deal in deals)
    assert any(deal["update_time"] is None for deal in deals)


def test_every_time_of_a_deal_fits_the_others(company: Company) -> None:
    for deal in company.all("deals", deleted=True):
        closing = {"won": deal["won_time"], "lost": deal["lost_time"], "open": None}[deal["status"]]
        assert deal["close_time"] == closing
        times = [deal[key] for key in ("add_time", "update_time", "close_time") if deal[key]]
        assert all(deal["add_time"] <= time <= "2026-11-02T09:30:00Z" for time in times)
        assert (deal["archive_time"] is not None) == deal["is_archived"]
        if deal["is_deleted"]:
            assert datetime.fromisoformat(deal["update_time"]) > START - timedelta(days=30)


def test_undone_activities_lie_around_today(company: Company) -> None:
    undone = [activity for activity in company.all("activities") if not activity["done"]]
    days = {activity["due_date"] for activity in undone}
    assert {None, "2026-11-02", "2026-11-03"} <= days
    assert min(day for day in days if day) < "2026-11-02"
    assert max(day for day in days if day) > "2026-11-09"
    assert {activity["due_time"] is None for activity in undone if activity["due_date"]} == {True, False}
    kinds = {(bool(activity["deal_id"]), bool(activity["org_id"])) for activity in undone}
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


def test_names_come_in_many_scripts(company: Company) -> None:
    text = "".join(record["name"] for entity in ("organizations", "persons") for record in company.all(entity))
    names = {unicodedata.name(letter, "").split()[0] for letter in text}
    assert {"LATIN", "CJK", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "HANGUL"} <= names
    assert "🚀" in text
    assert "ü" in text


def test_custom_fields_are_set_unset_and_null_altogether_and_two_share_a_name(company: Company) -> None:
    organizations = company.all("organizations")
    fields = company.fields.custom("organizations")
    assert any(organization["custom_fields"] is None for organization in organizations)
    values = [organization["custom_fields"] for organization in organizations if organization["custom_fields"]]
    never = [code for code in fields if all(value[code] is None for value in values)]
    assert [fields[code]["field_name"] for code in never] == ["Nie benutzt 🤷"]
    names = [field["field_name"] for field in fields.values()]
    assert names.count("Region") == 2


def test_every_reference_names_a_record_that_exists(company: Company) -> None:
    links = {
        "org_id": "organizations",
        "deal_id": "deals",
        "person_id": "persons",
        "owner_id": "users",
        "user_id": "users",
    }
    known = {target: {one["id"] for one in company.all(target, deleted=True)} for target in links.values()}
    dangling = [
        (entity, record["id"], key)
        for entity in ("deals", "persons", "activities", "notes", "files")
        for record in company.all(entity, deleted=True)
        for key, target in links.items()
        if record.get(key) is not None and record[key] not in known[target]
    ]
    assert dangling == []


def test_a_company_can_have_a_note_of_five_megabytes_or_nothing_but_its_reference_data() -> None:
    big = generate(1, clock=ManualClock(START), organizations=2, big_note=True)
    assert 4_900_000 < max(len(note["content"]) for note in big.all("notes")) < 5_100_000
    empty = generate(1, clock=ManualClock(START), organizations=0)
    assert (empty.count("organizations"), empty.count("activities"), empty.count("stages")) == (0, 0, 10)


def test_the_sandbox_runs_alone_and_prints_its_address_and_token_on_one_line() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "sync.sandbox", "--port", "0", "--seed", "1", "--organizations", "3"]
    environment = {"PYTHONPATH": str(root), "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().split()
        answer = requests.get(f"{url}/api/v2/organizations", headers={"x-api-token": token}, timeout=20)
        process.terminate()
        assert process.wait(20) == 0
    assert len(answer.json()["data"]) == 3
