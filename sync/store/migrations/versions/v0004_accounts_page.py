"""What the accounts page needs: an index that accounts are found by, who may sign in, and how people like the page.

Revision: 0004
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.types import Document, Integer, Timestamp

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = Timestamp(digits=6)
_TABLES = ("preferences", "saved_filters", "api_tokens", "sessions", "logins", "account_options", "account_index")
_LISTED = (
    *("company_id", "status", "next_activity_due_date", "next_activity_due_time", "organization_id"),
    *("next_activity_id", "owner_id", "last_activity_time", "won_value", "currency", "won_deals_count"),
    *("open_deals_count", "created_at", "last_won_time"),
)
_SORTED = ("next_activity_due_date", "won_value")
_INDEXED = ("name", "address", "website", "linkedin", "label_ids", "industry", "custom_fields", "fields")
_REFUSAL = "this column of accounts is computed from Pipedrive: change the organization, its deals or activities there"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("next_activity_due_time", sa.Text()))
    op.execute(
        "UPDATE accounts SET next_activity_due_time = (SELECT nullif(due_time, '') FROM activities "
        "WHERE activities.company_id = accounts.company_id AND activities.id = accounts.next_activity_id) "
        "WHERE next_activity_id IS NOT NULL"
    )
    for column in _SORTED:  # the one below does better
        op.drop_index(f"ix_accounts_company_id_{column}", "accounts")
    op.create_index("ix_accounts_listing", "accounts", list(_LISTED))
    op.create_index(
        "ix_account_won_values_company_id_currency_value", "account_won_values", ["company_id", "currency", "value"]
    )
    won = sa.text("status = 'won' AND deleted_at IS NULL")
    columns = ["company_id", "won_time", "org_id", "currency", "value"]
    op.create_index("ix_deals_won", "deals", columns, sqlite_where=won, postgresql_where=won)
    _create_index()
    _create_people()
    dialect = op.get_bind().dialect.name
    for statement in _POSTGRESQL if dialect == "postgresql" else _SQLITE:
        op.get_bind().exec_driver_sql(statement)
    op.execute(
        "INSERT INTO account_index (company_id, organization_id) SELECT company_id, organization_id FROM accounts"
    )


def downgrade() -> None:
    triggers = ("accounts_due_time", "accounts_listed", "accounts_changed")
    if op.get_bind().dialect.name == "postgresql":
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {trigger} ON accounts")
            op.execute(f"DROP FUNCTION {trigger}")
    else:
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {trigger}")
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("ix_deals_won", "deals")
    op.drop_index("ix_account_won_values_company_id_currency_value", "account_won_values")
    op.drop_index("ix_accounts_listing", "accounts")
    for column in _SORTED:
        op.create_index(f"ix_accounts_company_id_{column}", "accounts", ["company_id", column])
    op.drop_column("accounts", "next_activity_due_time")


def _create_index() -> None:
    op.create_table(
        "account_index",
        *_needed(Integer(), "company_id organization_id"),
        sa.Column("sort_name", sa.Text()),
        sa.Column("text", sa.Text()),
        sa.PrimaryKeyConstraint("company_id", "organization_id", name="pk_account_index"),
        _account("account_index"),
    )
    op.create_index(
        "ix_account_index_company_id_sort_name_organization_id",
        "account_index",
        ["company_id", "sort_name", "organization_id"],
    )
    stale = sa.text("text IS NULL")
    op.create_index(
        "ix_account_index_stale", "account_index", ["company_id"], sqlite_where=stale, postgresql_where=stale
    )
    op.create_table(
        "account_options",
        *_needed(Integer(), "company_id"),
        *_needed(sa.Text(), "field option"),
        *_needed(Integer(), "organization_id"),
        sa.PrimaryKeyConstraint("company_id", "field", "option", "organization_id", name="pk_account_options"),
        _account("account_options"),
    )
    op.create_index(
        "ix_account_options_company_id_organization_id", "account_options", ["company_id", "organization_id"]
    )


def _create_people() -> None:
    op.create_table(
        "logins",
        *_needed(sa.Text(), "name password_hash role"),
        *_needed(_MOMENT, "created_at"),
        sa.PrimaryKeyConstraint("name", name="pk_logins"),
    )
    op.create_table(
        "sessions",
        *_needed(sa.Text(), "token_hash login"),
        *_needed(_MOMENT, "created_at seen_at expires_at"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        sa.ForeignKeyConstraint(["login"], ["logins.name"], name="fk_sessions_logins", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_login", "sessions", ["login"])
    op.create_table(
        "api_tokens",
        *_needed(sa.Text(), "name token_hash role"),
        *_needed(_MOMENT, "created_at"),
        sa.Column("used_at", _MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash"),
    )
    _create_own("saved_filters", *_needed(sa.Text(), "query"), *_needed(_MOMENT, "saved_at"))
    _create_own("preferences", sa.Column("value", Document))


def _create_own(table: str, *columns: sa.Column[Any]) -> None:
    """A table of what each login has under a name."""
    op.create_table(
        table,
        *_needed(Integer(), "company_id"),
        *_needed(sa.Text(), "login name"),
        *columns,
        sa.PrimaryKeyConstraint("company_id", "login", "name", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=f"fk_{table}_companies"),
    )


def _needed(kind: Any, names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names.split()]


def _account(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["company_id", "organization_id"],
        ["accounts.company_id", "accounts.organization_id"],
        name=f"fk_{table}_accounts",
        ondelete="CASCADE",
    )


def _differ(distinct: str) -> str:
    return " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in _INDEXED)


_SQLITE = (
    f"""
CREATE TRIGGER accounts_due_time BEFORE UPDATE OF next_activity_due_time ON accounts
WHEN NEW.revision = OLD.revision AND NEW.next_activity_due_time IS NOT OLD.next_activity_due_time
BEGIN
  SELECT RAISE(ABORT, '{_REFUSAL}');
END
""",
    """
CREATE TRIGGER accounts_listed AFTER INSERT ON accounts
BEGIN
  INSERT INTO account_index (company_id, organization_id) VALUES (NEW.company_id, NEW.organization_id);
END
""",
    f"""
CREATE TRIGGER accounts_changed AFTER UPDATE OF {", ".join(_INDEXED)} ON accounts
WHEN {_differ("IS NOT")}
BEGIN
  UPDATE account_index SET text = NULL
  WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id;
END
""",
)

_POSTGRESQL = (
    f"""
CREATE FUNCTION accounts_due_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'check_violation';
END $$
""",
    """
CREATE TRIGGER accounts_due_time BEFORE UPDATE OF next_activity_due_time ON accounts FOR EACH ROW
WHEN (NEW.revision = OLD.revision AND NEW.next_activity_due_time IS DISTINCT FROM OLD.next_activity_due_time)
EXECUTE FUNCTION accounts_due_time()
""",
    """
CREATE FUNCTION accounts_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO account_index (company_id, organization_id) VALUES (NEW.company_id, NEW.organization_id);
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER accounts_listed AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_listed()
""",
    """
CREATE FUNCTION accounts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account_index SET text = NULL
  WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id;
  RETURN NULL;
END $$
""",
    f"""
CREATE TRIGGER accounts_changed AFTER UPDATE ON accounts FOR EACH ROW
WHEN ({_differ("IS DISTINCT FROM")}) EXECUTE FUNCTION accounts_changed()
""",
)
