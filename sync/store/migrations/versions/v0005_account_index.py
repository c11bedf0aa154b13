"""Lists and boards read one narrow table, `account_index`, which has all they filter, sort and sum up by; and what is
deleted is counted by an index.

Revision: 0005
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.types import Day, Integer, Number, Timestamp

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COPIED = (
    *("status", "owner_id", "won_deals_count", "open_deals_count", "won_value", "currency"),
    *("last_won_time", "last_activity_time", "created_at"),
)
_DUE = ("next_activity_id", "next_activity_due_date", "next_activity_due_time")
_LISTED = (*_COPIED, "due_date", "due_time")
_NO_DAY = "9999-12-31"  # something is planned, and comes after all that has a day
_IN_ORDER = (
    *("company_id", "status", "due_date", "due_time", "organization_id", "owner_id", "last_activity_time"),
    *("won_value", "currency", "won_deals_count", "open_deals_count", "created_at", "last_won_time"),
)
_FORMER_ORDER = (
    *("company_id", "status", "next_activity_due_date", "next_activity_due_time", "organization_id"),
    *("next_activity_id", "owner_id", "last_activity_time", "won_value", "currency", "won_deals_count"),
    *("open_deals_count", "created_at", "last_won_time"),
)
_KEY = ("company_id", "organization_id")
_MIRRORED = (
    *("fields", "currencies", "users", "pipelines", "stages", "activity_types"),
    *("deals", "organizations", "persons", "activities", "notes", "files"),
)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    gone = sa.text("deleted_at IS NOT NULL")
    for table in _MIRRORED:
        op.create_index(f"ix_{table}_gone", table, ["company_id"], sqlite_where=gone, postgresql_where=gone)
    op.drop_index("ix_accounts_listing", "accounts")
    op.drop_table("account_options")
    op.drop_index("ix_account_index_company_id_sort_name_organization_id", "account_index")
    for name, kind in _kinds().items():
        op.add_column("account_index", sa.Column(name, kind))
    op.add_column("account_index", sa.Column("options", sa.Text()))
    drop_triggers("accounts_listed", "accounts_changed")
    run(triggers(dialect))
    copy_accounts(dialect)
    create_indexes(dialect)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table in _MIRRORED:
        op.drop_index(f"ix_{table}_gone", table)
    drop_triggers("accounts_listed", "accounts_changed", "accounts_moved")
    op.drop_index("ix_account_index_listing", "account_index")
    if dialect == "sqlite":
        op.drop_index("ix_account_index_texts", "account_index")
    for name in (*_LISTED, "options"):
        op.drop_column("account_index", name)
    op.execute("UPDATE account_index SET text = NULL")
    op.create_table(
        "account_options",
        *_needed(Integer(), "company_id"),
        *_needed(sa.Text(), "field", "option"),
        *_needed(Integer(), "organization_id"),
        sa.PrimaryKeyConstraint("company_id", "field", "option", "organization_id", name="pk_account_options"),
        sa.ForeignKeyConstraint(
            list(_KEY),
            [f"accounts.{name}" for name in _KEY],
            name="fk_account_options_accounts",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_account_options_company_id_organization_id", "account_options", list(_KEY))
    op.create_index(
        "ix_account_index_company_id_sort_name_organization_id",
        "account_index",
        ["company_id", "sort_name", "organization_id"],
    )
    op.create_index("ix_accounts_listing", "accounts", list(_FORMER_ORDER))
    run(_former_triggers(dialect))


def copy_accounts(dialect: str) -> None:
    """Fill what is copied from accounts, and let the rest be made anew."""
    op.execute(
        f"UPDATE account_index SET text = NULL, ({', '.join(_LISTED)}) = (SELECT {_values('', dialect)} FROM accounts "
        "WHERE accounts.company_id = account_index.company_id "
        "AND accounts.organization_id = account_index.organization_id)"
    )


def create_indexes(dialect: str) -> None:
    """Those that lists and boards read."""
    op.create_index("ix_account_index_listing", "account_index", list(_IN_ORDER))
    if dialect == "sqlite":
        op.create_index("ix_account_index_texts", "account_index", [*_IN_ORDER, "sort_name", "text", "options"])


def _kinds() -> dict[str, Any]:
    moments: dict[str, Any] = dict.fromkeys(("last_won_time", "last_activity_time", "created_at"), Timestamp())
    texts: dict[str, Any] = dict.fromkeys(("status", "currency", "due_time"), sa.Text())
    others: dict[str, Any] = {"won_value": Number(), "due_date": Day()}
    return {name: {**moments, **texts, **others}.get(name, Integer()) for name in _LISTED}


def _values(row: str, dialect: str) -> str:
    """What the columns of `_LISTED` hold, of a row of `accounts` under a name."""
    planned, day, time = (f"{row}{name}" for name in _DUE)
    no_day = f"DATE '{_NO_DAY}'" if dialect == "postgresql" else f"'{_NO_DAY}'"
    due = f"CASE WHEN {planned} IS NOT NULL THEN coalesce({day}, {no_day}) END"
    return ", ".join((*(f"{row}{name}" for name in _COPIED), due, time))


def _needed(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names]


def drop_triggers(*names: str) -> None:
    """Of `accounts`, with their functions."""
    for name in names:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP TRIGGER {name} ON accounts")
            op.execute(f"DROP FUNCTION {name}")
        else:
            op.execute(f"DROP TRIGGER {name}")


def run(statements: tuple[str, ...]) -> None:
    """One after the other."""
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def new(names: tuple[str, ...]) -> str:
    """Columns of the new row of a trigger."""
    return ", ".join(f"NEW.{name}" for name in names)


_TEXTS = ("name", "address", "website", "linkedin", "label_ids", "industry", "custom_fields", "fields")
_ITS = "WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id"


def triggers(dialect: str) -> tuple[str, ...]:
    """What keeps `account_index` in step with `accounts`."""
    values = _values("NEW.", dialect)
    listed = f"INSERT INTO account_index ({', '.join((*_KEY, *_LISTED))}) VALUES ({new(_KEY)}, {values})"
    moved = f"UPDATE account_index SET ({', '.join(_LISTED)}) = ({values}) {_ITS}"
    changed = f"UPDATE account_index SET text = NULL, options = NULL {_ITS}"
    return (
        *inserting(dialect, "accounts_listed", listed),
        *updating(dialect, "accounts_moved", (*_COPIED, *_DUE), moved),
        *updating(dialect, "accounts_changed", _TEXTS, changed),
    )


def inserting(dialect: str, name: str, statement: str) -> tuple[str, ...]:
    """A trigger that follows each account that comes."""
    return _trigger(dialect, name, "INSERT", "", statement)


def updating(dialect: str, name: str, columns: tuple[str, ...], statement: str) -> tuple[str, ...]:
    """A trigger that follows each account of which one of these columns changes."""
    distinct = "IS DISTINCT FROM" if dialect == "postgresql" else "IS NOT"
    differ = " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in columns)
    event = "UPDATE" if dialect == "postgresql" else f"UPDATE OF {', '.join(columns)}"
    return _trigger(dialect, name, event, f"WHEN ({differ})", statement)


def _trigger(dialect: str, name: str, event: str, when: str, statement: str) -> tuple[str, ...]:
    head = f"CREATE TRIGGER {name} AFTER {event} ON accounts FOR EACH ROW {when}"
    if dialect == "postgresql":
        body = f"BEGIN {statement}; RETURN NULL; END"
        function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
        return function, f"{head} EXECUTE FUNCTION {name}()"
    return (f"{head} BEGIN {statement}; END",)


_FORMER_LISTED = f"INSERT INTO account_index ({', '.join(_KEY)}) VALUES ({new(_KEY)})"
_FORMER_CHANGED = f"UPDATE account_index SET text = NULL {_ITS}"


def _former_triggers(dialect: str) -> tuple[str, ...]:
    return (
        *inserting(dialect, "accounts_listed", _FORMER_LISTED),
        *updating(dialect, "accounts_changed", _TEXTS, _FORMER_CHANGED),
    )
