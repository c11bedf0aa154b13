"""A mirrored company for tests of the accounts: records go the way of every record, and accounts follow each batch."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from sync.accounts.builder import build_accounts
from sync.accounts.selecting import windows
from sync.accounts.touched import touched_organizations
from sync.accounts.valuation import Valuation
from sync.pipedrive.entities import ACTIVITIES, CURRENCIES, DEALS, FIELDS, ORGANIZATIONS, Entity
from sync.pipedrive.records import key_of, to_row
from sync.store.database import Database
from sync.store.mirror import mark_deleted, upsert
from sync.store.schema import account_won_values, accounts, companies

BEGINNING = datetime(2026, 10, 1, 12, tzinfo=UTC)
EUROS = Valuation("EUR", {"USD": Decimal("0.9")})


class Mirrored:
    """One company in a database; each batch is read a second after the one before."""

    def __init__(self, database: Database, company_id: int = 1, valuation: Valuation = EUROS) -> None:
        self.database = database
        self.company_id = company_id
        self.valuation = valuation
        self.now = BEGINNING
        with database.writing() as connection:
            connection.execute(companies.insert().values(company_id=company_id, synced_at=self.now))

    def organization(self, one: int = 1, **attributes: Any) -> None:
        """An organization as Pipedrive shows it now."""
        self.put(ORGANIZATIONS, {"id": one, "name": f"Organization {one}", "is_deleted": False, **attributes})

    def deal(self, one: int = 1, **attributes: Any) -> None:
        """A deal as Pipedrive shows it now: won, of organization 1, worth 100 euros, unless told otherwise."""
        self.put(DEALS, a_deal(one, **attributes))

    def activity(self, one: int = 1, **attributes: Any) -> None:
        """An activity as Pipedrive shows it now: planned, of organization 1, all day, unless told otherwise."""
        self.put(ACTIVITIES, an_activity(one, **attributes))

    def currency(self, code: str, decimals: int) -> None:
        """A currency and its number of decimals."""
        self.put(CURRENCIES, {"id": sum(map(ord, code)), "code": code, "decimal_points": decimals})

    def field(self, code: str, name: str, field_type: str, **attributes: Any) -> None:
        """A custom field of organizations, unless told otherwise."""
        definition = {"entity": "organization", "field_code": code, "field_name": name, "field_type": field_type}
        self.put(FIELDS, {**definition, "is_custom_field": True, "options": None, **attributes})

    def put(self, entity: Entity, *records: dict[str, Any], build: bool = True) -> int:
        """Take in records that were read now; how many accounts changed."""
        self.now += timedelta(seconds=1)
        times = {"add_time": "2026-01-01T00:00:00Z", "update_time": f"{self.now:%Y-%m-%dT%H:%M:%SZ}"}
        stamped = [{**times, **record} if "add_time" in entity.column_names else record for record in records]
        with self.database.writing() as connection:
            keys = [key_of(entity, record) for record in records]
            before = touched_organizations(connection, self.company_id, entity, keys)
            rows = [to_row(entity, record) for record in stamped]
            changed, refused = upsert(connection, self.company_id, entity, rows, read_at=self.now)
            assert not refused
            touched = before | touched_organizations(connection, self.company_id, entity, changed)
            return self.build_in(connection, touched) if build else 0

    def delete(self, entity: Entity, *ids: int) -> None:
        """What the sweep does with records that Pipedrive does not know any more."""
        self.now += timedelta(seconds=1)
        with self.database.writing() as connection:
            marked = mark_deleted(connection, self.company_id, entity, [(one,) for one in ids], read_at=self.now)
            self.build_in(connection, touched_organizations(connection, self.company_id, entity, marked))

    def build(self, organizations: set[int] | None = None) -> int:
        """Build again, a second later; how many accounts changed."""
        self.now += timedelta(seconds=1)
        with self.database.writing() as connection:
            return self.build_in(connection, organizations)

    def build_in(self, connection: Connection, organizations: set[int] | None) -> int:
        parts = windows(connection, self.company_id) if organizations is None else [organizations]
        return sum(
            build_accounts(connection, self.company_id, self.valuation, organizations=part, now=self.now)
            for part in parts
        )

    def own_fields(self, organization: int, fields: dict[str, Any]) -> None:
        """Somebody fills in fields that only the account has."""
        with self.database.writing() as connection:
            connection.execute(
                accounts.update().where(accounts.c.organization_id == organization).values(fields=fields)
            )

    def account(self, organization: int = 1) -> RowMapping:
        """The account of an organization; fails if there is none."""
        (row,) = (row for row in self.accounts() if row["organization_id"] == organization)
        return row

    def accounts(self) -> list[RowMapping]:
        with self.database.reading() as connection:
            found = select(accounts).where(accounts.c.company_id == self.company_id)
            return list(connection.execute(found.order_by(accounts.c.organization_id)).mappings())

    def won_values(self, organization: int = 1) -> dict[str, tuple[Decimal, int]]:
        """Sum and number of won deals by currency."""
        values = account_won_values.c
        with self.database.reading() as connection:
            chosen = (values.company_id == self.company_id) & (values.organization_id == organization)
            rows = connection.execute(select(values.currency, values.value, values.deals_count).where(chosen))
            return {row.currency: (row.value, row.deals_count) for row in rows}


def a_deal(one: int = 1, **attributes: Any) -> dict[str, Any]:
    """The record of a won deal of organization 1, worth 100 euros."""
    deal = {"id": one, "title": f"Deal {one}", "org_id": 1, "status": "won", "value": 100, "currency": "EUR"}
    times = {"won_time": "2026-03-01T10:00:00Z", "close_time": None}
    return {**deal, **times, "is_deleted": False, "is_archived": False, **attributes}


def an_activity(one: int = 1, **attributes: Any) -> dict[str, Any]:
    """The record of a planned all-day activity of organization 1."""
    activity = {"id": one, "subject": f"Activity {one}", "org_id": 1, "deal_id": None, "due_date": "2026-10-20"}
    times = {"due_time": None, "marked_as_done_time": None}
    return {**activity, **times, "done": False, "is_deleted": False, **attributes}
