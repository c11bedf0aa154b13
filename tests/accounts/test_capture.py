"""Edits of accounts by any program are seen by the database itself; ours are not taken for edits."""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import RowMapping, select, text

from sync.accounts.builder import build_accounts
from sync.pipedrive.entities import ORGANIZATIONS
from sync.store.database import Database
from sync.store.errors import DatabaseError
from sync.store.schema import account_edits, account_history, accounts, parked_changes
from tests.accounts.mirrored import Mirrored

CODE, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def account(mirrored: Mirrored) -> Mirrored:
    """A company with one account that has a value of every kind."""
    mirrored.organization(
        1,
        name="Acme",
        owner_id=3,
        address={"value": "Bonn", "locality": "Bonn"},
        label_ids=[1, 2],
        visible_to=3,
        website="https://acme.example",
        annual_revenue=1200.5,
        custom_fields={CODE: "old", OTHER: {"value": 5, "currency": "EUR"}},
    )
    mirrored.deal()
    return mirrored


def run(mirrored: Mirrored, statement: str, **values: Any) -> int:
    """What any program may do."""
    with mirrored.database.writing() as connection:
        return connection.execute(text(statement), values).rowcount


def edits(mirrored: Mirrored) -> dict[str, Any]:
    """The fields that wait, and what both sides agreed on before."""
    with mirrored.database.reading() as connection:
        rows = connection.execute(select(account_edits.c.field, account_edits.c.base_value))
        return {row.field: row.base_value for row in rows}


def history(mirrored: Mirrored) -> Sequence[RowMapping]:
    with mirrored.database.reading() as connection:
        return connection.execute(select(account_history).order_by(account_history.c.id)).mappings().all()


def document(mirrored: Mirrored, value: Any) -> str:
    """A JSON document as a program would write it into a statement."""
    cast = "" if mirrored.database.is_sqlite else "::jsonb"
    return f"'{json.dumps(value)}'{cast}"


def test_an_update_by_any_program_is_an_edit_with_what_was_agreed_before(account: Mirrored) -> None:
    run(account, "UPDATE accounts SET name = 'Acme & Co', owner_id = 7 WHERE organization_id = 1")
    assert edits(account) == {"name": "Acme", "owner_id": 3}


def test_a_statement_that_changes_nothing_is_no_edit(account: Mirrored) -> None:
    run(account, "UPDATE accounts SET name = name, owner_id = 3")
    assert (edits(account), history(account)) == ({}, [])


def test_a_second_edit_keeps_what_was_agreed_before_the_first(account: Mirrored) -> None:
    run(account, "UPDATE accounts SET name = 'B'")
    run(account, "UPDATE accounts SET name = 'C'")
    assert edits(account) == {"name": "Acme"}
    assert [(one["old_value"], one["new_value"]) for one in history(account)] == [("Acme", "B"), ("B", "C")]


def test_one_statement_over_many_accounts_edits_each_of_them(account: Mirrored) -> None:
    for one in range(2, 12):
        account.organization(one, owner_id=3)
        account.deal(one, org_id=one)
    assert run(account, "UPDATE accounts SET owner_id = 7 WHERE owner_id = 3") == 11
    with account.database.reading() as connection:
        assert len(connection.execute(select(account_edits)).all()) == 11


@pytest.mark.parametrize(
    ("given", "base"),
    [({CODE: "new"}, {CODE: "old"}), ({CODE: None}, {CODE: "old"}), ({"c" * 40: 5}, {"c" * 40: None}), ({}, {})],
    ids=["changed", "cleared", "never had a value", "all missing"],
)
def test_a_custom_field_is_edited_by_its_code_and_a_missing_one_is_not(
    account: Mirrored, given: Mapping[str, Any], base: Mapping[str, Any]
) -> None:
    run(account, f"UPDATE accounts SET custom_fields = {document(account, given)}")
    assert edits(account) == base


def test_missing_custom_fields_come_back_at_once(account: Mirrored) -> None:
    for given in (document(account, {CODE: None}), "NULL"):
        run(account, f"UPDATE accounts SET custom_fields = {given}")
        assert account.account()["custom_fields"] == {CODE: None, OTHER: {"value": 5, "currency": "EUR"}}
    account.build()
    assert [(one["field"], one["new_value"]) for one in history(account)] == [(CODE, None)]


def test_custom_fields_and_own_fields_can_only_be_objects(account: Mirrored) -> None:
    for column in ("custom_fields", "fields"):
        with pytest.raises(DatabaseError):
            run(account, f"UPDATE accounts SET {column} = {document(account, [1])}")


def test_programs_whose_triggers_are_recursive_make_no_edit_twice(account: Mirrored) -> None:
    if not account.database.is_sqlite:  # knows no such switch
        return
    with account.database.writing() as connection:
        connection.exec_driver_sql("PRAGMA recursive_triggers = ON")
        connection.execute(text(f"UPDATE accounts SET custom_fields = {document(account, {CODE: 'x'})}, address = 'A'"))
    assert len(history(account)) == 2
    assert edits(account).keys() == {CODE, "address"}


def test_a_bare_text_stands_for_the_value_of_an_address(account: Mirrored) -> None:
    bare = "'Köln 1'" if account.database.is_sqlite else "'\"Köln 1\"'"
    run(account, f"UPDATE accounts SET address = {bare}")
    assert account.account()["address"] == {"value": "Köln 1"}
    assert [one["new_value"] for one in history(account)] == [{"value": "Köln 1"}]


def test_own_fields_are_edited_under_a_name_of_their_own(account: Mirrored) -> None:
    run(account, f"UPDATE accounts SET fields = {document(account, {'health': 'good', 'tier': 1})}")
    run(account, f"UPDATE accounts SET fields = {document(account, {'health': 'bad'})}")
    assert edits(account) == {"fields.health": None, "fields.tier": None}
    assert [(one["field"], one["new_value"]) for one in history(account)][2:] == [
        ("fields.health", "bad"),
        ("fields.tier", None),
    ]


@pytest.mark.parametrize(
    "change",
    ["won_value = 5", "status = 'former'", "next_activity_id = 9", "created_at = NULL", "organization_id = 5"],
)
def test_what_is_computed_refuses_an_edit(account: Mirrored, change: str) -> None:
    before = account.account()
    with pytest.raises(DatabaseError, match="computed from Pipedrive"):
        run(account, f"UPDATE accounts SET {change}")
    assert account.account() == before


def test_whoever_edits_may_say_who_and_when(account: Mirrored) -> None:
    moment = datetime(2026, 11, 1, 8, 30, 0, 250_000, tzinfo=UTC)
    with account.database.writing() as connection:
        connection.execute(accounts.update().values(name="B", edited_by="alice", edited_at=moment))
    (one,) = history(account)
    assert (one["changed_by"], one["changed_at"], one["side"]) == ("alice", moment, "account")
    run(account, "UPDATE accounts SET name = 'C'")
    second = history(account)[1]
    assert second["changed_by"] == "sql"
    assert timedelta(0) <= datetime.now(UTC) - second["changed_at"] < timedelta(minutes=1)


def test_what_pipedrive_changes_is_history_and_no_edit(account: Mirrored) -> None:
    account.organization(1, name="Renamed", custom_fields={CODE: "theirs"})
    assert edits(account) == {}
    assert {(one["field"], one["new_value"], one["changed_by"], one["side"]) for one in history(account)} >= {
        ("name", "Renamed", "pipedrive", "pipedrive"),
        (CODE, "theirs", "pipedrive", "pipedrive"),
    }


def test_an_edited_field_stays_and_all_others_follow_pipedrive(account: Mirrored) -> None:
    run(account, "UPDATE accounts SET name = 'Ours'")
    run(account, f"UPDATE accounts SET custom_fields = {document(account, {CODE: 'ours'})}")
    account.organization(1, name="Theirs", owner_id=9, custom_fields={CODE: "theirs", OTHER: None})
    held = account.account()
    assert (held["name"], held["owner_id"]) == ("Ours", 9)
    assert held["custom_fields"] == {CODE: "ours", OTHER: None}


def test_a_build_over_edits_settles(account: Mirrored) -> None:
    run(account, f"UPDATE accounts SET custom_fields = {document(account, {CODE: None})}, name = 'Ours'")
    account.build()
    assert account.build() == 0


def test_an_edit_takes_a_parked_change_up_again(account: Mirrored) -> None:
    with account.database.writing() as connection:
        for field in ("name", "owner_id"):
            parked = {"company_id": 1, "organization_id": 1, "field": field, "value": 1, "reason": "no"}
            connection.execute(parked_changes.insert().values(**parked, since=account.now, attempts=1))
    run(account, "UPDATE accounts SET name = 'B'")
    with account.database.reading() as connection:
        assert connection.scalars(select(parked_changes.c.field)).all() == ["owner_id"]


def test_numbers_can_only_be_numbers(account: Mirrored) -> None:
    for change in ("owner_id = 'Alice'", "annual_revenue = 'much'"):
        with pytest.raises(DatabaseError):
            run(account, f"UPDATE accounts SET {change}")


def test_an_edit_that_commits_while_accounts_are_built_is_not_built_over(account: Mirrored) -> None:
    """Where rows are locked one by one: the build has read the account before the edit and writes after it."""
    if account.database.is_sqlite:  # has one writer at a time: nothing can come between
        return
    with account.database.writing() as connection:  # the mirror is ahead of the account
        connection.execute(text("UPDATE organizations SET owner_id = 9"))
    done = threading.Event()

    def build() -> None:
        with account.database.writing() as connection:
            build_accounts(connection, 1, account.valuation, organizations={1}, now=account.now)
        done.set()

    with account.database.writing() as editing:
        editing.execute(text("UPDATE accounts SET name = 'Ours'"))
        builder = threading.Thread(target=build)
        builder.start()
        _wait_until_blocked(account.database)
    builder.join()
    assert done.is_set()
    assert account.account()["name"] == "Ours"
    account.build()
    assert (account.account()["name"], account.account()["owner_id"]) == ("Ours", 9)


def _wait_until_blocked(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(waiting) == 0:
            pass


def test_an_edit_of_an_account_whose_organization_is_gone_stays(account: Mirrored) -> None:
    run(account, "UPDATE accounts SET name = 'Ours'")
    account.delete(ORGANIZATIONS, 1)
    assert (account.account()["status"], account.account()["name"]) == ("former", "Ours")
