"""`accounts list`, `show` and `export`: what people and programs are shown, and what happens when there is little."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select

from sync.mirror.cycle import run_cycle
from sync.sandbox import Company, Sandbox
from sync.store.lock import sole_instance
from sync.store.schema import accounts, companies
from tests.cli.conftest import Program, won


def names(listed: list[dict[str, Any]]) -> list[str]:
    return [account["name"] for account in listed]


def field_of(company: Company, name: str) -> Any:
    return next(one for one in company.fields.custom("organizations").values() if one["field_name"] == name)


def code_of(company: Company, name: str) -> str:
    code: str = field_of(company, name)["field_code"]
    return code


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_list_shows_what_an_account_is_worth_and_what_is_next(program: Program, company: Company) -> None:
    organization = won(company, "Nordlicht", (0.1, "EUR"), (0.2, "EUR"))
    activity = {"subject": "Ring back", "type": "call", "due_date": "2031-02-03", "due_time": "09:30:00"}
    company.create("activities", {**activity, "org_id": organization, "done": False, "owner_id": 1})
    program.fill()
    out = program.run("accounts", "list").out
    assert "0.30 EUR" in out
    assert "2031-02-03 09:30  Call: Ring back" in out
    assert company.get("users", 1)["name"] in out
    assert "1 of 1 active accounts." in out


def test_the_list_as_json_has_one_object_per_account(program: Program, company: Company) -> None:
    organization = won(company, "Nordlicht", (0.1, "EUR"), (0.2, "EUR"))
    program.fill()
    (account,) = program.json("accounts", "list")
    assert account["organization_id"] == organization
    assert (account["won_value"], account["currency"], account["won_deals_count"]) == (0.3, "EUR", 2)
    assert (account["owner_id"], account["owner_name"]) == (1, company.get("users", 1)["name"])
    assert account["next_activity_id"] is None


def test_an_amount_has_the_decimals_of_its_currency(program: Program, company: Company) -> None:
    won(company, "Sakura", (1500, "JPY"))
    program.fill(SYNC_CURRENCY__BASE="JPY")
    assert " 1,500 JPY " in program.run("accounts", "list").out
    page = program.run("accounts", "show", "Sakura").out
    assert "1,500 JPY (1 deal)" in page


def test_where_a_rate_is_missing_the_list_says_so_and_shows_no_wrong_amount(program: Program, company: Company) -> None:
    won(company, "Sterling", (10, "EUR"), (10, "GBP"))
    program.fill()
    assert "rate missing" in program.run("accounts", "list").out
    assert program.json("accounts", "list")[0]["won_value"] is None
    page = program.run("accounts", "show", "Sterling").out
    assert "10.00 EUR (1 deal); 10.00 GBP (1 deal)" in page


def test_text_from_pipedrive_can_not_steer_the_terminal(program: Program, company: Company) -> None:
    won(company, "Evil \x1b]0;title\x07\x1b[2J\u202egpj\x9b31m\nsecond line", (1, "EUR"))
    program.fill()
    listed, page = program.run("accounts", "list").out, program.run("accounts", "show", "1").out
    for text in (listed, page):
        assert not any(control in text for control in "\x1b\x07\u202e\x9b")
    assert "gpj" in listed
    assert "second line" in page.splitlines()[0]
    assert program.json("accounts", "list")[0]["name"].endswith("second line")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("won_value", ["Ärmel", "zebra", "Alpha"]),
        ("name", ["Alpha", "Ärmel", "zebra"]),
        ("won_deals", ["zebra", "Alpha", "Ärmel"]),
        ("next_activity", ["Alpha", "zebra", "Ärmel"]),
        ("id", ["zebra", "Alpha", "Ärmel"]),
    ],
)
def test_the_list_is_sorted_as_asked(program: Program, company: Company, sort: str, expected: list[str]) -> None:
    ids = [won(company, "zebra", (20, "EUR"), (5, "EUR")), won(company, "Alpha", (3, "EUR"))]
    won(company, "Ärmel", (30, "EUR"))
    for organization, day in zip(ids, ("2031-05-02", "2031-05-01"), strict=True):
        company.create("activities", {"subject": "x", "type": "call", "org_id": organization, "due_date": day})
    program.fill()
    assert names(program.json("accounts", "list", "--sort", sort)) == expected
    assert names(program.json("accounts", "list", "--sort", sort, "--limit", "1")) == expected[:1]
    assert "1 of 3 active accounts." in program.run("accounts", "list", "--sort", sort, "--limit", "1").out


def test_the_list_is_narrowed_by_owner_and_by_a_part_of_the_name(program: Program, company: Company) -> None:
    owner = company.get("users", 2)
    company.update("users", 2, {"name": "Zoë Unique"})
    won(company, "Müller & Söhne", (1, "EUR"))
    won(company, "Straße GmbH", (1, "EUR"), owner_id=2)
    program.fill()
    assert names(program.json("accounts", "list", "--search", "MÜLLER")) == ["Müller & Söhne"]
    assert names(program.json("accounts", "list", "--search", "strasse")) == ["Straße GmbH"]
    assert names(program.json("accounts", "list", "--owner", "zoë")) == ["Straße GmbH"]
    assert names(program.json("accounts", "list", "--owner", str(owner["id"]))) == ["Straße GmbH"]
    assert program.json("accounts", "list", "--owner", "Zoë Unique", "--search", "müller") == []
    assert "no user 'Nobody'" in program.run("accounts", "list", "--owner", "Nobody", code=1).err


def test_a_former_account_is_listed_when_asked_for(program: Program, company: Company) -> None:
    won(company, "Stays", (1, "EUR"))
    gone = won(company, "Goes", (1, "EUR"))
    program.fill()
    (deal,) = [deal for deal in company.all("deals") if deal["org_id"] == gone]
    company.delete("deals", deal["id"])
    with program.mirror() as mirror:
        run_cycle(mirror, whole_sweep=True)
    assert names(program.json("accounts", "list")) == ["Stays"]
    assert names(program.json("accounts", "list", "--status", "former")) == ["Goes"]
    assert len(program.json("accounts", "list", "--status", "all")) == 2
    assert "former account" in program.run("accounts", "show", "Goes").out


def test_before_anything_is_copied_the_commands_say_what_to_run(program: Program, tmp_path: Path) -> None:
    for arguments in (("list",), ("show", "1"), ("export", "--output", str(tmp_path / "out.csv"))):
        outcome = program.run("accounts", *arguments, code=1)
        assert "Run `pipedrive-sync backfill`" in outcome.err
        assert outcome.out == ""
    assert not (tmp_path / "out.csv").exists()


def test_before_the_accounts_are_built_the_commands_say_so(program: Program) -> None:
    with program.mirror():
        pass  # the company is known, nothing else
    assert "built at its end" in program.run("accounts", "list", code=1).err


def test_a_company_without_a_won_deal_has_an_empty_list(program: Program) -> None:
    program.fill()
    assert program.run("accounts", "list").out == "0 of 0 active accounts.\n"
    assert program.json("accounts", "list") == []
    assert program.json("accounts", "export") == []
    assert program.run("accounts", "export", "--format", "jsonl").out == ""
    assert rows_of(program.run("accounts", "export").out) == []


def test_show_finds_an_account_by_its_id_or_by_an_unambiguous_name(program: Program, company: Company) -> None:
    first = won(company, "Blue Heron", (1, "EUR"))
    second = won(company, "Blue Heron Holding", (1, "EUR"))
    program.fill()
    assert program.json("accounts", "show", str(first))["organization_id"] == first
    assert program.json("accounts", "show", "blue  heron")["organization_id"] == first
    assert program.json("accounts", "show", "HOLDING")["organization_id"] == second


def test_show_lists_the_accounts_that_an_ambiguous_name_may_mean(program: Program, company: Company) -> None:
    ids = [won(company, "Blue Heron A", (1, "EUR")), won(company, "Blue Heron B", (1, "EUR"))]
    program.fill()
    err = program.run("accounts", "show", "heron", code=1).err
    assert f"2 accounts fit 'heron': {ids[0]} Blue Heron A; {ids[1]} Blue Heron B. Give the id." in err


def test_show_tells_an_organization_without_a_won_deal_from_none_at_all(program: Program, company: Company) -> None:
    won(company, "Account", (1, "EUR"))
    organization = company.create("organizations", {"name": "Prospect", "visible_to": 3})["id"]
    program.fill()
    for meant in ("prospect", str(organization)):
        err = program.run("accounts", "show", meant, code=1).err
        assert f"{organization} Prospect exists, but has no won deal" in err
    assert "no account and no organization '4711'" in program.run("accounts", "show", "4711", code=1).err


def test_show_tells_everything_about_an_account(program: Program, company: Company) -> None:
    products, options = code_of(company, "Produkte"), field_of(company, "Produkte")["options"]
    label = company.fields.get("organizations", "label_ids")["options"][0]
    organization = won(
        company,
        "Whole",
        (12.5, "EUR"),
        label_ids=[label["id"]],
        address={"value": "Hauptstr. 1, Berlin"},
        custom_fields={products: [options[0]["id"], options[1]["id"]], code_of(company, "Zweitbetreuer"): 3},
    )
    deal = company.create("deals", {"title": "Open one", "org_id": organization, "status": "open", "value": 7})["id"]
    emails = [{"value": "ada@mail.example", "primary": True}]
    phones = [{"value": "+1 2", "primary": False}, {"value": "+3", "primary": True}]
    company.create("persons", {"name": "Ada", "org_id": organization, "emails": emails, "phones": phones})
    for number in range(12):
        done = {"subject": f"Done {number:02d}", "type": "call", "org_id": organization, "done": True}
        company.create("activities", done | {"marked_as_done_time": f"2026-01-{number + 1:02d}T10:00:00Z"})
    company.create("activities", {"subject": "Of the deal", "type": "call", "deal_id": deal, "due_date": "2031-01-01"})
    company.create("notes", {"content": "on the deal", "deal_id": deal})
    company.create("notes", {"content": "on the organization", "org_id": organization})
    company.add_file("offer.pdf", b"x", org_id=organization)
    program.fill()

    shown = program.json("accounts", "show", str(organization))
    assert shown["owner_name"] == company.get("users", 1)["name"]
    assert shown["labels"] == [label["label"]]
    assert shown["custom_fields"][products] == [options[0]["id"], options[1]["id"]]
    assert shown["custom_fields_by_name"] == {
        "Produkte": [options[0]["label"], options[1]["label"]],
        "Zweitbetreuer": company.get("users", 3)["name"],
    }
    assert shown["won_values"] == [{"currency": "EUR", "value": 12.5, "deals_count": 1}]
    assert shown["deals_count"] == {"won": 1, "open": 1, "lost": 0, "archived": 0}
    assert shown["created_by_deal"]["title"] == "Deal of Whole"
    assert shown["next_activity"]["subject"] == "Of the deal"
    assert [one["subject"] for one in shown["activities"]["planned"]] == ["Of the deal"]
    assert [one["subject"] for one in shown["activities"]["done"]] == [f"Done {n:02d}" for n in range(11, 1, -1)]
    assert (shown["notes_count"], shown["files_count"]) == (2, 1)
    assert shown["synced_at"]
    assert shown["read_at"]

    page = program.run("accounts", "show", str(organization)).out
    for part in ("12.50 EUR", "Hauptstr. 1, Berlin", label["label"], options[0]["label"], "ada@mail.example"):
        assert part in page
    for part in ("+3, +1 2", "Open one", "Of the deal", "Done 11", "2 notes, 1 file.", "through deal"):
        assert part in page
    assert "Done 01" not in page


def test_a_csv_file_has_a_row_per_account_and_a_readable_column_per_custom_field(
    program: Program, company: Company
) -> None:
    money, span = code_of(company, "Umsatzziel"), code_of(company, "Vertragslaufzeit")
    fields = {
        money: {"value": -5.5, "currency": "USD"},
        span: {"value": "2026-01-01", "until": "2026-12-31"},
        code_of(company, "Score"): -1.5,
        code_of(company, "Kunde seit"): "2020-02-29",
    }
    organization = won(company, 'Quote " and, comma\nline', (0.1, "EUR"), (0.2, "EUR"), custom_fields=fields)
    program.fill()
    out = program.run("accounts", "export").out
    assert not out.startswith("\ufeff")
    (row,) = rows_of(out)
    assert row["organization_id"] == str(organization)
    assert row["name"] == 'Quote " and, comma\nline'
    assert row["owner"] == company.get("users", 1)["name"]
    assert (row["won_value"], row["currency"]) == ("0.3", "EUR")
    assert (row["Umsatzziel"], row["Umsatzziel (currency)"]) == ("-5.5", "USD")
    assert (row["Vertragslaufzeit"], row["Vertragslaufzeit (until)"]) == ("2026-01-01", "2026-12-31")
    assert (row["Score"], row["Kunde seit"]) == ("-1.5", "2020-02-29")
    assert "custom_fields" not in row
    with program.database.reading() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("v_accounts")}
    assert {name for name in row if name not in accounts.c} <= columns


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(program: Program, company: Company, start: str) -> None:
    note = company.fields.add("organizations", f"{start}HYPERLINK(1)", "varchar", ())["field_code"]
    won(company, f"{start}cmd|' /C calc'!A0", (1, "EUR"), custom_fields={note: f"{start}1+1"})
    program.fill()
    cells = [cell for row in csv.reader(io.StringIO(program.run("accounts", "export").out, newline="")) for cell in row]
    assert f"'{start}cmd|' /C calc'!A0" in cells
    assert f"'{start}1+1" in cells
    assert not any(cell.startswith(start) for cell in cells)


def test_json_lines_carry_the_shapes_of_the_api(program: Program, company: Company) -> None:
    fields = {code_of(company, "Umsatzziel"): {"value": 5, "currency": "USD"}, code_of(company, "Region"): None}
    won(company, "=Raw", (0.1, "EUR"), (0.2, "EUR"), custom_fields=fields, address={"value": "Here 1"})
    won(company, "Second", (1, "GBP"))
    program.fill()
    first, second = map(json.loads, program.run("accounts", "export", "--format", "jsonl").out.splitlines())
    bookkeeping = {"edited_by", "edited_at", "edits", "revision"}
    assert set(first) == set(accounts.c.keys()) - bookkeeping
    assert (first["name"], first["address"]["value"], first["won_value"]) == ("=Raw", "Here 1", 0.3)
    assert first["custom_fields"] == company.get("organizations", 1)["custom_fields"]
    assert first["last_won_time"] == company.get("deals", 2)["won_time"]
    assert second["won_value"] is None
    assert program.json("accounts", "export") == [first, second]


def test_an_export_to_a_file_replaces_it_whole_and_counts(program: Program, company: Company, tmp_path: Path) -> None:
    won(company, "One", (1, "EUR"))
    won(company, "Two", (1, "EUR"))
    program.fill()
    file = tmp_path / "accounts.jsonl"
    file.write_text("old")
    outcome = program.run("accounts", "export", "--format", "jsonl", "--output", str(file))
    assert outcome.out == ""
    assert "Wrote 2 accounts to" in outcome.err
    assert [json.loads(line)["name"] for line in file.read_text(encoding="utf-8").splitlines()] == ["One", "Two"]
    assert not list(tmp_path.glob(".accounts.jsonl*"))


def test_an_export_that_can_not_be_written_is_an_error_with_a_remedy(
    program: Program, company: Company, tmp_path: Path
) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    missing = tmp_path / "nowhere" / "accounts.csv"
    err = program.run("accounts", "export", "--output", str(missing), code=1).err
    assert "can't be written: No such file or directory. Choose another file" in err


def test_the_commands_work_beside_a_running_sync(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    with sole_instance(program.database):
        assert len(program.json("accounts", "list")) == 1
        assert program.json("accounts", "show", "One")["name"] == "One"
        assert len(program.json("accounts", "export")) == 1


def test_where_companies_share_a_database_the_company_must_be_named(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    with program.database.writing() as connection:
        (held,) = connection.execute(select(companies)).mappings()
        connection.execute(companies.insert().values({**held, "company_id": 99, "name": "Other"}))
    err = program.run("accounts", "list", code=2).err
    assert f"--company ID; there are 99 (Other), {company.id} (" in err
    assert names(program.json("accounts", "list", "--company", str(company.id))) == ["One"]
    assert program.json("accounts", "list", "--company", "99") == []
    assert "Company 5 is not in this database" in program.run("accounts", "list", "--company", "5", code=2).err


def test_the_commands_run_as_programs_in_a_clean_environment(program: Program, company: Company) -> None:
    won(company, "日本 Müller", (1, "EUR"))
    program.fill()
    listed = program.process("accounts", "list", "--json")
    assert (listed.returncode, names(json.loads(listed.stdout))) == (0, ["日本 Müller"])
    assert "日本 Müller" in program.process("accounts", "show", "1").stdout
    exported = program.process("accounts", "export", "--format", "csv")
    assert rows_of(exported.stdout)[0]["name"] == "日本 Müller"


@pytest.mark.parametrize("arguments", [("export",), ("list", "--json")])
def test_a_reader_that_goes_away_is_no_error(
    program: Program, company: Company, sandbox: Sandbox, arguments: tuple[str, ...]
) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = program.process("accounts", *arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")
