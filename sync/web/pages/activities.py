"""Activities: planning one for an account, moving one to another day, marking one as done.

Nothing is changed here: what a person wants is noted as an errand, which the running service carries out. Days and
times of day are the viewer's in forms, and the API's (UTC) in errands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sync.accounts.lists.calendar import Calendar, due_moment
from sync.accounts.lists.listing import jump
from sync.accounts.planning import Planning, load_planned, load_planning
from sync.errors import SyncError
from sync.pipedrive.entities import ACTIVITIES
from sync.pipedrive.records import INTEGER_RANGE
from sync.store.errands import load_activity_types
from sync.store.journal import Write
from sync.store.mirror import load_record
from sync.web.pages.board.pending import next_activity, with_open_errands
from sync.web.pages.routes import Page
from sync.web.pages.told import told
from sync.web.pages.visit import Visit
from sync.web.words import message
from sync.writeback.errands import (
    NothingThere,
    UnfitErrand,
    ask_for_activity,
    ask_to_complete,
    ask_to_reschedule,
    html_of,
    load_errands,
)

_DURATIONS = ("00:15", "00:30", "00:45", "01:00", "01:30", "02:00", "04:00")
_MOST_FOUND = 10  # accounts that a search in the dialog lists
_EARLIEST, _LATEST = date(1970, 1, 2), date(2999, 12, 31)


@dataclass(frozen=True, slots=True)
class Due:
    """When an activity is due, as the API has it: a date, and a time in UTC, or the whole day."""

    day: date
    time: str | None


def due_at(day: date, at: time | None, zone: tzinfo) -> Due:
    """When something is due that a viewer wants on a day of his, at a time of his or all day."""
    if at is None:
        return Due(day, None)
    moment = datetime.combine(day, at, zone).astimezone(UTC)
    return Due(moment.date(), f"{moment:%H:%M}")


def local_due(due_date: date, due_time: str | None, zone: tzinfo) -> tuple[date, time | None]:
    """The viewer's day and time of day of what is due; no time for what is due all day."""
    moment = due_moment(due_date, due_time)
    if moment is None:
        return due_date, None
    here = moment.astimezone(zone)
    return here.date(), here.time()


class _Wrong(SyncError):
    """A form says something that can't be."""


# --- planning --------------------------------------------------------------------------------------------------------


def choose_account(visit: Visit) -> Response:
    """For which account something is planned: those that a few letters find, each with a link to the plan."""
    words = visit.query.get("q", "")[:200]
    with visit.site.database.reading() as connection:
        found = jump(connection, visit.company_id, words, _MOST_FOUND) if words.strip() else []
    day = _wanted_day(visit, visit.calendar.today)
    return visit.show("activity_account.html", words=words, found=found, day=day, back=_came_from(visit, "/board"))


def plan(visit: Visit) -> Response:
    """The form in which an activity is planned for an account."""
    day = _wanted_day(visit, visit.calendar.today + timedelta(days=1))
    return _plan_form(visit, _planning(visit), {"date": day.isoformat()})


def ask_for_plan(visit: Visit) -> Response:
    """Note that an activity is to be planned."""
    planning = _planning(visit)
    given = {name: value for name, value in visit.form.items() if isinstance(value, str)}
    try:
        _note_plan(visit, given)
    except (_Wrong, UnfitErrand, NothingThere) as error:
        return _plan_form(visit, planning, given, told(visit.language, error.message))
    words = visit.say("Being planned for %(name)s: %(subject)s", name=planning.name, subject=given["subject"].strip())
    return visit.back(f"/accounts/{planning.organization_id}", words)


def _planning(visit: Visit) -> Planning:
    organization_id = visit.number("organization_id")
    planning = None
    if organization_id in INTEGER_RANGE:
        with visit.site.database.reading() as connection:
            planning = load_planning(connection, visit.company_id, organization_id)
    if planning is None:
        raise HTTPException(404, visit.say("There is no such account."))
    return planning


def _plan_form(visit: Visit, planning: Planning, given: Mapping[str, str], wrong: str = "") -> Response:
    with visit.site.database.reading() as connection:
        types = load_activity_types(connection, visit.company_id)
    users = visit.reference.active_users
    owner = planning.owner_id if planning.owner_id in users else None
    home = f"/accounts/{planning.organization_id}"
    return visit.show(
        "activity_new.html",
        422 if wrong else 200,
        planning=planning,
        given={"owner": str(owner or ""), **given},
        types=types,
        users=sorted(users.items(), key=lambda user: user[1].casefold()),
        durations=[(text, _duration(visit, text)) for text in _DURATIONS],
        wrong=wrong,
        back=given.get("back") or _came_from(visit, home),
    )


def _duration(visit: Visit, text: str) -> str:
    hours, minutes = map(int, text.split(":"))
    if minutes == 0:
        return visit.language.count("%(num)s hour", "%(num)s hours", hours)
    return visit.language.count("%(num)s minute", "%(num)s minutes", hours * 60 + minutes)


def _note_plan(visit: Visit, given: Mapping[str, str]) -> None:
    if not given.get("subject", "").strip():
        raise _Wrong(visit.say("Say what is to be done."))
    due = due_at(_day(visit), _time(visit), visit.language.zone)
    note = given.get("note", "")
    with visit.site.database.writing() as connection:
        ask_for_activity(
            connection,
            visit.company_id,
            organization_id=visit.number("organization_id"),
            subject=given["subject"],
            type=given.get("type", ""),
            due_date=due.day,
            due_time=due.time,
            duration=given.get("duration") or None,
            owner_id=_id(given.get("owner", "")),
            deal_id=_id(given.get("deal", "")),
            note=html_of(note) if note.strip() else None,
            by=visit.viewer.name,
            now=visit.calendar.now,
        )


# --- done, and another day -------------------------------------------------------------------------------------------


def mark_done(visit: Visit) -> Response:
    """Note that an activity is to be marked as done, or with `done=0` as not done."""
    done = str(visit.form.get("done", "1")) != "0"
    activity = _activity(visit)
    with visit.site.database.writing() as connection:
        ask_to_complete(
            connection,
            visit.company_id,
            activity.id,
            done=done,
            by=visit.viewer.name,
            now=visit.calendar.now,
        )
    words = message("Being marked as done: %(subject)s") if done else message("Being marked as not done: %(subject)s")
    return visit.back(activity.home, visit.say(words, subject=activity.subject))


def move(visit: Visit) -> Response:
    """The form in which an activity is moved to another day."""
    activity = _activity(visit)
    day, at = activity.here(visit.language.zone)
    day = _wanted_day(visit, day or visit.calendar.today)
    return _move_form(visit, activity, {"date": day.isoformat(), "time": f"{at:%H:%M}" if at else ""})


def ask_to_move(visit: Visit) -> Response:
    """Note that an activity is to be moved. Where the form has no `time` at all, it stays at its time of day."""
    activity = _activity(visit)
    zone = visit.language.zone
    try:
        day = _day(visit)
        at = _time(visit) if "time" in visit.form else activity.here(zone)[1]
        if at is None and activity.is_timed:
            raise _Wrong(visit.say("It has a time of day, and Pipedrive keeps that: say which."))
        due = due_at(day, at, zone)
        _note_move(visit, activity.id, due)
    except (_Wrong, UnfitErrand) as error:
        given = {name: value for name, value in visit.form.items() if isinstance(value, str)}
        return _move_form(visit, activity, given, told(visit.language, error.message))
    when = visit.language.short_date(day, visit.calendar.today)
    words = visit.say("Being moved to %(day)s: %(subject)s", day=when, subject=activity.subject)
    still_next = _still_next(visit, activity)
    return visit.back(activity.home, f"{words}. {still_next}" if still_next else words)


def _note_move(visit: Visit, activity_id: int, due: Due) -> None:
    with visit.site.database.writing() as connection:
        ask_to_reschedule(
            connection,
            visit.company_id,
            activity_id,
            due_date=due.day,
            due_time=due.time,
            by=visit.viewer.name,
            now=visit.calendar.now,
        )


def _still_next(visit: Visit, moved: "_Activity") -> str:
    """Which activity of the account is due before one that is moved; nothing where none is."""
    organization_id = moved.record["org_id"]
    if organization_id is None:
        return ""
    with visit.site.database.reading() as connection:
        errands = load_errands(connection, visit.company_id, organization_id)
        planned = load_planned(connection, visit.company_id, [organization_id])
    upcoming = next_activity(errands, planned.get(organization_id, ()))
    if upcoming is None or upcoming.id == moved.id:
        return ""
    return visit.say("Due before it: %(subject)s", subject=upcoming.subject or "")


def _move_form(visit: Visit, activity: "_Activity", given: Mapping[str, str], wrong: str = "") -> Response:
    return visit.show(
        "activity_reschedule.html",
        422 if wrong else 200,
        activity=activity,
        given=given,
        days=_days(visit.calendar),
        has_day="date" in visit.query,  # the day is what is asked, not whether
        wrong=wrong,
        back=given.get("back") or _came_from(visit, activity.home),
    )


def _days(calendar: Calendar) -> Sequence[date]:
    """The days to which things are moved most: today, the four after it, and when the next week begins."""
    near = [calendar.today + timedelta(days=days) for days in range(5)]
    return sorted({*near, calendar.next_week})


@dataclass(frozen=True, slots=True)
class _Activity:
    """The activity that is meant."""

    id: int
    record: Mapping[str, Any] = field(repr=False)

    @property
    def subject(self) -> str:
        return str(self.record["subject"] or "")

    @property
    def home(self) -> str:
        """The page of its account."""
        return f"/accounts/{self.record['org_id']}" if self.record["org_id"] else "/accounts"

    @property
    def is_timed(self) -> bool:
        return self.here(UTC)[1] is not None

    def here(self, zone: tzinfo) -> tuple[date | None, time | None]:
        """Its day and time of day in a zone."""
        if self.record["due_date"] is None:
            return None, None
        return local_due(self.record["due_date"], self.record["due_time"], zone)


def _activity(visit: Visit) -> _Activity:
    activity_id = visit.number("activity_id")
    record, errands = None, list[Write]()
    if activity_id in INTEGER_RANGE:
        with visit.site.database.reading() as connection:
            record = load_record(connection, visit.company_id, ACTIVITIES, activity_id)
            errands = [*load_errands(connection, visit.company_id)]
    if record is None or record["deleted_at"] is not None:
        raise HTTPException(404, visit.say("There is no such activity any more."))
    return _Activity(activity_id, with_open_errands(record, errands))


# --- what forms and addresses say ------------------------------------------------------------------------------------


def _wanted_day(visit: Visit, otherwise: date) -> date:
    """The day in the address."""
    return _known_day(visit.query.get("date", "")) or otherwise


def _known_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if _EARLIEST <= day <= _LATEST else None


def _day(visit: Visit) -> date:
    day = _known_day(str(visit.form.get("date", "")))
    if day is None:
        raise _Wrong(visit.say("Say on which day."))
    return day


def _time(visit: Visit) -> time | None:
    text = str(visit.form.get("time", "")).strip()
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise _Wrong(visit.say("Write the time of day like 09:30.")) from None


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _came_from(visit: Visit, otherwise: str) -> str:
    """The page of ours from which a form was asked for, to go back to."""
    came = urlsplit(visit.request.headers.get("referer", ""))
    if came.netloc != visit.request.headers.get("host") or "/activities/" in came.path:
        return otherwise
    return came.path + (f"?{came.query}" if came.query else "")


PAGES: Sequence[Page] = (
    Page("/activities/new", choose_account),
    Page("/accounts/{organization_id:int}/activities/new", plan),
    Page("/accounts/{organization_id:int}/activities/new", ask_for_plan, changes=True),
    Page("/activities/{activity_id:int}/done", mark_done, changes=True),
    Page("/activities/{activity_id:int}/reschedule", move),
    Page("/activities/{activity_id:int}/reschedule", ask_to_move, changes=True),
)
