"""Webhook events, the subscriptions that bring them, and the jobs of the service.

Revision: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.types import Integer, Timestamp

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WITH_EVENTS = ("organizations", "deals", "persons", "activities", "notes", "users", "pipelines", "stages")
_MOMENT, _EVENT_TIME = Timestamp(digits=6), Timestamp(digits=3)


def upgrade() -> None:
    for table in _WITH_EVENTS:
        op.add_column(table, sa.Column("event_time", _EVENT_TIME))
    _create(
        "inbox",
        "company_id event_id occurrence",
        _needed(Integer(), "company_id entity_id attempt"),
        _needed(sa.Text(), "event_id occurrence entity action state"),
        _needed(_EVENT_TIME, "event_time"),
        _needed(_MOMENT, "received_at"),
        [sa.Column("webhook_id", Integer()), sa.Column("payload", sa.Text()), sa.Column("error", sa.Text())],
        [sa.Column("applied_at", _MOMENT)],
    )
    op.create_index("ix_inbox_company_id_entity_entity_id", "inbox", ["company_id", "entity", "entity_id"])
    op.create_index("ix_inbox_company_id_received_at", "inbox", ["company_id", "received_at"])
    waits = sa.text("state = 'pending'")
    op.create_index(
        "ix_inbox_pending", "inbox", ["company_id", "event_time"], sqlite_where=waits, postgresql_where=waits
    )
    _create(
        "follow_ups",
        "company_id entity id",
        _needed(Integer(), "company_id id"),
        _needed(sa.Text(), "entity"),
        _needed(_MOMENT, "waiting_since needs_read_after"),
    )
    _create(
        "unannounced_changes",
        "company_id entity id",
        _needed(Integer(), "company_id id"),
        _needed(sa.Text(), "entity"),
        _needed(Timestamp(), "update_time"),
        _needed(_MOMENT, "found_at"),
    )
    _create(
        "webhooks",
        "company_id webhook_id",
        _needed(Integer(), "company_id webhook_id"),
        _needed(sa.Text(), "event_object subscription_url auth_user password_hash"),
        _needed(sa.Boolean(), "is_active"),
        _needed(_MOMENT, "created_at checked_at"),
    )
    _create(
        "jobs",
        "company_id job",
        _needed(Integer(), "company_id failures"),
        _needed(sa.Text(), "job"),
        _needed(_MOMENT, "started_at ended_at"),
        [sa.Column("succeeded_at", _MOMENT), sa.Column("next_run_at", _MOMENT), sa.Column("error", sa.Text())],
    )


def downgrade() -> None:
    for table in ("jobs", "webhooks", "unannounced_changes", "follow_ups", "inbox"):
        op.drop_table(table)
    for table in _WITH_EVENTS:
        op.drop_column(table, "event_time")


def _create(table: str, key: str, *columns: list[sa.Column[Any]]) -> None:
    op.create_table(
        table,
        *(column for group in columns for column in group),
        sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=f"fk_{table}_companies"),
    )


def _needed(kind: Any, names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names.split()]
