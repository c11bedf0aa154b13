"""The activities of one account as its page shows them: with what was asked for and Pipedrive has not done yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sync.accounts.facts import ActivityFact, Dossier, WaitingErrand
from sync.accounts.lists.calendar import Bucket, due_moment
from sync.pipedrive.entities import ACTIVITIES, NOTES
from sync.store.journal import Action, State
from sync.web.pages.asked_for import what_was_asked
from sync.web.pages.visit import Visit


@dataclass(frozen=True, slots=True)
class ActivityLine:
    """An activity. Without an `id` it is still to be made; `wish` says what is being waited for."""

    id: int | None
    type: str
    subject: str
    due: str
    bucket: Bucket
    owner: str
    deal: str
    done_at: datetime | None
    wish: str = ""
    errand_id: int | None = None  # that can be forgotten


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was asked for and Pipedrive did not do."""

    errand_id: int
    what: str
    why: str
    by: str
    at: datetime


class Words:
    """What a visitor reads of activities and errands."""

    def __init__(self, visit: Visit, dossier: Dossier) -> None:
        self._visit, self._language, self._calendar = visit, visit.language, visit.calendar
        self._users, self._types = visit.reference.users, visit.reference.activity_types
        self._dossier = dossier
        self._deals = {one.id: one.title or "" for one in dossier.deals}
        self._subjects = {one.id: one.subject or "" for one in (*dossier.planned, *dossier.done)}

    def planned(self) -> Sequence[ActivityLine]:
        """What is planned, and what is being planned, the earliest first; each day in the visitor's zone."""
        wishes = self._wishes()
        lines = [(one.due_date, one.due_time, self._line(one, wishes.get(one.id))) for one in self._dossier.planned]
        lines += [
            (_day(one.body.get("due_date")), one.body.get("due_time"), self._new(one))
            for one in self._dossier.errands
            if one.entity == ACTIVITIES.name and one.action is Action.CREATE and one.state is not State.FAILED
        ]
        lines.sort(key=lambda one: (one[0] or date.max, (one[1] or "")[:5]))
        return [line for _, _, line in lines]

    def done(self) -> Sequence[ActivityLine]:
        """What was done, the latest first."""
        wishes = self._wishes()
        return [self._line(one, wishes.get(one.id)) for one in self._dossier.done]

    def refused(self) -> Sequence[Refused]:
        """What Pipedrive did not do."""
        failed = [one for one in self._dossier.errands if one.state is State.FAILED]
        return [Refused(one.id, self._what(one), one.error or "", one.requested_by, one.requested_at) for one in failed]

    def waiting_notes(self) -> Sequence[WaitingErrand]:
        """The notes that are being added."""
        return [one for one in self._dossier.errands if one.entity == NOTES.name and one.state is not State.FAILED]

    def _wishes(self) -> Mapping[int, WaitingErrand]:
        """By activity, the last that is asked of it."""
        asked: Iterable[WaitingErrand] = self._dossier.errands
        return {
            one.record_id: one
            for one in asked
            if one.entity == ACTIVITIES.name and one.record_id is not None and one.state is not State.FAILED
        }

    def _line(self, one: ActivityFact, errand: WaitingErrand | None) -> ActivityLine:
        return ActivityLine(
            id=one.id,
            type=self._types.get(one.type or "", one.type or ""),
            subject=one.subject or "",
            due=self._due(one.due_date, one.due_time),
            bucket=self._calendar.bucket(one.due_date, one.due_time),
            owner=self._users.get(one.owner_id, "") if one.owner_id else "",
            deal=self._deals.get(one.deal_id, "") if one.deal_id else "",
            done_at=one.marked_as_done_time,
            wish=self._wish(errand) if errand else "",
            errand_id=errand.id if errand and errand.state is State.WAITING else None,
        )

    def _new(self, errand: WaitingErrand) -> ActivityLine:
        body = errand.body
        day, owner = _day(body.get("due_date")), body.get("owner_id")
        return ActivityLine(
            id=None,
            type=self._types.get(str(body.get("type")), str(body.get("type") or "")),
            subject=str(body.get("subject") or ""),
            due=self._due(day, body.get("due_time")),
            bucket=self._calendar.bucket(day, body.get("due_time")),
            owner=self._users.get(owner, "") if owner else "",
            deal=self._deals.get(body.get("deal_id") or 0, ""),
            done_at=None,
            wish=self._visit.say("being planned…"),
            errand_id=errand.id if errand.state is State.WAITING else None,
        )

    def _wish(self, errand: WaitingErrand) -> str:
        say, body = self._visit.say, errand.body
        if errand.action is Action.DELETE:
            return say("being deleted…")
        if "done" in body:
            return say("being marked as done…") if body["done"] else say("being marked as not done…")
        return say("being moved to %(day)s…", day=self._due(_day(body.get("due_date")), body.get("due_time")))

    def _what(self, errand: WaitingErrand) -> str:
        subject = self._subjects.get(errand.record_id or 0, "")
        return what_was_asked(self._visit, errand.entity, errand.action, errand.body, subject)

    def _due(self, day: date | None, due_time: str | None) -> str:
        if day is None:
            return self._visit.say("no day")
        moment = due_moment(day, due_time)
        here = self._calendar.day_of(day, due_time)
        words = f"{self._language.date(here, 'EEE')} {self._language.short_date(here, self._calendar.today)}"
        return f"{words}, {self._language.time(moment)}" if moment else words


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
