"""What happened to an account, in one line of time: fields changed, deals closed, activities, notes, files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sync.accounts.facts import Attached, Dossier, Reach
from sync.web.pages.account.files import safe_name
from sync.web.pages.fields.editing import hand
from sync.web.pages.fields.view import FieldView, Shown
from sync.web.pages.visit import Visit

SHORT = Reach()
LONG = Reach(done=500, notes=300, files=300, changes=1000)
_FEW = 20  # entries, unless all are asked for


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened. Of a field that changed, `before` and `after` are its values."""

    at: datetime
    sort: str  # field, won, lost, done, note, file
    what: str
    who: str = ""
    before: Shown | None = None
    after: Shown | None = None
    number: int = 0  # among those of one moment: the change's, the deal's, …
    is_undoable: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The entries, the latest first, and whether there are more."""

    entries: Sequence[Entry]
    has_more: bool


def timeline_of(visit: Visit, dossier: Dossier, view: FieldView, reach: Reach) -> Timeline:
    """The history of an account, as far back as the dossier reaches in each respect."""
    entries = sorted(_entries(visit, dossier, view), key=lambda one: (one.at, one.number), reverse=True)
    # Before the last of a list that was cut there is more than is known: nothing is shown with gaps.
    complete_since = _complete_since(dossier, reach)
    known = [one for one in entries if complete_since is None or one.at >= complete_since]
    shown = known if reach is LONG else known[:_FEW]
    return Timeline(shown, reach is not LONG and (len(shown) < len(entries) or complete_since is not None))


def _complete_since(dossier: Dossier, reach: Reach) -> datetime | None:
    ends = [
        *_end([one.changed_at for one in dossier.changes], reach.changes),
        *_end([one.marked_as_done_time for one in dossier.done], reach.done),
        *_end([one.add_time for one in dossier.notes if not one.is_pinned], reach.notes - _pinned(dossier.notes)),
        *_end([one.add_time for one in dossier.files], reach.files),
    ]
    return max(ends, default=None)


def _pinned(notes: Iterable[Attached]) -> int:
    return sum(one.is_pinned for one in notes)


def _end(moments: Sequence[datetime | None], limit: int) -> Iterator[datetime]:
    """The earliest moment of a list that may have been cut."""
    known = [one for one in moments if one is not None]
    if known and len(moments) >= limit:
        yield min(known)


def _entries(visit: Visit, dossier: Dossier, view: FieldView) -> Iterator[Entry]:
    yield from _changes(visit, dossier, view)
    yield from _deals(visit, dossier)
    users = visit.reference.users
    for activity in dossier.done:
        if activity.marked_as_done_time is not None:
            who = users.get(activity.owner_id or 0, "")
            yield Entry(activity.marked_as_done_time, "done", activity.subject or "", who, number=activity.id)
    for note in dossier.notes:
        if note.add_time is not None:
            yield Entry(note.add_time, "note", "", users.get(note.user_id or 0, ""), number=note.id)
    for file in dossier.files:
        if file.add_time is not None:
            yield Entry(
                file.add_time,
                "file",
                safe_name(file.text, str(file.id)),
                users.get(file.user_id or 0, ""),
                number=file.id,
            )


def _changes(visit: Visit, dossier: Dossier, view: FieldView) -> Iterator[Entry]:
    for one in dossier.changes:
        yield Entry(
            at=one.changed_at,
            sort="field",
            what=view.title(one.field),
            who=hand(visit, one.changed_by),
            before=view.shown(one.field, one.old_value),
            after=view.shown(one.field, one.new_value),
            number=one.id,
            is_undoable=view.kind(one.field) is not None,
        )


def _deals(visit: Visit, dossier: Dossier) -> Iterator[Entry]:
    users = visit.reference.users
    for deal in dossier.deals:
        moment = {"won": deal.won_time, "lost": deal.lost_time}.get(deal.status or "")
        if moment is not None:
            worth = Shown(visit.language.money(deal.value, deal.currency))
            who = users.get(deal.owner_id or 0, "")
            yield Entry(moment, str(deal.status), deal.title or "", who, after=worth or None, number=deal.id)
