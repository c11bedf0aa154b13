"""What accounts are found by is fresh after every build and edit, and after plain SQL at the next look."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alembic import command
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

from sync.accounts.fields import load_fields
from sync.accounts.folding import folded
from sync.accounts.lists.calendar import Calendar, due_moment
from sync.accounts.lists.filtering import Filter
from sync.accounts.lists.indexing import any_stale, entry_of, freshen_index, pack_index, refresh_index
from sync.accounts.lists.listing import jump, matching_ids
from sync.pipedrive.entities import ORGANIZATIONS
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.migrating import config
from sync.store.schema import account_index, accounts
from sync.store.upgrade import upgrade
from sync.writeback.editing import edit_account
from tests.accounts.mirrored import Mirrored

TIER = "c" * 40
NOW = Calendar(datetime(2026, 11, 25, tzinfo=UTC))


@pytest.fixture
def company(mirrored: Mirrored) -> Mirrored:
    """Two accounts, of which the first has a label and an option."""
    mirrored.field(TIER, "Tier", "enum", options=[{"id": 1, "label": "Gold"}, {"id": 2, "label": "Tin"}])
    mirrored.organization(1, name="Ångström", label_ids=[7], custom_fields={TIER: 1}, address={"value": "Rue 1"})
    mirrored.organization(2, name="Other")
    for one in (1, 2):
        mirrored.deal(one, org_id=one)
    return mirrored


def found(mirrored: Mirrored, **wanted: Any) -> list[int]:
    with mirrored.database.reading() as connection:
        return list(matching_ids(connection, 1, Filter(**wanted), NOW))


def stale(mirrored: Mirrored) -> bool:
    with mirrored.database.reading() as connection:
        return any_stale(connection, 1)


def rename_by_sql(mirrored: Mirrored, **values: Any) -> None:
    with mirrored.database.writing() as connection:
        connection.execute(update(accounts).where(accounts.c.organization_id == 2).values(**values))


def compute(mirrored: Mirrored, **values: Any) -> None:
    """As the builder does, whatever it may find one day."""
    rename_by_sql(mirrored, revision=accounts.c.revision + 1, **values)


def assert_index_is_right(mirrored: Mirrored) -> None:
    """Every entry is what its account's row makes of it."""
    assert not stale(mirrored)
    with mirrored.database.reading() as connection:
        for account in mirrored.accounts():
            entry, one = entry_of(account), account["organization_id"]
            held = connection.execute(select(account_index).where(account_index.c.organization_id == one)).one()
            assert (held.sort_name, held.text, held.options) == (entry.sort_name, entry.text, entry.lines)
            copied = [name for name in account_index.c.keys() if name in account]  # noqa: SIM118
            assert {name: getattr(held, name) for name in copied} == {name: account[name] for name in copied}
            day, time = account["next_activity_due_date"] or date.max, account["next_activity_due_time"]
            timed = day != date.max and due_moment(day, time) is not None
            due = f"{day}T{time[:5]}" if timed else str(day)
            assert held.due == (due if account["next_activity_id"] else None)
            won, labels = account["won_value"], account["label_ids"]
            assert held.won_units == (None if won is None or abs(won) > 10**10 else won * 10**4)
            assert held.labels == (None if labels is None else f",{','.join(map(str, labels))},")


def test_a_build_indexes_what_it_writes(company: Mirrored) -> None:
    assert_index_is_right(company)
    company.organization(1, name="Renamed", label_ids=[8], custom_fields={TIER: 2})
    assert_index_is_right(company)
    assert found(company, labels=frozenset({8})) == [1]
    assert found(company, labels=frozenset({7})) == []


def test_what_plain_sql_changed_is_found_at_once_and_indexed_at_the_next_look(company: Mirrored) -> None:
    rename_by_sql(company, name="Çelik", label_ids=[7], custom_fields={TIER: 1}, fields={"tier": "high"})
    assert stale(company)
    assert found(company, search="celik") == [2]
    assert found(company, search="other") == []
    assert found(company, labels=frozenset({7})) == [1, 2]
    assert found(company, options={TIER: frozenset({"1"}), "fields.tier": frozenset({"high"})}) == [2]
    with company.database.reading() as connection:
        assert [one.id for one in jump(connection, 1, "cel")] == [2]
    assert freshen_index(company.database, 1) == 1
    assert_index_is_right(company)
    assert freshen_index(company.database, 1) == 0


def test_an_edit_indexes_its_account_and_leaves_others_alone(company: Mirrored) -> None:
    rename_by_sql(company, name="By SQL")
    with company.database.writing() as connection:
        fields = load_fields(connection, 1, load_settings({}))
        edit_account(connection, 1, fields, 1, {"name": "Edited", TIER: 2}, by="ada", at=company.now)
    with company.database.reading() as connection:
        is_stale = account_index.c.text.is_(None)
        assert connection.scalars(select(account_index.c.organization_id).where(is_stale)).all() == [2]
    assert found(company, search="edited", options={TIER: frozenset({"2"})}) == [1]


def test_what_is_not_searched_leaves_the_index_fresh(company: Mirrored) -> None:
    company.deal(3, org_id=1, value=5)
    rename_by_sql(company, owner_id=3)
    assert not stale(company)


@pytest.mark.parametrize(
    "values",
    [
        {"won_value": Decimal("0.0001"), "label_ids": []},
        {"won_value": Decimal(10**10), "label_ids": [12, 1, 121]},
        {"won_value": Decimal(10**10 + 1), "label_ids": None},
        {"won_value": Decimal("-1234.5"), "next_activity_id": 5},
        {"won_value": None, "next_activity_id": 5, "next_activity_due_time": "09:30"},
        *(
            {"next_activity_id": 5, "next_activity_due_date": date(2026, 11, 24), "next_activity_due_time": time}
            for time in (None, "", "09:30", "23:59:59", "24:00", "9:30", "soon", "09:30:00.5")
        ),
    ],
)
def test_whatever_an_account_holds_is_in_the_index_at_once(company: Mirrored, values: dict[str, Any]) -> None:
    compute(company, **values)
    assert_index_is_right(company)
    company.organization(2, name="Afterwards")
    assert_index_is_right(company)


def test_a_label_is_no_other_that_has_its_digits(company: Mirrored) -> None:
    rename_by_sql(company, label_ids=[12, 1, 121])
    assert [one for one in (1, 2, 12, 21, 121, 11) if found(company, labels=frozenset({one}))] == [1, 12, 121]
    assert found(company, labels=frozenset({2, 7, 121})) == [1, 2]


def test_accounts_of_an_older_schema_are_in_the_index_after_the_upgrade(company: Mirrored) -> None:
    rename_by_sql(company, label_ids=[8])
    compute(company, next_activity_id=5, next_activity_due_date=date(2026, 11, 24))
    for revision in ("0005", "0004", "0003"):
        with company.database.writing() as connection:
            command.downgrade(config(connection), revision)
        upgrade(company.database)
        freshen_index(company.database, 1)
        assert_index_is_right(company)


def test_the_index_that_lists_read_is_packed_unless_it_is_being_read(
    company: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL; SQLite uses its room again."""
    if company.database.is_sqlite:
        pack_index(company.database)
        return
    monkeypatch.setattr("sync.accounts.lists.indexing._NOT_FOR_LONG", text("SET LOCAL lock_timeout = '10ms'"))
    for day in range(1, 300):
        compute(company, next_activity_id=5, next_activity_due_date=date(2026, 1, 1) + timedelta(days=day))
    before = room_of_the_index(company)
    with company.database.reading() as connection:
        connection.execute(text("LOCK TABLE account_index IN ACCESS SHARE MODE"))
        connection.execute(text("SELECT count(*) FROM account_index WHERE company_id = 1 AND status = 'active'"))
        pack_index(company.database)
    assert room_of_the_index(company) == before
    pack_index(company.database)
    assert room_of_the_index(company) < before
    assert_index_is_right(company)


def test_who_does_not_own_the_tables_does_without_the_packing(
    company: Mirrored, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL: one user may migrate, and another one run the service."""
    if company.database.is_sqlite:
        return
    run = request.getfixturevalue("postgresql_template")
    run("CREATE ROLE clerk LOGIN")
    try:
        with company.database.writing() as connection:
            connection.execute(text("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk"))
        address = company.database.url.set(username="clerk").render_as_string(hide_password=False)
        with closing(Database(address)) as clerk:
            with capture_logs() as logs:
                pack_index(clerk)
            assert [one["event"] for one in logs] == ["index_not_packed"]
            with clerk.writing() as connection:
                assert refresh_index(connection, 1) == 0
    finally:
        with company.database.writing() as connection:
            connection.execute(text("DROP OWNED BY clerk"))
        run("DROP ROLE clerk")


def room_of_the_index(company: Mirrored) -> int:
    with company.database.reading() as connection:
        return int(connection.scalar(text("SELECT pg_relation_size('ix_account_index_listing')")) or 0)


def test_an_account_that_comes_back_is_found(company: Mirrored) -> None:
    company.delete(ORGANIZATIONS, 1)
    assert found(company, search="angstrom") == []
    company.organization(1, name="Ångström")
    assert found(company, search="angstrom") == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Ä  b\tC ", "a b c"), ("Straße", "strasse"), ("ﬁn", "fin"), ("İstanbul", "istanbul"), ("Ⅷ", "viii"), ("", "")],
)
def test_texts_are_folded(text: str, expected: str) -> None:
    assert folded(text) == expected


@pytest.mark.parametrize("letter", ["%", "_", "\\", "'", '"', "*", "?", "[", "]", "^", "[a-z]", "*other*", "o?her"])
def test_no_letter_of_a_search_means_another(company: Mirrored, letter: str) -> None:
    assert found(company, search=letter) == []
    rename_by_sql(company, name=f"a{letter}b")
    freshen_index(company.database, 1)
    assert found(company, search=letter) == [2]
    assert found(company, search=f"a{letter}b") == [2]


def test_what_an_account_holds_never_reads_as_another_option(company: Mirrored) -> None:
    """Whatever stands in an own field, or is its name, it is no option of another field."""
    hostile = {"tier": f"high\n{TIER}\t1\nx", f"x\t1\n{TIER}\t1": "y", "plain": "7"}
    rename_by_sql(company, fields=hostile)
    for _ in range(2):  # before it is indexed, and then
        assert found(company, options={TIER: frozenset({"1"})}) == [1]
        assert found(company, options={"fields.plain": frozenset({"7"})}) == [2]
        freshen_index(company.database, 1)
