"""How an account's shared fields are built: Pipedrive's values, and over them what was edited here and still waits.

SQL for the builder. An edited field stays as it was edited until both sides agree about it; all others follow
Pipedrive.
"""

from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, literal, literal_column, select

from sync.accounts.selecting import Scope
from sync.store.schema import TABLES, account_edits, accounts
from sync.store.types import Json

# What an account and its organization have in common, under the same name.
SHARED_ATTRIBUTES = (
    "name",
    "owner_id",
    "address",
    "label_ids",
    "visible_to",
    "website",
    "linkedin",
    "industry",
    "annual_revenue",
    "employee_count",
)
SHARED_FIELDS = (*SHARED_ATTRIBUTES, "custom_fields")

# What the name of an account's own field begins with, where fields of all kinds meet.
OWN = "fields."

_ATTRIBUTES = ", ".join(f"'{name}'" for name in SHARED_ATTRIBUTES)
_ITS_EDITS = (
    "FROM account_edits AS edit WHERE edit.company_id = organizations.company_id "
    "AND edit.organization_id = organizations.id"
)
_CUSTOM = f"edit.field NOT IN ({_ATTRIBUTES}) AND edit.field NOT LIKE '{OWN}%'"

_CUSTOM_FIELDS = {
    "postgresql": f"""
        coalesce(organizations.custom_fields, '{{}}') || (
          SELECT jsonb_object_agg(edit.field, edit.value) {_ITS_EDITS} AND {_CUSTOM})""",
    "sqlite": f"""(
        SELECT json_group_object(code, json(value)) FROM (
          SELECT held.key AS code, organizations.custom_fields -> held.fullkey AS value
          FROM json_each(organizations.custom_fields) AS held
          WHERE NOT EXISTS (SELECT 1 {_ITS_EDITS} AND edit.field = held.key)
          UNION ALL
          SELECT edit.field, edit.value
          {_ITS_EDITS} AND {_CUSTOM}
          ORDER BY 1))""",
}


def waiting_edits(scope: Scope) -> Subquery:
    """Of each organization with edits: which attributes are edited, and how many custom fields."""
    edits = account_edits.c
    is_custom = edits.field.not_in(SHARED_ATTRIBUTES) & edits.field.not_like(f"{OWN}%")
    return (
        select(
            edits.organization_id,
            *(func.max(case((edits.field == name, 1), else_=0)).label(name) for name in SHARED_ATTRIBUTES),
            func.count(case((is_custom, 1))).label("custom_fields"),
        )
        .where(edits.company_id == scope.company_id, scope.covers(edits.organization_id))
        .group_by(edits.organization_id)
        .subquery("waiting_edits")
    )


def shared_fields(waiting: Subquery, dialect: str) -> dict[str, ColumnElement[Any]]:
    """The shared fields as the account ought to have them; needs organizations, accounts and `waiting` joined."""
    organization, held = TABLES["organizations"].c, accounts.c
    fields: dict[str, ColumnElement[Any]] = {
        name: case((waiting.c[name] == literal(1), held[name]), else_=organization[name]) for name in SHARED_ATTRIBUTES
    }
    overlaid = literal_column(_CUSTOM_FIELDS[dialect], Json)
    fields["custom_fields"] = case((waiting.c.custom_fields > 0, overlaid), else_=organization.custom_fields)
    return fields
