"""The page of one account: everything that is known of it, and what can be done for it.

The fields, activities, deals, notes, files and the history each have a room of their own; here they come together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sync.accounts.dossier import load_dossier, organization_exists
from sync.accounts.facts import Attached, Dossier, PersonFact, Reach
from sync.pipedrive.records import INTEGER_RANGE
from sync.store.journal import State
from sync.web.pages.account import files, notes
from sync.web.pages.account.activities import Words
from sync.web.pages.account.deals import SHOWN_AT_ONCE, deal_groups, growth_of
from sync.web.pages.account.fields import field_groups
from sync.web.pages.account.files import safe_name
from sync.web.pages.account.notes import harmless
from sync.web.pages.account.timeline import LONG, SHORT, timeline_of
from sync.web.pages.fields import editing
from sync.web.pages.fields.view import Shown, mail_link, phone_link, view_of
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit
from sync.writeback.errands import NoSuchErrand, drop_errand, retry_errand

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNITS = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class NoteShown:
    """A note; its HTML is harmless. Without a number it is still to be added, by the errand that can be forgotten."""

    id: int | None
    html: Markup
    by: str
    at: datetime | None
    deal: str
    is_pinned: bool = False
    errand_id: int | None = None


@dataclass(frozen=True, slots=True)
class FileShown:
    """A file that can be downloaded."""

    id: int
    name: str
    size: str
    type: str
    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PersonShown:
    """A person, with the ways to reach them."""

    id: int
    name: str
    job: str
    mails: Sequence[Shown]
    phones: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Since when the organization is held as it is, how that came to be known, and when it was last looked for."""

    since: datetime
    is_today: bool
    by_webhook: bool
    read_at: datetime | None


def show(visit: Visit) -> Response:
    """The page of an account."""
    reach = LONG if visit.query.get("history") == "all" else SHORT
    dossier, view = _load(visit, reach)
    words = Words(visit, dossier)
    return visit.show(
        "account.html",
        account=dossier.account,
        dossier=dossier,
        view=view,
        won_values=_won_values(dossier),
        fresh=_fresh(visit, dossier),
        there=_there(visit),
        groups=field_groups(view, dossier, visit.site.settings),
        planned=words.planned(),
        done=words.done(),
        refused=words.refused(),
        deals=deal_groups(visit, dossier),
        shown_at_once=SHOWN_AT_ONCE,
        growth=growth_of(visit, dossier),
        persons=[_person(visit, one) for one in dossier.persons],
        notes=[*_notes_to_be(visit, words), *(_note(visit, one, dossier) for one in dossier.notes)],
        files=[_file(visit, one) for one in dossier.files],
        timeline=timeline_of(visit, dossier, view, reach),
        is_long=reach is LONG,
        editing=visit.viewer.can_edit,
        asking=visit.viewer.can_edit and dossier.deleted_at is None,
        today=visit.calendar.today,
    )


def _load(visit: Visit, reach: Reach) -> tuple[Dossier, Any]:
    """The dossier and the view of its fields. Raises `HTTPException` where there is no account."""
    organization_id = visit.number("organization_id")
    exists = False
    with visit.site.database.reading() as connection:
        if organization_id in INTEGER_RANGE:
            dossier = load_dossier(connection, visit.company_id, organization_id, reach)
            if dossier is not None:
                past = [
                    {"custom_fields": {one.field: value}}
                    for one in dossier.changes
                    for value in (one.old_value, one.new_value)
                ]
                return dossier, view_of(visit, connection, [dossier.account, *past])
            exists = organization_exists(connection, visit.company_id, organization_id)
    if exists:
        raise HTTPException(404, visit.say("This organization has no account: none of its deals was ever won."))
    raise HTTPException(404, visit.say("There is no such account."))


def _past(dossier: Dossier) -> Sequence[Mapping[str, Any]]:
    """What the fields held at any time, as far as it is known."""
    values = [(one.field, value) for one in dossier.changes for value in (one.old_value, one.new_value)]
    return [{"custom_fields": {code: value}} for code, value in values]


def _won_values(dossier: Dossier) -> Sequence[Any]:
    """The sums per currency, where they say more than the won value does."""
    values = [one for one in dossier.won_values if one.value]
    is_said = len(values) == 1 and values[0].currency == dossier.account["currency"]
    return [] if is_said and dossier.account["won_value"] is not None else values


def _fresh(visit: Visit, dossier: Dossier) -> Fresh:
    zone, today = visit.language.zone, visit.calendar.today
    is_today = dossier.synced_at.astimezone(zone).date() == today
    return Fresh(dossier.synced_at, is_today, dossier.event_time is not None, dossier.read_at)


def _there(visit: Visit) -> str:
    """The address of the company at Pipedrive; empty if it is not known, or no Pipedrive is talked to at all."""
    domain = str(visit.reference.company.get("domain") or "")
    host = urlsplit(visit.site.settings.pipedrive_base_url or "https://.pipedrive.com").hostname or ""
    is_real = host.endswith(".pipedrive.com")
    return f"https://{domain}.pipedrive.com" if is_real and _DOMAIN.fullmatch(domain) else ""


def _person(visit: Visit, person: PersonFact) -> PersonShown:
    return PersonShown(
        id=person.id,
        name=person.name or visit.say("Without a name"),
        job=person.job_title or "",
        mails=[Shown(one, href=mail_link(one)) for one in _ways(person.emails)],
        phones=[Shown(one, href=phone_link(one)) for one in _ways(person.phones)],
    )


def _ways(contacts: Any) -> Sequence[str]:
    """Addresses or numbers, the primary one first; Pipedrive API: [{value, primary, label}]."""
    listed = contacts if isinstance(contacts, list) else []
    given = [one for one in listed if isinstance(one, Mapping) and isinstance(one.get("value"), str)]
    return [one["value"] for one in sorted(given, key=lambda one: not one.get("primary")) if one["value"].strip()]


def _note(visit: Visit, note: Attached, dossier: Dossier) -> NoteShown:
    deal = next((one.title or "" for one in dossier.deals if one.id == note.deal_id), "")
    by = visit.reference.users.get(note.user_id or 0, "")
    return NoteShown(note.id, harmless(note.text), by, note.add_time, deal, note.is_pinned)


def _notes_to_be(visit: Visit, words: Words) -> Sequence[NoteShown]:
    return [
        NoteShown(
            None,
            harmless(str(one.body.get("content") or "")),
            editing.hand(visit, one.requested_by),
            one.requested_at,
            "",
            errand_id=one.id if one.state is State.WAITING else None,
        )
        for one in reversed(words.waiting_notes())
    ]


def _file(visit: Visit, file: Attached) -> FileShown:
    return FileShown(
        id=file.id,
        name=safe_name(file.text, f"file-{file.id}"),
        size=_size(visit, file.file_size),
        type=(file.file_type or "")[:20],
        by=visit.reference.users.get(file.user_id or 0, ""),
        at=file.add_time,
    )


def _size(visit: Visit, size: int | None) -> str:
    if size is None:
        return ""
    number, unit = float(size), "B"
    for unit in ("B", *_UNITS):
        if number < 1000 or unit == _UNITS[-1]:
            break
        number /= 1000
    return f"{visit.language.number(round(number, 1 if number < 10 and unit != 'B' else None))}\xa0{unit}"


# What was asked for, and is not done


def retry(visit: Visit) -> Response:
    """Let something that Pipedrive refused be tried again."""
    return _with_errand(visit, retry_errand, visit.say("It will be tried again."))


def forget(visit: Visit) -> Response:
    """Forget something that waits or was refused."""
    return _with_errand(visit, drop_errand, visit.say("Forgotten."))


def _with_errand(visit: Visit, act: Any, words: str) -> Response:
    home = f"/accounts/{visit.number('organization_id')}"
    try:
        with visit.site.database.writing() as connection:
            act(connection, visit.company_id, visit.number("errand_id"))
    except NoSuchErrand:
        return visit.back(
            home, visit.say("That is not waiting any more: it was sent, or somebody was faster."), wrong=True
        )
    return visit.back(home, words)


PAGES: Sequence[Page] = (
    Page("/accounts/{organization_id:int}", show),
    Page("/accounts/{organization_id:int}/errands/{errand_id:int}/retry", retry, changes=True),
    Page("/accounts/{organization_id:int}/errands/{errand_id:int}/forget", forget, changes=True),
    *editing.PAGES,
    *notes.PAGES,
    *files.PAGES,
)
