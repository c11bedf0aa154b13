"""Lists and boards compare when something is due as one text, find labels in a text of their own, and add up
whole numbers; what was won in a currency is read from one index.

Revision: 0006
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.migrations.versions import v0005_account_index as former
from sync.store.types import Day, Integer

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COPIED = (
    *("status", "owner_id", "won_deals_count", "open_deals_count", "won_value", "currency"),
    *("last_won_time", "last_activity_time", "created_at"),
)
_PLANNED, _DAY, _TIME = "next_activity_id", "next_activity_due_date", "next_activity_due_time"
_MADE = ("won_units", "labels", "due")
_MADE_FROM = ("won_value", "label_ids", _PLANNED, _DAY, _TIME)
_SOUGHT = ("name", "address", "website", "linkedin", "industry", "custom_fields", "fields")
_NO_DAY = "9999-12-31"  # something is planned, and comes after all that has a day
_LARGE = 10**10
_KEY = ("company_id", "organization_id")
_IN_ORDER = (
    *("company_id", "status", "due", "organization_id", "owner_id", "last_activity_time", "won_value", "won_units"),
    *("currency", "won_deals_count", "open_deals_count", "created_at", "last_won_time"),
)
_WITH_TEXTS = (*_IN_ORDER, "labels", "sort_name", "text", "options")
_TRIGGERS = ("accounts_listed", "accounts_moved", "accounts_changed")
_WON_ORDER = ("company_id", "currency", "organization_id", "value")
_WON = "ix_account_won_values_company_id_currency"
_READABLE = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_HOURS, _REST = ("[01][0-9]", "2[0-3]"), (":[0-5][0-9]", ":[0-5][0-9]:[0-5][0-9]")


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _drop_indexes(dialect)
    former.drop_triggers(*_TRIGGERS)
    op.add_column("account_index", sa.Column("won_units", Integer()))
    op.add_column("account_index", sa.Column("labels", sa.Text()))
    op.add_column("account_index", sa.Column("due", sa.Text(collation="C" if dialect == "postgresql" else None)))
    for name in ("due_date", "due_time"):
        op.drop_column("account_index", name)
    former.run(_triggers(dialect))
    op.execute(
        f"UPDATE account_index SET ({', '.join(_MADE)}) = (SELECT {_made('', dialect)} FROM accounts "
        "WHERE accounts.company_id = account_index.company_id "
        "AND accounts.organization_id = account_index.organization_id)"
    )
    op.create_index("ix_account_index_listing", "account_index", list(_IN_ORDER))
    if dialect == "sqlite":
        op.create_index("ix_account_index_texts", "account_index", list(_WITH_TEXTS))
    else:
        order: list[Any] = ["company_id", "status", sa.text("won_value DESC NULLS LAST"), "organization_id"]
        op.create_index("ix_account_index_unplanned", "account_index", order, postgresql_where=sa.text("due IS NULL"))
    op.drop_index(f"{_WON}_value", "account_won_values")
    op.create_index(f"{_WON}_organization_id_value", "account_won_values", list(_WON_ORDER))


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    _drop_indexes(dialect)
    if dialect == "postgresql":
        op.drop_index("ix_account_index_unplanned", "account_index")
    former.drop_triggers(*_TRIGGERS)
    for name in _MADE:
        op.drop_column("account_index", name)
    op.add_column("account_index", sa.Column("due_date", Day()))
    op.add_column("account_index", sa.Column("due_time", sa.Text()))
    former.run(former.triggers(dialect))
    former.copy_accounts(dialect)
    former.create_indexes(dialect)
    op.drop_index(f"{_WON}_organization_id_value", "account_won_values")
    op.create_index(f"{_WON}_value", "account_won_values", ["company_id", "currency", "value"])


def _drop_indexes(dialect: str) -> None:
    op.drop_index("ix_account_index_listing", "account_index")
    if dialect == "sqlite":
        op.drop_index("ix_account_index_texts", "account_index")


def _made(row: str, dialect: str) -> str:
    """What the columns of `_MADE` hold, of a row of `accounts` under a name: ten-thousandths, labels as `,1,8,`, and
    `2026-11-24` or `2026-11-24T09:30`.
    """
    won, labels, planned, day, time = (f"{row}{name}" for name in _MADE_FROM)
    if dialect == "postgresql":
        ids, date = f"translate({labels}::text, '[] ', '')", f"to_char({day}, 'YYYY-MM-DD')"
        readable = f"{time} ~ '{_READABLE}'"
    else:
        ids, date = f"replace(trim({labels}, '[]'), ' ', '')", day
        readable = " OR ".join(f"{time} GLOB '{hours}{rest}'" for hours in _HOURS for rest in _REST)
    timed = f"CASE WHEN {readable} THEN {date} || 'T' || substr({time}, 1, 5) ELSE {date} END"
    due = f"CASE WHEN {planned} IS NULL THEN NULL WHEN {day} IS NULL THEN '{_NO_DAY}' ELSE {timed} END"
    units = f"CASE WHEN {won} BETWEEN -{_LARGE} AND {_LARGE} THEN CAST(round({won} * 10000) AS BIGINT) END"
    return f"{units}, ',' || {ids} || ',', {due}"


def _triggers(dialect: str) -> tuple[str, ...]:
    copied = (*_KEY, *_COPIED)
    made = _made("NEW.", dialect)
    its = "WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id"
    listed = f"INSERT INTO account_index ({', '.join((*copied, *_MADE))}) VALUES ({former.new(copied)}, {made})"
    moved = f"UPDATE account_index SET ({', '.join((*_COPIED, *_MADE))}) = ({former.new(_COPIED)}, {made}) {its}"
    changed = f"UPDATE account_index SET text = NULL, options = NULL {its}"
    return (
        *former.inserting(dialect, "accounts_listed", listed),
        *former.updating(dialect, "accounts_moved", (*_COPIED, *_MADE_FROM[1:]), moved),
        *former.updating(dialect, "accounts_changed", _SOUGHT, changed),
    )
