"""What waits for a person: fields that both sides changed, changes that Pipedrive does not take, errands it refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sync.accounts.queries import names_of
from sync.accounts.records import subjects_of
from sync.pipedrive.entities import NOTES
from sync.pipedrive.records import INTEGER_RANGE
from sync.store.conflicts import (
    Conflict,
    count_open_conflicts,
    load_conflict,
    load_conflicts,
    open_conflict_ids,
)
from sync.store.edits import Parked, load_parked, unpark
from sync.store.errands import load_open_errands
from sync.store.journal import State, Write
from sync.web.pages.asked_for import what_was_asked
from sync.web.pages.fields.editing import hand
from sync.web.pages.fields.forms import WrongValue, typed_again, value_of
from sync.web.pages.fields.view import FieldView, Shown, view_of
from sync.web.pages.routes import Page
from sync.web.pages.told import told
from sync.web.pages.visit import Visit
from sync.writeback.editing import CannotEdit, resolve_conflict

HOME = "/conflicts"
ON_A_PAGE = 100  # conflicts; and of what is parked or refused, at most so much is listed
ALL = "all"
_FIELD = "field:"
_AT_ONCE = 100  # conflicts that are decided in one transaction: the sync does not wait longer
_KEEPS = ("theirs", "ours")


@dataclass(frozen=True, slots=True)
class Side:
    """One side's value of a conflict: when it was made, and by whom."""

    value: Shown
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class ConflictLine:
    """A conflict as people read it."""

    id: int
    organization_id: int
    account: str
    field: str
    theirs: Side
    ours: Side
    before: Side
    detected_at: datetime
    outcome: str  # in words; empty while it waits
    resolved_at: datetime | None
    can_edit: bool  # the field is there still


@dataclass(frozen=True, slots=True)
class ParkedLine:
    """A change that Pipedrive does not take."""

    organization_id: int
    account: str
    code: str
    field: str
    value: Shown
    reason: str
    since: datetime
    attempts: int
    can_edit: bool


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """An errand that Pipedrive refused."""

    id: int
    organization_id: int
    account: str
    what: str
    why: str
    by: str
    at: datetime


def show(visit: Visit) -> Response:
    """Everything that waits for a person; with `all`, the conflicts that are decided as well."""
    everything, field = bool(visit.query.get(ALL)), visit.query.get("field") or None
    before = _number(visit.query.get("before"))
    with visit.site.database.reading() as connection:
        found = load_conflicts(
            connection,
            visit.company_id,
            only_open=not everything,
            field=field,
            before=before,
            limit=ON_A_PAGE + 1,
        )
        counts = count_open_conflicts(connection, visit.company_id)
        parked = load_parked(connection, visit.company_id)
        errands = [one for one in load_open_errands(connection, visit.company_id) if one.state is State.FAILED]
        lines = _Lines.of(visit, connection, found[:ON_A_PAGE], parked[:ON_A_PAGE], errands[:ON_A_PAGE])
    older = found[ON_A_PAGE - 1].id if len(found) > ON_A_PAGE else None
    return visit.show(
        "conflicts.html",
        lines=[lines.conflict(one) for one in found[:ON_A_PAGE]],
        parked=[lines.parked(one) for one in parked[:ON_A_PAGE]],
        refused=[lines.refused(one) for one in errands[:ON_A_PAGE]],
        parked_count=len(parked),
        refused_count=len(errands),
        waiting=sum(counts.values()),
        fields=[(code, lines.view.title(code), count) for code, count in counts.items()],
        field=field,
        field_title=lines.view.title(field) if field else "",
        everything=everything,
        older=older,
    )


@dataclass(frozen=True)
class _Lines:
    """Makes lines of what is in the database."""

    visit: Visit
    view: FieldView
    names: Mapping[int, str]
    subjects: Mapping[int, str]

    @classmethod
    def of(
        cls,
        visit: Visit,
        connection: Any,
        conflicts: Sequence[Conflict],
        parked: Sequence[Parked] = (),
        errands: Sequence[Write] = (),
    ) -> "_Lines":
        """With the names of everything that is in them."""
        values = [(one.field, value) for one in conflicts for value in _values(one)]
        values += [(one.field, one.value) for one in parked]
        ids = {one.organization_id for one in conflicts}
        ids |= {one.organization_id for one in parked} | {one.organization_id for one in errands}
        activities = {one.record_id for one in errands if one.record_id and one.entity != NOTES.name}
        return cls(
            visit,
            view_of(visit, connection, [{"custom_fields": {code: value}} for code, value in values]),
            names_of(connection, visit.company_id, "organizations", sorted(ids)),
            subjects_of(connection, visit.company_id, activities) if activities else {},
        )

    def conflict(self, one: Conflict) -> ConflictLine:
        """A conflict."""
        before, ours, theirs = (self.view.shown(one.field, value) for value in _values(one))
        return ConflictLine(
            id=one.id or 0,
            organization_id=one.organization_id,
            account=self._name(one.organization_id),
            field=self.view.title(one.field),
            theirs=Side(theirs, one.pipedrive_time, self._hand(one.pipedrive_by)),
            ours=Side(ours, one.account_time, self._hand(one.account_by)),
            before=Side(before),
            detected_at=one.detected_at,
            outcome=self._outcome(one),
            resolved_at=one.resolved_at,
            can_edit=self.view.kind(one.field) is not None,
        )

    def parked(self, one: Parked) -> ParkedLine:
        """A parked change."""
        return ParkedLine(
            organization_id=one.organization_id,
            account=self._name(one.organization_id),
            code=one.field,
            field=self.view.title(one.field),
            value=self.view.shown(one.field, one.value),
            reason=one.reason,
            since=one.since,
            attempts=one.attempts,
            can_edit=self.view.kind(one.field) is not None,
        )

    def refused(self, one: Write) -> RefusedLine:
        """An errand that was refused."""
        return RefusedLine(
            id=one.id,
            organization_id=one.organization_id,
            account=self._name(one.organization_id),
            what=what_was_asked(
                self.visit, one.entity, one.action, one.body or {}, self.subjects.get(one.record_id or 0, "")
            ),
            why=one.error or "",
            by=self._hand(one.requested_by),
            at=one.requested_at,
        )

    def _name(self, organization_id: int) -> str:
        return self.names.get(organization_id) or self.visit.say("Without a name")

    def _hand(self, name: str | None) -> str:
        return hand(self.visit, name) if name else ""

    def _outcome(self, one: Conflict) -> str:
        """What was kept, and who said so."""
        say = self.visit.say
        if one.resolution is None:
            return ""
        kept = {
            "pipedrive": say("Pipedrive's value was kept"),
            "account": say("Our value was kept"),
        }.get(one.resolution, say("Another value was taken"))
        by = {
            "policy": say("by the rule “%(policy)s”", policy=one.policy),
            "race": say("the other was written at the same moment"),
            "merge": say("when two organizations were merged"),
        }.get(one.resolved_by or "", self._hand(one.resolved_by))
        return f"{kept}, {by}" if by else kept


def _values(one: Conflict) -> tuple[Any, Any, Any]:
    return one.base_value, one.account_value, one.pipedrive_value


# Deciding


def ask_value(visit: Visit) -> Response:
    """The form for a third value."""
    conflict = _conflict(visit)
    with visit.site.database.reading() as connection:
        lines = _Lines.of(visit, connection, [conflict])
    return _form(visit, conflict, lines, lines.view.control(conflict.field, conflict.account_value), "")


def resolve(visit: Visit) -> Response:
    """Decide one conflict."""
    conflict, keep = _conflict(visit), str(visit.form.get("keep", ""))
    if keep not in (*_KEEPS, "value"):
        raise HTTPException(422, visit.say("Say which value is kept."))
    value = None
    if keep == "value":
        try:
            value = value_of(visit.form, visit.fields, conflict.field, visit.language)
        except WrongValue as error:
            return _again(visit, conflict, str(error))
    if visit.form.get("open") and conflict.resolved_at is not None:
        who = hand(visit, conflict.resolved_by or "")
        return visit.back(HOME, visit.say("It was decided meanwhile: %(who)s was faster.", who=who), wrong=True)
    try:
        with visit.site.database.writing() as connection:
            _decide(visit, connection, conflict.id or 0, keep, value)
    except CannotEdit as error:
        return visit.back(
            HOME,
            visit.say("It can't be decided like that: %(why)s", why=told(visit.language, error.message)),
            wrong=True,
        )
    title = FieldView(visit.fields, visit.language).title(conflict.field)
    return visit.back(HOME, visit.say("Decided: %(field)s.", field=title))


def _decide(visit: Visit, connection: Any, conflict_id: int, keep: str, value: Any = None) -> None:
    by, now = visit.viewer.name, visit.calendar.now
    resolve_conflict(connection, visit.company_id, visit.fields, conflict_id, keep, value=value, by=by, at=now)


def _form(visit: Visit, conflict: Conflict, lines: _Lines, control: Any, wrong: str) -> Response:
    return visit.show(
        "conflict_value.html",
        422 if wrong else 200,
        line=lines.conflict(conflict),
        view=lines.view,
        control=control,
        wrong=wrong,
        back=str(visit.form.get("back", "")) or HOME,
    )


def _again(visit: Visit, conflict: Conflict, wrong: str) -> Response:
    with visit.site.database.reading() as connection:
        lines = _Lines.of(visit, connection, [conflict])
    control = typed_again(lines.view.control(conflict.field, conflict.account_value), visit.form)
    return _form(visit, conflict, lines, control, wrong)


def _conflict(visit: Visit) -> Conflict:
    number, found = visit.number("conflict_id"), None
    if number in INTEGER_RANGE:
        with visit.site.database.reading() as connection:
            found = load_conflict(connection, visit.company_id, number)
    if found is None:
        raise HTTPException(404, visit.say("There is no such conflict."))
    if visit.fields.own.get(found.field) is None and found.field not in visit.fields.rules:
        raise HTTPException(404, visit.say("The field of this conflict is not there any more."))
    return found


def resolve_many(visit: Visit) -> Response:
    """Decide conflicts in bulk: those that were selected, all of a field, or all."""
    keep = str(visit.form.get("keep", ""))
    if keep not in _KEEPS:
        raise HTTPException(422, visit.say("Say which value is kept."))
    chosen = _chosen(visit)
    if not chosen:
        return visit.back(HOME, visit.say("Nothing is selected."), wrong=True)
    decided = failed = 0
    for place in range(0, len(chosen), _AT_ONCE):
        with visit.site.database.writing() as connection:
            for number in chosen[place : place + _AT_ONCE]:
                if _is_decided(visit, connection, number, keep):
                    decided += 1
                else:
                    failed += 1
    count = visit.language.count
    said = count("Decided: %(num)s conflict.", "Decided: %(num)s conflicts.", decided)
    if failed:
        said += " " + count(
            "%(num)s was left as it is: decided meanwhile, or the value does not fit.",
            "%(num)s were left as they are: decided meanwhile, or the value does not fit.",
            failed,
        )
    return visit.back(HOME, said, wrong=not decided)


def _is_decided(visit: Visit, connection: Any, number: int, keep: str) -> bool:
    """Whether a conflict waited, and is decided now. What does not fit is refused before anything is changed."""
    conflict = load_conflict(connection, visit.company_id, number)
    if conflict is None or conflict.resolved_at is not None:
        return False
    try:
        _decide(visit, connection, number, keep)
    except CannotEdit:
        return False
    return True


def _chosen(visit: Visit) -> Sequence[int]:
    scope = str(visit.form.get("scope", ""))
    if scope == ALL or scope.startswith(_FIELD):
        with visit.site.database.reading() as connection:
            return open_conflict_ids(connection, visit.company_id, scope.removeprefix(_FIELD) if scope != ALL else None)
    return list(dict.fromkeys(_numbers(visit.form.getlist("conflict"))))


def _numbers(texts: Iterable[Any]) -> Iterable[int]:
    found = (_number(str(one)) for one in texts)
    return (one for one in found if one is not None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def retry_all(visit: Visit) -> Response:
    """Let everything that is parked be tried again."""
    with visit.site.database.writing() as connection:
        revived = unpark(connection, visit.company_id)
    words = visit.language.count("%(num)s change will be tried again.", "%(num)s changes will be tried again.", revived)
    return visit.back(HOME, words)


PAGES: Sequence[Page] = (
    Page(HOME, show),
    Page("/conflicts/resolve", resolve_many, changes=True),
    Page("/conflicts/{conflict_id:int}/value", ask_value),
    Page("/conflicts/{conflict_id:int}/resolve", resolve, changes=True),
    Page("/conflicts/retry", retry_all, changes=True),
)
