"""One activity for each of many accounts: what there is to choose, a look at it, and asking for all of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta

from sync.accounts.lists.chosen import chosen_accounts
from sync.store.database import Connection
from sync.store.errands import load_activity_types
from sync.web.pages.activities import due_at
from sync.web.pages.listing.batches import Done, Preview, WrongWish
from sync.web.pages.visit import Visit
from sync.writeback.errands import NothingThere, UnfitErrand, ask_for_activity

NAMES = ("subject", "type", "date", "time", "assignee")  # of the form

_AT_ONCE = 100  # accounts in one transaction
_OF_ACCOUNT = "account"  # whoever owns the account does it
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from."""

    types: Mapping[str, str]
    users: Sequence[tuple[int, str]]
    tomorrow: date


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done for each account; without an `owner_id` it is that of whoever owns the account."""

    subject: str
    type: str
    day: date
    time: time | None
    owner_id: int | None


def choices(connection: Connection, visit: Visit) -> Choices:
    """What can be planned, and by whom."""
    users = sorted(visit.reference.active_users.items(), key=lambda one: one[1].casefold())
    types = load_activity_types(connection, visit.company_id)
    return Choices(types, users, visit.calendar.today + timedelta(days=1))


def preview(visit: Visit, ids: Sequence[int]) -> Preview:
    """For how many accounts it would be planned. Raises `WrongWish`."""
    plan = _plan_of(visit)
    with visit.site.database.reading() as connection:
        count = sum(1 for _ in chosen_accounts(connection, visit.company_id, ids, "owner_id"))
    day = visit.language.date(plan.day)
    return Preview(visit.say("%(subject)s, on %(day)s", subject=plan.subject, day=day), count, count, [])


def _plan_of(visit: Visit) -> _Plan:
    subject = str(visit.form.get("subject", "")).strip()
    if not subject:
        raise WrongWish(visit.say("Say what is to be done."))
    with visit.site.database.reading() as connection:
        known = choices(connection, visit)
    kind, assignee = str(visit.form.get("type", "")), str(visit.form.get("assignee", _OF_ACCOUNT))
    if kind not in known.types:
        raise WrongWish(visit.say("Choose what sort of activity it is."))
    owner = next((one for one, _ in known.users if str(one) == assignee), None)
    return _Plan(subject[:_LONGEST], kind, _day(visit), _time(visit), owner)


def _day(visit: Visit) -> date:
    try:
        day = date.fromisoformat(str(visit.form.get("date", "")).strip())
    except ValueError:
        day = date.min
    if not 1970 < day.year < 3000:
        raise WrongWish(visit.say("Say on which day."))
    return day


def _time(visit: Visit) -> time | None:
    text = str(visit.form.get("time", "")).strip()
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise WrongWish(visit.say("Write the time of day like 09:30.")) from None


def apply(visit: Visit, ids: Sequence[int]) -> Done:
    """Ask for one activity for each account; those that Pipedrive has no more are counted. Raises `WrongWish`."""
    plan, planned, refused = _plan_of(visit), 0, 0
    for begin in range(0, len(ids), _AT_ONCE):
        with visit.site.database.writing() as connection:
            some = chosen_accounts(connection, visit.company_id, ids[begin : begin + _AT_ONCE], "owner_id")
            for one in list(some):
                asked = _ask(connection, visit, plan, one.organization_id, one.account["owner_id"])
                planned, refused = planned + asked, refused + (not asked)
    count = visit.language.count
    words = [count("%(num)s activity is being planned.", "%(num)s activities are being planned.", planned)]
    if refused:
        words.append(count("%(num)s could not be planned.", "%(num)s could not be planned.", refused))
    return Done(" ".join(words), nothing_done=not planned)


def _ask(connection: Connection, visit: Visit, plan: _Plan, organization_id: int, owner_id: int | None) -> bool:
    """Whether it could be asked for. Where the account's owner has left, whoever the service works as does it."""
    due = due_at(plan.day, plan.time, visit.language.zone)
    for assignee in dict.fromkeys((plan.owner_id or owner_id, plan.owner_id)):
        with suppress(NothingThere, UnfitErrand):
            ask_for_activity(
                connection,
                visit.company_id,
                organization_id=organization_id,
                subject=plan.subject,
                type=plan.type,
                due_date=due.day,
                due_time=due.time,
                owner_id=assignee,
                by=visit.viewer.name,
                now=visit.calendar.now,
            )
            return True
    return False
