"""What is next and what was last for an account: its organization's activities and those of its live deals."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Text, case, cast, func, literal, nulls_last, select, union_all

from sync.accounts.selecting import Scope, only_first
from sync.store.schema import TABLES
from sync.store.types import Timestamp

_ACTIVITIES, _DEALS = TABLES["activities"], TABLES["deals"]
_TIME_OF_DAY = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


def next_activities(scope: Scope) -> Subquery:
    """The next activity of each organization that has one: `organization_id`, `id`, `due_date`, `due_time`."""
    undone = _of_accounts(scope, done=False)
    earliest_first = (nulls_last(undone.c.due_date.asc()), _time_key(undone.c.due_time), undone.c.id)
    place = func.row_number().over(partition_by=undone.c.organization_id, order_by=earliest_first)
    columns = (undone.c.organization_id, undone.c.id, undone.c.due_date, undone.c.due_time)
    ranked = select(*columns, place.label("place")).subquery()
    return only_first(ranked, ranked.c.id, ranked.c.due_date, ranked.c.due_time).subquery("next_activities")


def last_activities(scope: Scope) -> Subquery:
    """When something was last done for each organization: `organization_id`, `time`."""
    done = _of_accounts(scope, done=True)
    moment = func.coalesce(done.c.marked_as_done_time, _due_moment(done.c.due_date, done.c.due_time))
    times = select(done.c.organization_id, func.max(moment).label("time"))
    return times.group_by(done.c.organization_id).subquery("last_activities")


def _of_accounts(scope: Scope, *, done: bool) -> Subquery:
    """Activities by the account they count for; one that names an organization and its deal comes twice."""
    wanted = scope.live(_ACTIVITIES) & (func.coalesce(_ACTIVITIES.c.done, False) == done)
    own = _columns(_ACTIVITIES.c.org_id).where(wanted, scope.covers(_ACTIVITIES.c.org_id))
    of_its_deals = scope.live(_DEALS) & scope.covers(_DEALS.c.org_id)
    same_deal = (_DEALS.c.company_id == _ACTIVITIES.c.company_id) & (_DEALS.c.id == _ACTIVITIES.c.deal_id)
    of_deals = _columns(_DEALS.c.org_id).join(_DEALS, same_deal).where(wanted, of_its_deals)
    if not scope.by_window:
        # Says nothing new, but makes SQLite start from the few deals rather than from all activities.
        of_deals = of_deals.where(_ACTIVITIES.c.deal_id.in_(select(_DEALS.c.id).where(of_its_deals).correlate(None)))
    return union_all(own, of_deals).subquery()


def _columns(organization: ColumnElement[Any]) -> Select[Any]:
    table = _ACTIVITIES.c
    return select(
        organization.label("organization_id"), table.id, table.due_date, table.due_time, table.marked_as_done_time
    ).select_from(_ACTIVITIES)


def _time_key(due_time: ColumnElement[Any]) -> ColumnElement[str]:
    """A text that sorts as the time of day does, all-day before all: 09:00 and 09:00:00 are one time."""
    given = func.coalesce(due_time, "")
    return case((given == "", ""), else_=func.substr(given + ":00", 1, 8))


def _due_moment(due_date: ColumnElement[Any], due_time: ColumnElement[Any]) -> ColumnElement[Any]:
    """When it was due, as an instant in UTC; all-day, or at a time nobody can read, means midnight."""
    readable = func.coalesce(due_time, "").regexp_match(_TIME_OF_DAY)
    time = case((readable, func.substr(due_time + ":00", 1, 8)), else_="00:00:00")
    return cast(cast(due_date, Text) + literal("T") + time + literal("Z"), Timestamp())
