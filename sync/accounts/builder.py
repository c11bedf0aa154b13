"""The account builder: the rules of docs/accounts.md as SQL over whole sets of organizations.

One statement decides the rows of `accounts`, one those of `account_won_values`; built for a few organizations or for
all, they give the same rows. Only rows in which something differs are written. What an account owns itself (`fields`,
when and through which deal it came into being) is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert

from sync.accounts.activities import last_activities, next_activities
from sync.accounts.lists.indexing import refresh_index
from sync.accounts.overlay import shared_fields, waiting_edits
from sync.accounts.selecting import Scope, only_first, take_turn
from sync.accounts.valuation import Valuation
from sync.store.dialect import among, insert_into, key_names
from sync.store.exact import ExactNumber, ExactSum
from sync.store.schema import TABLES, account_won_values, accounts
from sync.store.types import Number, Timestamp

NO_CURRENCY = ""  # the currency, in account_won_values, of won deals that have none

_DEFAULT_DECIMALS = 2
_ORGANIZATIONS, _DEALS, _CURRENCIES = TABLES["organizations"], TABLES["deals"], TABLES["currencies"]
# The state as a literal: the index of won deals is made for it, and SQLite makes a plan anew for every other value.
_WON = _DEALS.c.status == literal_column("'won'")
_UPDATED_AT = accounts.c.updated_at.type
_DECIMALS = select(func.max(_CURRENCIES.c.decimal_points)).where(
    _CURRENCIES.c.company_id == bindparam("company"),
    _CURRENCIES.c.code == bindparam("currency"),
    _CURRENCIES.c.deleted_at.is_(None),
)


def build_accounts(
    connection: Connection,
    company_id: int,
    valuation: Valuation,
    *,
    organizations: Collection[int],
    now: datetime,
) -> int:
    """(Re)build the accounts of these organizations, one of `windows` or some ids; the number of accounts that changed.

    Works in the caller's transaction. On PostgreSQL, transactions that build accounts of one company take turns.
    """
    if not organizations:
        return 0
    take_turn(connection, company_id)
    decimals = _decimals(connection, company_id, valuation)
    scope = Scope(connection.dialect.name, company_id, by_window=isinstance(organizations, range))
    statements = _statements(scope, valuation, decimals)
    changed = _write(connection, company_id, statements, scope.parameters(organizations), now)
    refresh_index(connection, company_id)
    return changed


def learn_sizes(connection: Connection) -> None:
    """Before all accounts are built: right after a backfill PostgreSQL knows nothing of the tables.

    A plan made then takes minutes.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE organizations, deals, activities, accounts"))


def _decimals(connection: Connection, company_id: int, valuation: Valuation) -> int:
    """The number of decimals of the currency that accounts are valued in, as Pipedrive has it."""
    found = connection.scalar(_DECIMALS, {"company": company_id, "currency": valuation.currency})
    return _DEFAULT_DECIMALS if found is None else found


@dataclass(frozen=True, slots=True)
class _Statements:
    """What brings accounts in line; each returns the organizations of the rows it has written."""

    accounts: ReturningInsert[Any]
    won_values: ReturningInsert[Any]
    gone_values: ReturningDelete[Any]


def _write(
    connection: Connection, company_id: int, statements: _Statements, parameters: Mapping[str, Any], now: datetime
) -> int:
    """Bring the accounts in line; how many changed."""
    moments = {"now": now, "this_second": now.replace(microsecond=0)}
    written = connection.scalars(statements.accounts, {**parameters, **moments}).all()
    valued = {
        *connection.scalars(statements.won_values, parameters),
        *connection.scalars(statements.gone_values, parameters),
    }
    return len(written) + _stamp(connection, company_id, valued, now)


def _stamp(connection: Connection, company_id: int, organizations: Collection[int], now: datetime) -> int:
    """Mark accounts as changed of which only the sums per currency did; how many."""
    if not organizations:
        return 0
    stamped = update(accounts).where(
        accounts.c.company_id == company_id,
        among(connection, accounts.c.organization_id, organizations),
        accounts.c.updated_at != now,
    )
    return connection.execute(stamped.values(updated_at=now)).rowcount


@lru_cache(maxsize=32)
def _statements(scope: Scope, valuation: Valuation, decimals: int) -> _Statements:
    """The statements of a build: making them takes longer than running them for a few organizations."""
    build = _Build(scope, valuation, decimals)
    return _Statements(build.put_accounts(), build.put_won_values(), build.remove_won_values())


@dataclass(frozen=True, slots=True)
class _Build:
    scope: Scope
    valuation: Valuation
    decimals: int

    def put_accounts(self) -> ReturningInsert[Any]:
        """Inserts the accounts that come into being, updates those that differ."""
        wanted = self._wanted_accounts().add_columns(func.coalesce(accounts.c.edits, 0).label("edits"))
        return self._put(
            accounts,
            wanted,
            stamps={"updated_at": bindparam("now", type_=_UPDATED_AT)},
            counted=["revision"],
            # PostgreSQL: an edit that was committed while this statement ran was not seen by it. Its own build follows.
            seen=["edits"],
        )

    def put_won_values(self) -> ReturningInsert[Any]:
        """Brings the sums per currency in line."""
        return self._put(account_won_values, self._wanted_won_values())

    def _put(
        self,
        table: Any,
        wanted: Select[Any],
        *,
        stamps: Mapping[str, ColumnElement[Any]] = MappingProxyType({}),
        counted: Sequence[str] = (),
        seen: Sequence[str] = (),
    ) -> ReturningInsert[Any]:
        """Inserts or updates where something differs.

        An update also sets the `stamps` and counts up the `counted`; a row in which a `seen` column has changed since
        it was read stays as it is.
        """
        keys = key_names(table)
        compared = [column.name for column in wanted.selected_columns if column.name not in (*keys, *seen)]
        insert = insert_into(table, self.scope.dialect)
        rows = wanted.add_columns(*(value.label(name) for name, value in stamps.items()))
        insert = insert.from_select([column.name for column in rows.selected_columns], rows)
        statement: ReturningInsert[Any] = insert.on_conflict_do_update(
            index_elements=keys,
            set_={
                **{name: insert.excluded[name] for name in [*compared, *stamps]},
                **{name: table.c[name] + 1 for name in counted},
            },
            where=and_(
                or_(*(insert.excluded[name].is_distinct_from(table.c[name]) for name in compared)),
                *(insert.excluded[name] == table.c[name] for name in seen),
            ),
        ).returning(table.c.organization_id)
        return statement

    def _wanted_accounts(self) -> Select[Any]:
        """The accounts as they ought to be."""
        organization, held = _ORGANIZATIONS.c, accounts.c
        deals, value, origin = self._deals(), self._values(), self._first_wins()
        upcoming, last, waiting = next_activities(self.scope), last_activities(self.scope), waiting_edits(self.scope)
        won = func.coalesce(deals.c.won, 0)
        joined: FromClause = _ORGANIZATIONS
        for counted in (deals, value, origin, upcoming, last, waiting):
            joined = joined.outerjoin(counted, counted.c.organization_id == organization.id)
        is_its_account = (held.company_id == organization.company_id) & (held.organization_id == organization.id)
        joined = joined.outerjoin(accounts, is_its_account)
        came_earlier = and_(
            origin.c.id.is_not(None),
            or_(
                held.organization_id.is_(None),
                origin.c.time < held.created_at,
                (origin.c.time == held.created_at) & (origin.c.id < held.created_by_deal_id),
            ),
        )
        columns: dict[str, ColumnElement[Any]] = {
            "company_id": organization.company_id,
            "organization_id": organization.id,
            "status": case((organization.deleted_at.is_not(None) | (won == 0), "former"), else_="active"),
            **shared_fields(waiting, self.scope.dialect),
            "won_deals_count": won,
            "open_deals_count": func.coalesce(deals.c.open, 0),
            "won_value": case((won == 0, literal(0, Number())), else_=value.c.value),
            "currency": literal(self.valuation.currency),
            "first_won_time": deals.c.first_won_time,
            "last_won_time": deals.c.last_won_time,
            "next_activity_id": upcoming.c.id,
            "next_activity_due_date": upcoming.c.due_date,
            "next_activity_due_time": func.nullif(upcoming.c.due_time, ""),
            "last_activity_time": last.c.time,
            "created_by_deal_id": case((came_earlier, origin.c.id), else_=held.created_by_deal_id),
            "created_at": case((came_earlier, origin.c.time), else_=held.created_at),
        }
        return (
            select(*(column.label(name) for name, column in columns.items()))
            .select_from(joined)
            .where(
                organization.company_id == self.scope.company_id,
                self.scope.covers(organization.id),
                (won > 0) | held.organization_id.is_not(None),
            )
        )

    def _deals(self) -> Subquery:
        """What is counted of each organization's live deals."""
        columns = _DEALS.c
        won_time = case((_WON, columns.won_time))
        return (
            select(
                columns.org_id.label("organization_id"),
                func.count(case((_WON, 1))).label("won"),
                func.count(case((columns.status == "open", 1))).label("open"),
                func.min(won_time).label("first_won_time"),
                func.max(won_time).label("last_won_time"),
            )
            .where(self.scope.live(_DEALS), self.scope.covers(columns.org_id))
            .group_by(columns.org_id)
            .subquery("counted_deals")
        )

    def _first_wins(self) -> Subquery:
        """The earliest of each organization's won deals, and when it was won, as far as anything tells."""
        columns = _DEALS.c
        this_second = bindparam("this_second", type_=Timestamp())
        time = func.coalesce(columns.won_time, columns.close_time, columns.update_time, columns.add_time, this_second)
        place = func.row_number().over(partition_by=columns.org_id, order_by=(time, columns.id))
        ranked = self._won_deals(columns.id, time.label("time"), place.label("place")).subquery()
        return only_first(ranked, ranked.c.id, ranked.c.time).subquery("first_wins")

    def _sums(self) -> Subquery:
        """Won deals by organization and currency: their number and their exact sum."""
        currency = func.coalesce(_DEALS.c.currency, NO_CURRENCY)
        total = func.coalesce(ExactSum(_DEALS.c.value), literal(0, Number()))
        sums = self._won_deals(currency.label("currency"), total.label("value"), func.count().label("deals_count"))
        return sums.group_by(_DEALS.c.org_id, currency).subquery("sums")

    def _values(self) -> Subquery:
        """What each organization's won deals are worth in the one currency; null where a rate is missing."""
        sums = self._sums()
        base = self.valuation.currency
        rate = case(self._rates(), value=sums.c.currency, else_=null())
        counts = ExactNumber(sums.c.value) != 0
        unknown = func.count(case((counts & rate.is_(None), 1)))
        converted = func.count(case((counts & (sums.c.currency != base), 1)))
        total = ExactSum(sums.c.value, rate)
        value = case(
            (unknown > 0, null()),
            (converted > 0, ExactNumber(total, self.decimals)),
            else_=func.coalesce(ExactNumber(total), literal(0, Number())),
        )
        values = select(sums.c.organization_id, value.label("value"))
        return values.group_by(sums.c.organization_id).subquery("valued")

    def _rates(self) -> dict[str, ColumnElement[Any]]:
        rates = self.valuation.rates.items()
        if self.scope.dialect == "sqlite":  # a text, for a double would round it
            return {code: literal(str(rate)) for code, rate in rates}
        return {code: literal(rate, Number()) for code, rate in rates}

    def _wanted_won_values(self) -> Select[Any]:
        sums = self._sums()
        of_account = (accounts.c.company_id == self.scope.company_id) & (
            accounts.c.organization_id == sums.c.organization_id
        )
        return (
            select(
                accounts.c.company_id,
                accounts.c.organization_id,
                sums.c.currency.label("currency"),
                ExactNumber(sums.c.value).label("value"),
                sums.c.deals_count.label("deals_count"),
            )
            .select_from(sums.join(accounts, of_account))
            .where(true())  # SQLite can't tell an upsert's ON from a join's without it
        )

    def remove_won_values(self) -> ReturningDelete[Any]:
        """Removes the sums of currencies in which nothing is won any more."""
        held = account_won_values.c
        same = (_DEALS.c.org_id == held.organization_id) & (
            func.coalesce(_DEALS.c.currency, NO_CURRENCY) == held.currency
        )
        remains = select(literal(1)).select_from(_DEALS).where(self.scope.live(_DEALS), _WON, same).exists()
        gone = delete(account_won_values).where(
            held.company_id == self.scope.company_id, self.scope.covers(held.organization_id), ~remains
        )
        return gone.returning(held.organization_id)

    def _won_deals(self, *columns: ColumnElement[Any]) -> Select[Any]:
        return select(_DEALS.c.org_id.label("organization_id"), *columns).where(
            self.scope.live(_DEALS), _WON, self.scope.covers(_DEALS.c.org_id)
        )
