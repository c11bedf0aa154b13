"""The first schema.

Revision: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.types import Day, Integer, Json, Number, Timestamp

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KINDS: dict[str, Any] = {
    "integer": Integer(),
    "text": sa.Text(),
    "boolean": sa.Boolean(),
    "number": Number(),
    "timestamp": Timestamp(),
    "moment": Timestamp(digits=6),
    "day": Day(),
    "json": Json,
}

_NOTHING: dict[str, Any] = {"integer": sa.text("0"), "boolean": sa.false()}

# Per table: its primary key, and its columns in order, by kind; `!` marks those that can't be null, `=0` those that are
# nothing by default.
_TABLES = {
    "companies": (
        "company_id",
        """
        integer: company_id!
        text: name domain
        integer: user_id
        text: currency accounts_basis views_basis
        moment: synced_at!
        """,
    ),
    "activities": (
        "company_id id",
        """
        integer: company_id! id!
        text: subject type
        integer: owner_id creator_user_id
        boolean: is_deleted
        timestamp: add_time update_time
        integer: deal_id org_id
        text: lead_id
        integer: person_id project_id
        day: due_date
        text: due_time duration
        boolean: busy done
        timestamp: marked_as_done_time
        json: location participants attendees
        text: conference_meeting_client conference_meeting_url conference_meeting_id public_description note
        integer: priority
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "activity_types": (
        "company_id id",
        """
        integer: company_id! id! order_nr
        text: name key_string icon_key color
        boolean: active_flag is_custom_flag
        timestamp: add_time update_time
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "checkpoints": (
        "company_id listing",
        """
        integer: company_id!
        text: listing!
        json: backfill_position
        integer: backfill_last_id
        timestamp: backfill_started_at
        moment: backfill_completed_at
        integer: backfill_rows=0!
        timestamp: high_water_mark
        moment: mark_set_at
        boolean: mark_settled=0!
        moment: last_run_at
        json: sweep_position
        integer: sweep_last_id sweep_rows=0!
        moment: sweep_started_at sweep_completed_at sweep_slice_at
        integer: held_deletions
        """,
    ),
    "currencies": (
        "company_id id",
        """
        integer: company_id! id!
        text: code name
        integer: decimal_points
        text: symbol
        boolean: active_flag is_custom_flag
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "deals": (
        "company_id id",
        """
        integer: company_id! id!
        text: title
        integer: owner_id creator_user_id person_id org_id pipeline_id stage_id
        number: value
        text: currency status
        number: probability
        timestamp: add_time update_time stage_change_time won_time lost_time close_time first_won_time
        day: local_won_date local_lost_date local_close_date expected_close_date
        boolean: is_deleted is_archived
        timestamp: archive_time
        text: lost_reason
        json: label_ids
        integer: visible_to
        text: origin origin_id
        integer: channel
        text: channel_id source_lead_id
        number: arr mrr acv
        json: custom_fields extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "fields": (
        "company_id entity field_code",
        """
        integer: company_id!
        text: entity! field_code! field_name field_type
        json: options subfields
        boolean: is_custom_field is_optional_response_field
        json: ui_visibility important_fields required_fields extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "files": (
        "company_id id",
        """
        integer: company_id! id! user_id deal_id person_id org_id product_id activity_id log_id
        text: lead_id
        timestamp: add_time update_time
        text: name file_name file_type
        integer: file_size
        boolean: active_flag inline_flag
        text: remote_location remote_id cid s3_bucket mail_message_id mail_template_id deal_name person_name
        text: lead_name org_name product_name url description
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "notes": (
        "company_id id",
        """
        integer: company_id! id!
        boolean: active_flag
        timestamp: add_time update_time
        text: content lead_id
        integer: deal_id org_id person_id project_id user_id last_update_user_id task_id
        boolean: pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag pinned_to_person_flag
        boolean: pinned_to_project_flag pinned_to_task_flag
        json: deal organization person user project task extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "organizations": (
        "company_id id",
        """
        integer: company_id! id!
        text: name
        integer: owner_id visible_to
        timestamp: add_time update_time
        boolean: is_deleted
        json: label_ids address
        text: website linkedin
        integer: industry employee_count
        number: annual_revenue
        json: custom_fields extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "persons": (
        "company_id id",
        """
        integer: company_id! id!
        text: name first_name last_name
        integer: owner_id org_id
        timestamp: add_time update_time
        json: emails phones
        boolean: is_deleted
        integer: visible_to
        json: label_ids
        integer: picture_id
        json: postal_address im
        text: notes job_title
        day: birthday
        json: custom_fields extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "pipelines": (
        "company_id id",
        """
        integer: company_id! id!
        text: name
        integer: order_nr
        boolean: is_deleted is_deal_probability_enabled
        timestamp: add_time update_time
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "rejected_records": (
        "company_id entity record_id",
        """
        integer: company_id!
        text: entity! record_id! reason! payload
        moment: rejected_at!
        """,
    ),
    "stages": (
        "company_id id",
        """
        integer: company_id! id! order_nr
        text: name
        boolean: is_deleted
        number: deal_probability
        integer: pipeline_id
        boolean: is_deal_rot_enabled
        integer: days_to_rotten
        timestamp: add_time update_time
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "sweep_candidates": (
        "company_id listing id",
        """
        integer: company_id!
        text: listing!
        integer: id!
        """,
    ),
    "token_budgets": (
        "company_id",
        """
        integer: company_id!
        day: day!
        integer: daily_limit tokens_left
        moment: resets_at spent_until seen_at
        """,
    ),
    "token_usage": (
        "company_id day purpose",
        """
        integer: company_id!
        day: day!
        text: purpose!
        integer: tokens!
        """,
    ),
    "users": (
        "company_id id",
        """
        integer: company_id! id!
        text: name email default_currency locale
        integer: lang
        text: phone
        boolean: activated
        timestamp: last_login created modified
        boolean: has_created_company
        json: access
        boolean: active_flag
        text: timezone_name timezone_offset
        integer: role_id
        text: icon_url
        boolean: is_you is_deleted
        json: extra
        moment: synced_at!
        timestamp: deleted_at
        """,
    ),
    "accounts": (
        "company_id organization_id",
        """
        integer: company_id! organization_id!
        text: status! name
        integer: owner_id
        json: address label_ids
        integer: visible_to
        text: website linkedin
        integer: industry
        number: annual_revenue
        integer: employee_count
        json: custom_fields fields
        integer: won_deals_count! open_deals_count!
        number: won_value
        text: currency
        timestamp: first_won_time last_won_time
        integer: next_activity_id
        day: next_activity_due_date
        timestamp: last_activity_time
        integer: created_by_deal_id
        timestamp: created_at!
        moment: updated_at!
        """,
    ),
    "account_won_values": (
        "company_id organization_id currency",
        """
        integer: company_id! organization_id!
        text: currency!
        number: value!
        integer: deals_count!
        """,
    ),
}

_INDEXES = (
    ("activities", "company_id deal_id"),
    ("activities", "company_id org_id"),
    ("deals", "company_id org_id"),
    ("files", "company_id deal_id"),
    ("files", "company_id org_id"),
    ("notes", "company_id deal_id"),
    ("notes", "company_id org_id"),
    ("persons", "company_id org_id"),
    ("accounts", "company_id next_activity_due_date"),
    ("accounts", "company_id won_value"),
)


def upgrade() -> None:
    for table, (key, kinds) in _TABLES.items():
        op.create_table(table, *_columns(kinds), *_constraints(table, key.split()))
    for table, columns in _INDEXES:
        names = columns.split()
        op.create_index(f"ix_{table}_{'_'.join(names)}", table, names)


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _columns(kinds: str) -> list[sa.Column[Any]]:
    columns: list[sa.Column[Any]] = []
    for line in kinds.strip().splitlines():
        kind, _, names = line.strip().partition(": ")
        for word in names.split():
            columns.append(
                sa.Column(
                    word.rstrip("!").removesuffix("=0"),
                    _KINDS[kind],
                    nullable=not word.endswith("!"),
                    server_default=_NOTHING.get(kind) if "=0" in word else None,
                    autoincrement=False,
                )
            )
    return columns


def _constraints(table: str, key: list[str]) -> list[sa.Constraint]:
    constraints: list[sa.Constraint] = [sa.PrimaryKeyConstraint(*key, name=f"pk_{table}")]
    if table not in ("companies", "account_won_values"):
        constraints.append(
            sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=f"fk_{table}_companies")
        )
    if table == "accounts":
        constraints.append(
            sa.ForeignKeyConstraint(
                ["company_id", "organization_id"],
                ["organizations.company_id", "organizations.id"],
                name="fk_accounts_organizations",
            )
        )
    if table == "account_won_values":
        constraints.append(
            sa.ForeignKeyConstraint(
                ["company_id", "organization_id"],
                ["accounts.company_id", "accounts.organization_id"],
                name="fk_account_won_values_accounts",
                ondelete="CASCADE",
            )
        )
    return constraints
