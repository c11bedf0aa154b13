"""Every table, as SQLAlchemy sees it: one per mirrored entity, made from the table of entities, and our own.

`company_id` leads every primary key, so that many companies can share a database. Migrations repeat this schema in
their own frozen words; a test holds the two together. No queries in here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    Text,
    false,
    text,
    true,
)
from sqlalchemy.schema import SchemaItem

from sync.pipedrive.entities import ENTITIES, Entity, Kind
from sync.store.types import Day, Document, Integer, Json, Number, RowId, Timestamp

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_TYPES: Mapping[Kind, Any] = MappingProxyType(
    {
        Kind.INTEGER: Integer(),
        Kind.TEXT: Text(),
        Kind.BOOLEAN: Boolean(),
        Kind.NUMBER: Number(),
        Kind.TIMESTAMP: Timestamp(),
        Kind.DATE: Day(),
        Kind.JSON: Json,
    }
)

_MOMENT = Timestamp(digits=6)
_EVENT_TIME = Timestamp(digits=3)  # Pipedrive API: webhooks tell it in milliseconds

# The account builder and the pages look records up by what they hang on.
_LINKS = ("org_id", "deal_id")


_KEY: Mapping[str, Any] = MappingProxyType({"primary_key": True, "autoincrement": False})


def _company_id() -> Column[Any]:
    return Column("company_id", Integer(), ForeignKey("companies.company_id"), **_KEY)


def _number() -> Column[Any]:
    """A key that counts by itself, also for rows that a trigger inserts."""
    return Column("id", Integer().with_variant(RowId(), "sqlite"), primary_key=True)


def _reference_to_company() -> Column[Any]:
    return Column("company_id", Integer(), ForeignKey("companies.company_id"), nullable=False)


def _mirror_table(entity: Entity) -> Table:
    columns: list[SchemaItem] = [
        Column(column.name, _TYPES[column.kind], **(_KEY if column.name in entity.key else {}))
        for column in entity.columns
    ]
    if entity.has_custom_fields:
        columns.append(Column("custom_fields", Json))
    columns += [
        Column("extra", Json),
        Column("synced_at", _MOMENT, nullable=False),
        # Of the event that wrote this version; null where a read did.
        *([Column("event_time", _EVENT_TIME)] if entity.has_events else []),
        Column("deleted_at", Timestamp()),
    ]
    table = Table(entity.name, metadata, _company_id(), *columns)
    for link in _LINKS:
        if link in table.c:
            Index(None, table.c.company_id, table.c[link])
    # Few: what is left is counted without reading it.
    gone = table.c.deleted_at.is_not(None)
    Index(f"ix_{entity.name}_gone", table.c.company_id, sqlite_where=gone, postgresql_where=gone)
    return table


companies = Table(
    "companies",
    metadata,
    Column("company_id", Integer(), **_KEY),
    Column("name", Text()),
    Column("domain", Text()),
    Column("user_id", Integer()),  # whose token reads this company
    Column("currency", Text()),  # what accounts are valued in
    Column("accounts_basis", Text()),  # what the accounts were last wholly built from: currency and rates
    Column("views_basis", Text()),  # the field definitions the views were made from
    Column("synced_at", _MOMENT, nullable=False),
)

TABLES: Mapping[str, Table] = MappingProxyType({entity.name: _mirror_table(entity) for entity in ENTITIES})

# What was won month by month, without a look at the rows themselves.
_DEALS = TABLES["deals"].c
_WON = (_DEALS.status == text("'won'")) & _DEALS.deleted_at.is_(None)
Index(
    "ix_deals_won",
    *(_DEALS[name] for name in ("company_id", "won_time", "org_id", "currency", "value")),
    sqlite_where=_WON,
    postgresql_where=_WON,
)

accounts = Table(
    "accounts",
    metadata,
    _company_id(),
    Column("organization_id", Integer(), **_KEY),
    Column("status", Text(), nullable=False),
    Column("name", Text()),
    Column("owner_id", Integer()),
    Column("address", Json),
    Column("label_ids", Json),
    Column("visible_to", Integer()),
    Column("website", Text()),
    Column("linkedin", Text()),
    Column("industry", Integer()),
    Column("annual_revenue", Number()),
    Column("employee_count", Integer()),
    Column("custom_fields", Json),
    Column("fields", Json),
    Column("won_deals_count", Integer(), nullable=False),
    Column("open_deals_count", Integer(), nullable=False),
    Column("won_value", Number()),
    Column("currency", Text()),
    Column("first_won_time", Timestamp()),
    Column("last_won_time", Timestamp()),
    Column("next_activity_id", Integer()),
    Column("next_activity_due_date", Day()),
    Column("next_activity_due_time", Text()),  # UTC, as the activity has it; null: all day
    Column("last_activity_time", Timestamp()),
    Column("created_by_deal_id", Integer()),
    Column("created_at", Timestamp(), nullable=False),
    Column("updated_at", _MOMENT, nullable=False),
    Column("write_back", Boolean(), nullable=False, server_default=true()),  # false: edits wait until it is true again
    # What whoever edits a row may say of himself in the same statement; null again right after it.
    Column("edited_by", Text()),
    Column("edited_at", _MOMENT),
    Column("edits", Integer(), nullable=False, server_default=text("0")),  # counted by the trigger
    Column("revision", Integer(), nullable=False, server_default=text("0")),  # counted up by us: so it is no edit
    ForeignKeyConstraint(["company_id", "organization_id"], ["organizations.company_id", "organizations.id"]),
)
account_won_values = Table(
    "account_won_values",
    metadata,
    Column("company_id", Integer(), **_KEY),
    Column("organization_id", Integer(), **_KEY),
    Column("currency", Text(), primary_key=True),
    Column("value", Number(), nullable=False),
    Column("deals_count", Integer(), nullable=False),
    ForeignKeyConstraint(
        ["company_id", "organization_id"],
        ["accounts.company_id", "accounts.organization_id"],
        ondelete="CASCADE",
    ),
)

Index(
    None,
    *(account_won_values.c[name] for name in ("company_id", "currency", "organization_id", "value")),
)

# What of an account lists and boards filter, sort and sum up by: the rows of `accounts` are wide, and are read only for
# what is shown. Triggers on `accounts` keep it in step, and make the last three null where they are to be made anew.
_LISTED = (
    *("status", "owner_id", "won_deals_count", "open_deals_count", "won_value", "currency"),
    *("last_won_time", "last_activity_time", "created_at"),
)
account_index = Table(
    "account_index",
    metadata,
    Column("company_id", Integer(), **_KEY),
    Column("organization_id", Integer(), **_KEY),
    *(Column(name, accounts.c[name].type) for name in _LISTED),
    Column("won_units", Integer()),  # ten-thousandths of the won value, which add up fast; null where it is too large
    Column("labels", Text()),  # the ids of its labels, each between commas
    # When the next activity is due: `2026-11-24`, at a time of day (UTC) `2026-11-24T09:30`, without a day the last one
    # that there is; null: none is planned.
    Column("due", Text().with_variant(Text(collation="C"), "postgresql")),
    Column("sort_name", Text()),
    Column("text", Text()),  # name, address and all texts of its fields, folded
    Column("options", Text()),  # the options it holds: a line each, and one before and behind
    ForeignKeyConstraint(
        ["company_id", "organization_id"],
        ["accounts.company_id", "accounts.organization_id"],
        ondelete="CASCADE",
    ),
)
_STALE = account_index.c.text.is_(None)
Index("ix_account_index_stale", account_index.c.company_id, sqlite_where=_STALE, postgresql_where=_STALE)
# In the order of the board, whose columns are read from where they begin. They hold all that is asked for, so that no
# row is read; with the texts, too, where an index can hold long ones, which PostgreSQL's can't.
_IN_ORDER = (
    *("company_id", "status", "due", "organization_id", "owner_id", "last_activity_time", "won_value", "won_units"),
    *("currency", "won_deals_count", "open_deals_count", "created_at", "last_won_time"),
)
_WITH_TEXTS = (*_IN_ORDER, "labels", "sort_name", "text", "options")
Index("ix_account_index_listing", *(account_index.c[name] for name in _IN_ORDER))
Index("ix_account_index_texts", *(account_index.c[name] for name in _WITH_TEXTS)).ddl_if(dialect="sqlite")
# Those for which nothing is planned, by what they are worth: PostgreSQL takes long to sort them all.
Index(
    "ix_account_index_unplanned",
    *(account_index.c[name] for name in ("company_id", "status")),
    account_index.c.won_value.desc().nulls_last(),
    account_index.c.organization_id,
    postgresql_where=account_index.c.due.is_(None),
).ddl_if(dialect="postgresql")

# Every change of a field of an account, whoever made it. Written by the trigger on `accounts`.
account_history = Table(
    "account_history",
    metadata,
    _number(),
    _reference_to_company(),
    Column("organization_id", Integer(), nullable=False),
    Column("field", Text(), nullable=False),  # an attribute, the code of a custom field, or `fields.` and a name
    Column("old_value", Document),
    Column("new_value", Document),
    Column("changed_at", _MOMENT, nullable=False),
    Column("changed_by", Text(), nullable=False),
    Column("side", Text(), nullable=False),  # where it was made: `account` or `pipedrive`
    sqlite_autoincrement=True,
)
Index(None, account_history.c.company_id, account_history.c.organization_id, account_history.c.id)

# Fields of accounts that were edited here, and about which both sides do not agree yet. Written by the trigger on
# `account_history`.
account_edits = Table(
    "account_edits",
    metadata,
    _company_id(),
    Column("organization_id", Integer(), **_KEY),
    Column("field", Text(), primary_key=True),
    Column("base_value", Document),  # what both sides agreed on before
    Column("value", Document),  # what it ought to be
    Column("edited_at", _MOMENT, nullable=False),
    Column("edited_by", Text(), nullable=False),
    Column("change_id", Integer(), nullable=False),  # the latest edit's, in account_history
)

# Edits that Pipedrive does not take: kept until they are edited again or retried.
parked_changes = Table(
    "parked_changes",
    metadata,
    _company_id(),
    Column("organization_id", Integer(), **_KEY),
    Column("field", Text(), primary_key=True),
    Column("value", Document),
    Column("reason", Text(), nullable=False),
    Column("since", _MOMENT, nullable=False),
    Column("attempts", Integer(), nullable=False),
)

# A field that was changed on both sides. Nobody's value is lost: all three stand here.
conflicts = Table(
    "conflicts",
    metadata,
    _number(),
    _reference_to_company(),
    Column("organization_id", Integer(), nullable=False),
    Column("field", Text(), nullable=False),
    Column("base_value", Document),
    Column("account_value", Document),
    Column("pipedrive_value", Document),
    Column("account_time", _MOMENT),
    Column("account_by", Text()),
    Column("pipedrive_time", _MOMENT),
    Column("pipedrive_by", Text()),
    Column("policy", Text(), nullable=False),
    Column("resolution", Text()),  # whose value was taken: `pipedrive`, `account` or `value`; null while it is open
    Column("detected_at", _MOMENT, nullable=False),
    Column("resolved_at", _MOMENT),
    Column("resolved_by", Text()),
    Column("write_id", Integer()),  # the write that overwrote the losing value, where one did
    sqlite_autoincrement=True,
)
Index(None, conflicts.c.company_id, conflicts.c.organization_id)
_OPEN = conflicts.c.resolved_at.is_(None)
Index("ix_conflicts_open", conflicts.c.company_id, conflicts.c.field, sqlite_where=_OPEN, postgresql_where=_OPEN)

# Everything that is or was to be written to Pipedrive: the intent stands here before the call goes out.
journal = Table(
    "journal",
    metadata,
    _number(),
    _reference_to_company(),
    Column("organization_id", Integer(), nullable=False),
    Column("entity", Text(), nullable=False),  # the table's name
    Column("record_id", Integer()),  # null until it is created
    Column("action", Text(), nullable=False),  # `create`, `change` or `delete`
    Column("body", Document),  # what is sent
    Column("before", Document),  # what Pipedrive held of it, read right before
    Column("state", Text(), nullable=False),
    Column("requested_at", _MOMENT, nullable=False),
    Column("requested_by", Text(), nullable=False),
    Column("sent_at", _MOMENT),
    Column("ended_at", _MOMENT),
    Column("update_time", Timestamp()),  # of the record after it, by Pipedrive's clock
    Column("attempts", Integer(), nullable=False, server_default=text("0")),
    Column("error", Text()),
    sqlite_autoincrement=True,
)
Index(None, journal.c.company_id, journal.c.organization_id)
_UNSETTLED = journal.c.state.in_(["waiting", "sent"])
Index("ix_journal_unsettled", journal.c.company_id, sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED)

# Whether writes are held, and what was approved.
write_back = Table(
    "write_back",
    metadata,
    _company_id(),
    Column("paused_at", _MOMENT),
    Column("paused_by", Text()),
    Column("approved_at", _MOMENT),  # edits made until then may go, however many
    Column("approved_by", Text()),
    Column("events_seen_at", _MOMENT),  # up to where events were searched for what writes have overwritten
)

# Custom fields of the organization at Pipedrive that we fill: from an own field, or with a computed value.
filled_fields = Table(
    "filled_fields",
    metadata,
    _company_id(),
    Column("source", Text(), primary_key=True),  # `fields.` and the own field's name, or the computed column
    Column("field_code", Text()),  # null until it is found or made there
    Column("approved_at", _MOMENT),  # nothing is written by ourselves before
)

# What was last written of them, so that only a real change is written again.
filled_values = Table(
    "filled_values",
    metadata,
    _company_id(),
    Column("organization_id", Integer(), **_KEY),
    Column("source", Text(), primary_key=True),
    Column("value", Document),
    Column("written_at", _MOMENT, nullable=False),
)

# How far each list of the API has been read; one row per listing.
checkpoints = Table(
    "checkpoints",
    metadata,
    _company_id(),
    Column("listing", Text(), primary_key=True),
    Column("backfill_position", Json),  # where the next page starts
    Column("backfill_last_id", Integer()),
    Column("backfill_started_at", Timestamp()),  # by Pipedrive's clock
    Column("backfill_completed_at", _MOMENT),
    Column("backfill_rows", Integer(), nullable=False, server_default=text("0")),
    Column("high_water_mark", Timestamp()),  # the latest update_time that was committed
    Column("mark_set_at", _MOMENT),  # when it was, by our clock
    Column("mark_settled", Boolean(), nullable=False, server_default=false()),  # nothing older can show up any more
    Column("last_run_at", _MOMENT),
    Column("sweep_position", Json),
    Column("sweep_last_id", Integer()),  # ids up to here are enumerated in the present round
    Column("sweep_rows", Integer(), nullable=False, server_default=text("0")),
    Column("sweep_started_at", _MOMENT),
    Column("sweep_completed_at", _MOMENT),
    Column("sweep_slice_at", _MOMENT),
    Column("held_deletions", Integer()),  # what the brake kept from being marked deleted
)

# Rows that the present sweep round did not see; asked for by id before anything is marked deleted.
sweep_candidates = Table(
    "sweep_candidates",
    metadata,
    _company_id(),
    Column("listing", Text(), primary_key=True),
    Column("id", Integer(), **_KEY),
)

rejected_records = Table(
    "rejected_records",
    metadata,
    _company_id(),
    Column("entity", Text(), primary_key=True),
    Column("record_id", Text(), primary_key=True),
    Column("reason", Text(), nullable=False),
    Column("payload", Text()),  # the record as JSON in ASCII, so that any database can hold it
    Column("rejected_at", _MOMENT, nullable=False),
)

token_usage = Table(
    "token_usage",
    metadata,
    _company_id(),
    Column("day", Day(), primary_key=True),
    Column("purpose", Text(), primary_key=True),
    Column("tokens", Integer(), nullable=False),
)

# What the headers said of the company's day, so that a restart does not forget it.
token_budgets = Table(
    "token_budgets",
    metadata,
    _company_id(),
    Column("day", Day(), nullable=False),
    Column("daily_limit", Integer()),
    Column("tokens_left", Integer()),
    Column("resets_at", _MOMENT),
    Column("spent_until", _MOMENT),
    Column("seen_at", _MOMENT),
)

# Webhook events as they came: one row per event, however often it was delivered.
inbox = Table(
    "inbox",
    metadata,
    _company_id(),
    Column("event_id", Text(), primary_key=True),  # meta.id
    # Pipedrive API: the id of `user` events is not unique; their time is kept here too. Empty for all others.
    Column("occurrence", Text(), primary_key=True),
    Column("entity", Text(), nullable=False),  # as webhooks call it: the singular name
    Column("entity_id", Integer(), nullable=False),
    Column("action", Text(), nullable=False),
    Column("event_time", _EVENT_TIME, nullable=False),  # by Pipedrive's clock
    Column("attempt", Integer(), nullable=False),
    Column("webhook_id", Integer()),
    Column("received_at", _MOMENT, nullable=False),
    Column("payload", Text()),  # the body as JSON, without what privacy leaves out
    Column("state", Text(), nullable=False),
    Column("error", Text()),
    Column("applied_at", _MOMENT),
)
Index(None, inbox.c.company_id, inbox.c.entity, inbox.c.entity_id)
Index(None, inbox.c.company_id, inbox.c.received_at)
_WAITS = inbox.c.state == "pending"
Index("ix_inbox_pending", inbox.c.company_id, inbox.c.event_time, sqlite_where=_WAITS, postgresql_where=_WAITS)

# Records that an event told of, but not in full: read again, many at once.
follow_ups = Table(
    "follow_ups",
    metadata,
    _company_id(),
    Column("entity", Text(), primary_key=True),  # the table's name
    Column("id", Integer(), **_KEY),
    Column("waiting_since", _MOMENT, nullable=False),
    Column("needs_read_after", _MOMENT, nullable=False),  # what was read before tells nothing new
)

# Changes that a poll found before any event told of them: late, or missed.
unannounced_changes = Table(
    "unannounced_changes",
    metadata,
    _company_id(),
    Column("entity", Text(), primary_key=True),  # the table's name
    Column("id", Integer(), **_KEY),
    Column("update_time", Timestamp(), nullable=False),
    Column("found_at", _MOMENT, nullable=False),
)

# Our subscriptions at Pipedrive.
webhooks = Table(
    "webhooks",
    metadata,
    _company_id(),
    Column("webhook_id", Integer(), **_KEY),
    Column("event_object", Text(), nullable=False),
    Column("subscription_url", Text(), nullable=False),
    Column("auth_user", Text(), nullable=False),  # what Pipedrive signs in with
    Column("password_hash", Text(), nullable=False),
    Column("is_active", Boolean(), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("checked_at", _MOMENT, nullable=False),
)

# How each job of the service fared the last time it ran.
jobs = Table(
    "jobs",
    metadata,
    _company_id(),
    Column("job", Text(), primary_key=True),
    Column("started_at", _MOMENT, nullable=False),
    Column("ended_at", _MOMENT, nullable=False),
    Column("succeeded_at", _MOMENT),
    Column("next_run_at", _MOMENT),
    Column("failures", Integer(), nullable=False),  # in a row
    Column("error", Text()),
)

# Who may sign in to the page.
logins = Table(
    "logins",
    metadata,
    Column("name", Text(), primary_key=True),
    Column("password_hash", Text(), nullable=False),  # Argon2id
    Column("role", Text(), nullable=False),  # `viewer` or `editor`
    Column("created_at", _MOMENT, nullable=False),
)

# Who is signed in: of each browser's token the database holds a hash.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text(), primary_key=True),
    Column("login", Text(), ForeignKey("logins.name", ondelete="CASCADE"), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("seen_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT, nullable=False),
)
Index(None, sessions.c.login)

# What programs sign in to the JSON API with.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("name", Text(), primary_key=True),
    Column("token_hash", Text(), nullable=False, unique=True),
    Column("role", Text(), nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("used_at", _MOMENT),
)

# Lists that people come back to. An empty login is whoever uses the page where nobody signs in.
saved_filters = Table(
    "saved_filters",
    metadata,
    _company_id(),
    Column("login", Text(), primary_key=True),
    Column("name", Text(), primary_key=True),
    Column("query", Text(), nullable=False),  # as it stands in the page's address
    Column("saved_at", _MOMENT, nullable=False),
)

# How people like the page, such as the columns of the list.
preferences = Table(
    "preferences",
    metadata,
    _company_id(),
    Column("login", Text(), primary_key=True),
    Column("name", Text(), primary_key=True),
    Column("value", Document),
)
