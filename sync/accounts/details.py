"""Everything that is known of one account, for its page: one question per kind of record, whatever their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, func, nulls_last, or_, select

from sync.accounts.queries import Names, load_names, plain
from sync.accounts.readable import custom_fields, labels, load_references, readable
from sync.store.checkpoints import load_checkpoint
from sync.store.conflicts import Conflict, load_conflicts
from sync.store.edits import Edit, HistoryEntry, Parked, load_edits, load_history, load_parked
from sync.store.schema import TABLES, account_won_values, accounts

LAST_DONE = 10  # done activities that are shown
LAST_CHANGES = 10  # of the account's fields

_DEALS, _ACTIVITIES, _ORGANIZATIONS = TABLES["deals"], TABLES["activities"], TABLES["organizations"]


@dataclass(frozen=True, slots=True)
class WonValue:
    """What was won in one currency; an empty currency stands for deals that have none."""

    currency: str
    value: Decimal
    deals_count: int


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal of the account."""

    id: int
    title: str | None
    status: str | None
    is_archived: bool
    value: Decimal | None
    currency: str | None
    owner_id: int | None
    owner_name: str | None
    pipeline: str | None
    stage: str | None
    won_time: datetime | None
    lost_time: datetime | None
    expected_close_date: date | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the account; mail and phone as the API has them."""

    id: int
    name: str | None
    emails: Any
    phones: Any


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of the account or of one of its deals; `due_time` is UTC."""

    id: int
    type: str | None
    subject: str | None
    due_date: date | None
    due_time: str | None
    done: bool
    marked_as_done_time: datetime | None
    owner_id: int | None
    owner_name: str | None
    deal_id: int | None


@dataclass(frozen=True, slots=True)
class Details:
    """An account and what hangs on it."""

    account: Mapping[str, Any]
    names: Names
    labels: Sequence[str]
    custom_fields: Mapping[str, Any]  # readable values by unique name; those without a value are left out
    won_values: Sequence[WonValue]
    created_by: Deal | None
    next_activity: Activity | None
    deals: Sequence[Deal]  # the most recently closed or changed first
    persons: Sequence[Person]
    planned: Sequence[Activity]  # the earliest first
    done: Sequence[Activity]  # the latest first, at most `LAST_DONE`
    notes_count: int
    files_count: int
    synced_at: datetime  # when the organization was last seen to differ from what was held
    read_at: datetime | None  # when Pipedrive was last asked for changes of organizations
    deleted_at: datetime | None  # the organization
    changes: Sequence[HistoryEntry]  # the latest first, at most `LAST_CHANGES`
    edits: Sequence[Edit]  # not agreed on with Pipedrive yet
    parked: Sequence[Parked]
    conflicts: Sequence[Conflict]  # that wait for a decision


def load_details(connection: Connection, company_id: int, organization_id: int) -> Details | None:
    """Everything about an account; None if the organization has none."""
    key = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    found = connection.execute(select(accounts).where(key)).one_or_none()
    if found is None:
        return None
    account = plain(found._mapping)
    its = _Its(connection, company_id, organization_id, load_names(connection, company_id))
    planned = its.planned()
    organization = connection.execute(
        select(_ORGANIZATIONS.c.synced_at, _ORGANIZATIONS.c.deleted_at).where(
            _ORGANIZATIONS.c.company_id == company_id, _ORGANIZATIONS.c.id == organization_id
        )
    ).one()
    return Details(
        account=account,
        names=its.names,
        labels=_labels(connection, company_id, account["label_ids"]),
        custom_fields=_custom(connection, company_id, account["custom_fields"]),
        won_values=its.won_values(),
        created_by=its.deal(account["created_by_deal_id"]),
        next_activity=next((one for one in planned if one.id == account["next_activity_id"]), None),
        deals=its.deals(),
        persons=its.persons(),
        planned=planned,
        done=its.done(),
        notes_count=its.count("notes"),
        files_count=its.count("files"),
        synced_at=organization.synced_at,
        read_at=load_checkpoint(connection, company_id, "organizations")["last_run_at"],
        deleted_at=organization.deleted_at,
        changes=load_history(connection, company_id, organization_id, LAST_CHANGES),
        edits=load_edits(connection, company_id, organization_id),
        parked=load_parked(connection, company_id, organization_id),
        conflicts=load_conflicts(connection, company_id, organization_id=organization_id, only_open=True),
    )


def _labels(connection: Connection, company_id: int, label_ids: Any) -> Sequence[str]:
    known = labels(connection, company_id)
    ids = label_ids if isinstance(label_ids, list) else []
    return [known.get(one, str(one)) if isinstance(one, int | str) else str(one) for one in ids]


def _custom(connection: Connection, company_id: int, document: Any) -> Mapping[str, Any]:
    fields = custom_fields(connection, company_id)
    values = document if isinstance(document, dict) else {}
    references = load_references(connection, company_id, fields, [values])
    return {
        field.name: readable(field, values[field.code], references)
        for field in fields
        if values.get(field.code) is not None
    }


@dataclass(frozen=True, slots=True)
class _Its:
    """The records of one account."""

    connection: Connection
    company_id: int
    organization_id: int
    names: Names

    def won_values(self) -> Sequence[WonValue]:
        columns = account_won_values.c
        query = select(columns.currency, columns.value, columns.deals_count).where(
            columns.company_id == self.company_id, columns.organization_id == self.organization_id
        )
        return [WonValue(*row) for row in self.connection.execute(query.order_by(columns.currency))]

    def deal(self, deal_id: int | None) -> Deal | None:
        """A deal, also one that is deleted or hangs on another organization by now."""
        query = select(_DEALS).where(_DEALS.c.company_id == self.company_id, _DEALS.c.id == deal_id)
        row = self.connection.execute(query).one_or_none()
        return self._deal(row._mapping) if row else None

    def deals(self) -> Sequence[Deal]:
        columns = _DEALS.c
        latest = func.coalesce(columns.close_time, columns.update_time, columns.add_time)
        query = select(_DEALS).where(self._live(_DEALS), columns.org_id == self.organization_id)
        rows = self.connection.execute(query.order_by(nulls_last(latest.desc()), columns.id.desc()))
        return [self._deal(row) for row in rows.mappings()]

    def persons(self) -> Sequence[Person]:
        table = TABLES["persons"]
        query = select(table.c.id, table.c.name, table.c.emails, table.c.phones)
        query = query.where(self._live(table), table.c.org_id == self.organization_id)
        return [Person(*row) for row in self.connection.execute(query.order_by(table.c.name, table.c.id))]

    def planned(self) -> Sequence[Activity]:
        query = select(_ACTIVITIES).where(self._hangs(_ACTIVITIES), ~self._is_done())
        found = [self._activity(row) for row in self.connection.execute(query).mappings()]
        return sorted(found, key=lambda one: (one.due_date or date.max, (one.due_time or "")[:5], one.id))

    def done(self) -> Sequence[Activity]:
        columns = _ACTIVITIES.c
        query = (
            select(_ACTIVITIES)
            .where(self._hangs(_ACTIVITIES), self._is_done())
            .order_by(
                nulls_last(columns.marked_as_done_time.desc()), nulls_last(columns.due_date.desc()), columns.id.desc()
            )
            .limit(LAST_DONE)
        )
        return [self._activity(row) for row in self.connection.execute(query).mappings()]

    def count(self, table: str) -> int:
        query = select(func.count()).select_from(TABLES[table]).where(self._hangs(TABLES[table]))
        return self.connection.scalar(query) or 0

    def _live(self, table: Table) -> ColumnElement[bool]:
        return and_(table.c.company_id == self.company_id, table.c.deleted_at.is_(None))

    def _hangs(self, table: Table) -> ColumnElement[bool]:
        """On the organization, or on one of its deals."""
        deals = select(_DEALS.c.id).where(self._live(_DEALS), _DEALS.c.org_id == self.organization_id)
        return and_(self._live(table), or_(table.c.org_id == self.organization_id, table.c.deal_id.in_(deals)))

    def _is_done(self) -> ColumnElement[bool]:
        return func.coalesce(_ACTIVITIES.c.done, False)

    def _deal(self, row: RowMapping) -> Deal:
        return Deal(
            id=row["id"],
            title=row["title"],
            status=row["status"],
            is_archived=bool(row["is_archived"]),
            value=row["value"],
            currency=row["currency"],
            owner_id=row["owner_id"],
            owner_name=self.names.users.get(row["owner_id"]),
            pipeline=self.names.pipelines.get(row["pipeline_id"]),
            stage=self.names.stages.get(row["stage_id"]),
            won_time=row["won_time"],
            lost_time=row["lost_time"],
            expected_close_date=row["expected_close_date"],
        )

    def _activity(self, row: RowMapping) -> Activity:
        return Activity(
            id=row["id"],
            type=self.names.activity_types.get(row["type"], row["type"]),
            subject=row["subject"],
            due_date=row["due_date"],
            due_time=row["due_time"],
            done=bool(row["done"]),
            marked_as_done_time=row["marked_as_done_time"],
            owner_id=row["owner_id"],
            owner_name=self.names.users.get(row["owner_id"]),
            deal_id=row["deal_id"],
        )
