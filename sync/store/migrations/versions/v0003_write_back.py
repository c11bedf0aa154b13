"""Changes of accounts on their way to Pipedrive: history, edits, conflicts, the journal, and the triggers for them.

Revision: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.store.types import Document, Integer, RowId, Timestamp

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = Timestamp(digits=6)

_SIMPLE = (
    *("name", "owner_id", "visible_to", "website", "linkedin"),
    *("industry", "annual_revenue", "employee_count"),
)
_WHOLE_NUMBERS = ("owner_id", "visible_to", "industry", "employee_count")
_DOCUMENTS = ("address", "label_ids")
_KEYED = ("custom_fields", "fields")
_COMPUTED = (
    *("company_id", "organization_id", "status", "won_deals_count", "open_deals_count", "won_value", "currency"),
    *("first_won_time", "last_won_time", "next_activity_id", "next_activity_due_date", "last_activity_time"),
    *("created_by_deal_id", "created_at"),
)
_REFUSAL = "this column of accounts is computed from Pipedrive: change the organization, its deals or activities there"


def upgrade() -> None:
    for column in (
        sa.Column("write_back", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("edited_by", sa.Text()),
        sa.Column("edited_at", _MOMENT),
        sa.Column("edits", Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("revision", Integer(), nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("accounts", column)
    _create_tables()
    dialect = op.get_bind().dialect.name
    for statement in _POSTGRESQL if dialect == "postgresql" else _SQLITE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER accounts_edited ON accounts")
        op.execute("DROP TRIGGER account_history_edits ON account_history")
        op.execute("DROP FUNCTION accounts_edited")
        op.execute("DROP FUNCTION account_history_edits")
    else:
        for trigger in (
            *("accounts_computed", "accounts_numbers", "accounts_documents"),
            *("accounts_edited", "account_history_edits"),
        ):
            op.execute(f"DROP TRIGGER {trigger}")
    for table in (
        *("filled_values", "filled_fields", "write_back", "journal", "conflicts"),
        *("parked_changes", "account_edits", "account_history"),
    ):
        op.drop_table(table)
    for column in ("revision", "edits", "edited_at", "edited_by", "write_back"):
        op.drop_column("accounts", column)


def _create_tables() -> None:
    _create_numbered(
        "account_history",
        _needed(Integer(), "organization_id"),
        _needed(sa.Text(), "field"),
        _optional(Document, "old_value new_value"),
        _needed(_MOMENT, "changed_at"),
        _needed(sa.Text(), "changed_by side"),
    )
    op.create_index(
        "ix_account_history_company_id_organization_id_id", "account_history", ["company_id", "organization_id", "id"]
    )
    _create(
        "account_edits",
        "company_id organization_id field",
        _needed(Integer(), "company_id organization_id"),
        _needed(sa.Text(), "field"),
        _optional(Document, "base_value value"),
        _needed(_MOMENT, "edited_at"),
        _needed(sa.Text(), "edited_by"),
        _needed(Integer(), "change_id"),
    )
    _create(
        "parked_changes",
        "company_id organization_id field",
        _needed(Integer(), "company_id organization_id"),
        _needed(sa.Text(), "field"),
        _optional(Document, "value"),
        _needed(sa.Text(), "reason"),
        _needed(_MOMENT, "since"),
        _needed(Integer(), "attempts"),
    )
    _create_numbered(
        "conflicts",
        _needed(Integer(), "organization_id"),
        _needed(sa.Text(), "field"),
        _optional(Document, "base_value account_value pipedrive_value"),
        _optional(_MOMENT, "account_time"),
        _optional(sa.Text(), "account_by"),
        _optional(_MOMENT, "pipedrive_time"),
        _optional(sa.Text(), "pipedrive_by"),
        _needed(sa.Text(), "policy"),
        _optional(sa.Text(), "resolution"),
        _needed(_MOMENT, "detected_at"),
        _optional(_MOMENT, "resolved_at"),
        _optional(sa.Text(), "resolved_by"),
        _optional(Integer(), "write_id"),
    )
    op.create_index("ix_conflicts_company_id_organization_id", "conflicts", ["company_id", "organization_id"])
    _partial_index("ix_conflicts_open", "conflicts", ["company_id", "field"], "resolved_at IS NULL")
    _create_numbered(
        "journal",
        _needed(Integer(), "organization_id"),
        _needed(sa.Text(), "entity"),
        _optional(Integer(), "record_id"),
        _needed(sa.Text(), "action"),
        _optional(Document, "body before"),
        _needed(sa.Text(), "state"),
        _needed(_MOMENT, "requested_at"),
        _needed(sa.Text(), "requested_by"),
        _optional(_MOMENT, "sent_at ended_at"),
        _optional(Timestamp(), "update_time"),
        [sa.Column("attempts", Integer(), nullable=False, server_default=sa.text("0"))],
        _optional(sa.Text(), "error"),
    )
    op.create_index("ix_journal_company_id_organization_id", "journal", ["company_id", "organization_id"])
    _partial_index("ix_journal_unsettled", "journal", ["company_id"], "state IN ('waiting', 'sent')")
    _create(
        "write_back",
        "company_id",
        _needed(Integer(), "company_id"),
        _optional(_MOMENT, "paused_at"),
        _optional(sa.Text(), "paused_by"),
        _optional(_MOMENT, "approved_at"),
        _optional(sa.Text(), "approved_by"),
        _optional(_MOMENT, "events_seen_at"),
    )
    _create(
        "filled_fields",
        "company_id source",
        _needed(Integer(), "company_id"),
        _needed(sa.Text(), "source"),
        _optional(sa.Text(), "field_code"),
        _optional(_MOMENT, "approved_at"),
    )
    _create(
        "filled_values",
        "company_id organization_id source",
        _needed(Integer(), "company_id organization_id"),
        _needed(sa.Text(), "source"),
        _optional(Document, "value"),
        _needed(_MOMENT, "written_at"),
    )


def _needed(kind: Any, names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names.split()]


def _optional(kind: Any, names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names.split()]


def _company(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["company_id"], ["companies.company_id"], name=f"fk_{table}_companies")


def _create(table: str, key: str, *columns: list[sa.Column[Any]]) -> None:
    op.create_table(
        table,
        *(column for group in columns for column in group),
        sa.PrimaryKeyConstraint(*key.split(), name=f"pk_{table}"),
        _company(table),
    )


def _create_numbered(table: str, *columns: list[sa.Column[Any]]) -> None:
    """A table whose rows are numbered by the database, in the order in which they came."""
    op.create_table(
        table,
        sa.Column("id", Integer().with_variant(RowId(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("company_id", Integer(), nullable=False),
        *(column for group in columns for column in group),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        _company(table),
        sqlite_autoincrement=True,
    )


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def _differ(columns: tuple[str, ...], distinct: str) -> str:
    return " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in columns)


# What the history of an account notes as an edit waits to be sent; an edit that was parked is taken up again.
_NOTE_EDIT = """INSERT INTO account_edits
    (company_id, organization_id, field, base_value, value, edited_at, edited_by, change_id)
  VALUES (NEW.company_id, NEW.organization_id, NEW.field, NEW.old_value, NEW.new_value,
    NEW.changed_at, NEW.changed_by, NEW.id)
  ON CONFLICT (company_id, organization_id, field) DO UPDATE
  SET value = excluded.value, edited_at = excluded.edited_at, edited_by = excluded.edited_by,
    change_id = excluded.change_id;
  DELETE FROM parked_changes
  WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id AND field = NEW.field;"""

# What follows is said twice, as the two databases have it. An engine's write counts `revision` up; anyone else's
# doesn't, and is an edit. A key that is missing in `custom_fields` means unchanged, and comes back at once; one that is
# missing in `fields` has no value any more.

_SQLITE_NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
_SQLITE_MOMENT = (
    f"CASE WHEN NEW.revision = OLD.revision THEN coalesce(NEW.edited_at, {_SQLITE_NOW}) ELSE NEW.updated_at END"
)


def _sqlite_document(side: str, column: str) -> str:
    """A document's text in one form; a bare text stands for an address's `value`."""
    name = f"{side}.{column}"
    if column != "address":
        return f"coalesce(json({name}), 'null')"
    bare = f"json_object('value', CASE WHEN json_valid({name}) THEN {name} ->> '$' ELSE {name} END)"
    is_object = f"json_valid({name}) AND json_type({name}) IN ('object', 'null')"
    return f"CASE WHEN {name} IS NULL THEN 'null' WHEN {is_object} THEN json({name}) ELSE {bare} END"


def _sqlite_changes() -> str:
    changes = [
        f"SELECT '{column}' AS field, json_quote(OLD.{column}) AS old_value, json_quote(NEW.{column}) AS new_value"
        for column in _SIMPLE
    ]
    changes += [
        f"SELECT '{column}', {_sqlite_document('OLD', column)}, {_sqlite_document('NEW', column)}"
        for column in _DOCUMENTS
    ]
    changes.append(
        "SELECT given.key, coalesce(OLD.custom_fields -> given.fullkey, 'null'), NEW.custom_fields -> given.fullkey "
        "FROM json_each(NEW.custom_fields) AS given WHERE NEW.custom_fields IS NOT OLD.custom_fields"
    )
    changes.append(
        "SELECT 'fields.' || given.key, coalesce(OLD.fields -> given.fullkey, 'null'), NEW.fields -> given.fullkey "
        "FROM json_each(NEW.fields) AS given WHERE NEW.fields IS NOT OLD.fields"
    )
    changes.append(
        "SELECT 'fields.' || held.key, OLD.fields -> held.fullkey, 'null' FROM json_each(OLD.fields) AS held "
        "WHERE NEW.fields IS NOT OLD.fields AND json_type(NEW.fields, held.fullkey) IS NULL"
    )
    return "\n    UNION ALL ".join(changes)


_SQLITE_ALL_CUSTOM_FIELDS = """
      CASE WHEN NEW.custom_fields IS OLD.custom_fields THEN NEW.custom_fields ELSE (
        SELECT json_group_object(code, json(value)) FROM (
          SELECT given.key AS code, NEW.custom_fields -> given.fullkey AS value
          FROM json_each(NEW.custom_fields) AS given
          UNION ALL
          SELECT held.key, OLD.custom_fields -> held.fullkey FROM json_each(OLD.custom_fields) AS held
          WHERE json_type(NEW.custom_fields, held.fullkey) IS NULL
          ORDER BY 1)) END"""

_SQLITE = (
    f"""
CREATE TRIGGER accounts_computed BEFORE UPDATE OF {", ".join(_COMPUTED)} ON accounts
WHEN NEW.revision = OLD.revision AND ({_differ(_COMPUTED, "IS NOT")})
BEGIN
  SELECT RAISE(ABORT, '{_REFUSAL}');
END
""",
    f"""
CREATE TRIGGER accounts_numbers BEFORE UPDATE OF {", ".join(_WHOLE_NUMBERS)}, annual_revenue ON accounts
WHEN {" OR ".join(f"typeof(NEW.{one}) NOT IN ('integer', 'null')" for one in _WHOLE_NUMBERS)}
  OR typeof(NEW.annual_revenue) NOT IN ('integer', 'real', 'null')
BEGIN
  SELECT RAISE(ABORT, '{", ".join(_WHOLE_NUMBERS)} of accounts are whole numbers, annual_revenue is a number');
END
""",
    f"""
CREATE TRIGGER accounts_documents BEFORE UPDATE OF {", ".join(_KEYED)} ON accounts
WHEN {" OR ".join(f"coalesce(json_type(NEW.{one}), 'object') <> 'object'" for one in _KEYED)}
BEGIN
  SELECT RAISE(ABORT, '{" and ".join(_KEYED)} of accounts are JSON objects');
END
""",
    f"""
CREATE TRIGGER accounts_edited AFTER UPDATE OF {", ".join((*_SIMPLE, *_DOCUMENTS, *_KEYED))} ON accounts
WHEN NEW.edits = OLD.edits  -- not the update below, should triggers be recursive
BEGIN
  INSERT INTO account_history
    (company_id, organization_id, field, old_value, new_value, changed_at, changed_by, side)
  SELECT NEW.company_id, NEW.organization_id, field, old_value, new_value, {_SQLITE_MOMENT},
    coalesce(NEW.edited_by, CASE WHEN NEW.revision = OLD.revision THEN 'sql' ELSE 'pipedrive' END),
    CASE WHEN NEW.revision = OLD.revision THEN 'account' ELSE 'pipedrive' END
  FROM (
    {_sqlite_changes()}
  ) WHERE old_value IS NOT new_value;
  UPDATE accounts SET edits = OLD.edits + 1, updated_at = {_SQLITE_MOMENT}, edited_at = NULL, edited_by = NULL,
    address = nullif({_sqlite_document("NEW", "address")}, 'null'), custom_fields = {_SQLITE_ALL_CUSTOM_FIELDS}
  WHERE company_id = NEW.company_id AND organization_id = NEW.organization_id AND NEW.revision = OLD.revision;
END
""",
    f"""
CREATE TRIGGER account_history_edits AFTER INSERT ON account_history WHEN NEW.side = 'account'
BEGIN
  {_NOTE_EDIT}
END
""",
)


def _postgresql_changes() -> str:
    changes = [
        f"SELECT '{column}' AS field, to_jsonb(OLD.{column}) AS old_value, to_jsonb(NEW.{column}) AS new_value"
        for column in (*_SIMPLE, *_DOCUMENTS)
    ]
    changes.append(
        "SELECT given.key, OLD.custom_fields -> given.key, given.value "
        "FROM jsonb_each(coalesce(NEW.custom_fields, '{}')) AS given"
    )
    changes.append(
        "SELECT 'fields.' || given.key, OLD.fields -> given.key, given.value "
        "FROM jsonb_each(coalesce(NEW.fields, '{}')) AS given"
    )
    changes.append(
        "SELECT 'fields.' || held.key, held.value, NULL FROM jsonb_each(coalesce(OLD.fields, '{}')) AS held "
        "WHERE NOT coalesce(NEW.fields, '{}') ? held.key"
    )
    return "\n    UNION ALL ".join(changes)


_POSTGRESQL = (
    f"""
CREATE FUNCTION accounts_edited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_edit boolean := NEW.revision = OLD.revision;
  moment timestamptz := NEW.updated_at;
BEGIN
  IF is_edit THEN
    IF {_differ(_COMPUTED, "IS DISTINCT FROM")} THEN
      RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'check_violation';
    END IF;
    moment := coalesce(NEW.edited_at, statement_timestamp());
    IF jsonb_typeof(NEW.address) <> 'object' THEN
      NEW.address := CASE jsonb_typeof(NEW.address)
        WHEN 'null' THEN NULL ELSE jsonb_build_object('value', NEW.address #>> '{{}}') END;
    END IF;
  END IF;
  INSERT INTO account_history
    (company_id, organization_id, field, old_value, new_value, changed_at, changed_by, side)
  SELECT NEW.company_id, NEW.organization_id, field, coalesce(old_value, 'null'), coalesce(new_value, 'null'), moment,
    coalesce(NEW.edited_by, CASE WHEN is_edit THEN 'sql' ELSE 'pipedrive' END),
    CASE WHEN is_edit THEN 'account' ELSE 'pipedrive' END
  FROM (
    {_postgresql_changes()}
  ) AS changes WHERE coalesce(old_value, 'null') <> coalesce(new_value, 'null');
  IF is_edit AND NEW.custom_fields IS DISTINCT FROM OLD.custom_fields THEN
    NEW.custom_fields := coalesce(OLD.custom_fields, '{{}}') || coalesce(NEW.custom_fields, '{{}}');
  END IF;
  IF is_edit AND FOUND THEN
    NEW.edits := OLD.edits + 1;
    NEW.updated_at := moment;
  END IF;
  NEW.edited_at := NULL;
  NEW.edited_by := NULL;
  RETURN NEW;
END $$
""",
    """
CREATE TRIGGER accounts_edited BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_edited()
""",
    f"""
CREATE FUNCTION account_history_edits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  {_NOTE_EDIT}
  RETURN NULL;
END $$
""",
    """
CREATE TRIGGER account_history_edits AFTER INSERT ON account_history FOR EACH ROW
WHEN (NEW.side = 'account') EXECUTE FUNCTION account_history_edits()
""",
)
