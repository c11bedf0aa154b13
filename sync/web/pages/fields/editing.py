"""Editing one field of an account: the small form, and what becomes of it.

A form tells what it showed (`was`). What was changed meanwhile is not overwritten: the answer is a page that says who
changed it, shows both values, and offers both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sync.accounts.fields import Fields
from sync.accounts.lookups import load_account, suggest
from sync.accounts.meanings import equal, same
from sync.accounts.queries import Named
from sync.pipedrive.records import INTEGER_RANGE
from sync.store.edits import HistoryEntry, load_history, lock_account, unpark
from sync.web.access.viewer import LOCAL
from sync.web.pages.fields.forms import Control, WrongValue, typed_again, value_of
from sync.web.pages.fields.view import FieldView, Shown, view_of
from sync.web.pages.routes import Page
from sync.web.pages.told import told
from sync.web.pages.visit import Visit
from sync.writeback.editing import CannotEdit, edit_account

_LOOKED_THROUGH = 500  # changes, for the last of one field
_RECORDS = ("organizations", "persons")


@dataclass(frozen=True, slots=True)
class _Target:
    """The field that is edited, and the account as it stands."""

    organization_id: int
    code: str
    account: Mapping[str, Any]
    view: FieldView

    @property
    def held(self) -> Any:
        return self.view.value(self.account, self.code)

    @property
    def home(self) -> str:
        return f"/accounts/{self.organization_id}"


@dataclass(frozen=True, slots=True)
class _Saved:
    """An edit that was made: the change that can be taken back, if there is one."""

    change_id: int | None


@dataclass(frozen=True, slots=True)
class _Overtaken:
    """An edit that was not made, as the field holds something else than its form showed."""

    present: Any
    change: HistoryEntry | None


def canonical(value: Any) -> str:
    """A value as forms carry it along: the same text for the same value."""
    return orjson.dumps(value, default=_number, option=orjson.OPT_SORT_KEYS).decode()


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError


def edit(visit: Visit) -> Response:
    """The form for one field."""
    if not visit.viewer.can_edit:
        raise HTTPException(403, visit.say("You may look, but not change anything."))
    target = _target(visit)
    return _form(visit, target, target.view.control(target.code, target.held), canonical(target.held))


def save(visit: Visit) -> Response:
    """Change a field to what a form says."""
    target = _target(visit)
    try:
        value = value_of(visit.form, visit.fields, target.code, visit.language)
        saved = _save(visit, target, value)
    except WrongValue as error:
        return _again(visit, target, str(error))
    except CannotEdit as error:
        return _again(visit, target, told(visit.language, error.message))
    if isinstance(saved, _Overtaken):
        return _ask(visit, target, value, saved)
    words = visit.say("Saved: %(field)s", field=target.view.title(target.code))
    return visit.back(
        target.home, words if saved.change_id else visit.say("Nothing was changed."), undo=saved.change_id
    )


def _save(visit: Visit, target: _Target, value: Any) -> _Saved | _Overtaken:
    company_id, organization_id, fields = visit.company_id, target.organization_id, visit.fields
    with visit.site.database.writing() as connection:
        lock_account(connection, company_id, organization_id)
        account = load_account(connection, company_id, organization_id)
        present = target.view.value(account or {}, target.code)
        is_agreed = _same(fields, target.code, present, value)
        if not is_agreed and not _shows(fields, target.code, present, str(visit.form.get("was", ""))):
            return _Overtaken(present, _last_change(connection, visit, target))
        values = {target.code: value}
        changed = edit_account(
            connection, company_id, fields, organization_id, values, by=visit.viewer.name, at=visit.calendar.now
        )
        latest = load_history(connection, company_id, organization_id, 1) if changed else []
        return _Saved(latest[0].id if latest else None)


def _same(fields: Fields, code: str, a: Any, b: Any) -> bool:
    return equal(a, b) if code in fields.own else same(fields.rules[code].field_type, a, b)


def _shows(fields: Fields, code: str, present: Any, was: str) -> bool:
    """Whether a form showed what the field holds now."""
    try:
        return _same(fields, code, present, orjson.loads(was))
    except orjson.JSONDecodeError:
        return False


def _last_change(connection: Any, visit: Visit, target: _Target) -> HistoryEntry | None:
    history = load_history(connection, visit.company_id, target.organization_id, _LOOKED_THROUGH)
    return next((one for one in history if one.field == target.code), None)


# What is answered


def _form(visit: Visit, target: _Target, control: Control, was: str, wrong: str = "") -> Response:
    return visit.show(
        "field.html",
        422 if wrong else 200,
        target=target,
        view=target.view,
        control=control,
        was=was,
        wrong=wrong,
        found=_suggested(visit, control) if wrong else [],
        goes_to_pipedrive=target.code in visit.fields.rules,
        back=str(visit.form.get("back", "")) or target.home,
    )


def _again(visit: Visit, target: _Target, wrong: str) -> Response:
    """The form once more, with what was typed and what is wrong with it."""
    control = typed_again(target.view.control(target.code, target.held), visit.form)
    return _form(visit, target, control, str(visit.form.get("was", "")), wrong)


def _suggested(visit: Visit, control: Control) -> Sequence[Named]:
    if control.table not in _RECORDS:
        return []
    with visit.site.database.reading() as connection:
        return suggest(connection, visit.company_id, control.table, control.value)


def _ask(visit: Visit, target: _Target, value: Any, found: _Overtaken) -> Response:
    """Which of two values is meant."""
    typed = [(name, str(one)) for name, one in visit.form.multi_items() if name not in ("csrf", "was", "back")]
    return visit.show(
        "field_overtaken.html",
        409,
        target=target,
        theirs=target.view.shown(target.code, found.present),
        yours=_named(visit, target, value),
        change=found.change,
        hand=hand(visit, found.change.changed_by) if found.change else "",
        was=canonical(found.present),
        typed=typed,
        back=str(visit.form.get("back", "")) or target.home,
    )


def _named(visit: Visit, target: _Target, value: Any) -> Shown:
    """A value that is not saved, with the names of what it refers to."""
    with visit.site.database.reading() as connection:
        view = view_of(visit, connection, [{"custom_fields": {target.code: value}}])
    return view.shown(target.code, value)


def hand(visit: Visit, name: str) -> str:
    """Who made a change, as people call them. Pipedrive's events tell the number of a user there."""
    if name == "pipedrive":
        return "Pipedrive"
    if name == LOCAL.name:
        return visit.say("somebody on this page")
    told = re.fullmatch(r"pipedrive user (\d{1,18})", name)
    return f"{visit.fields.users.get(int(told[1]), told[1])} (Pipedrive)" if told else name


def _target(visit: Visit) -> _Target:
    organization_id, code = visit.number("organization_id"), visit.request.path_params["field"]
    account = None
    with visit.site.database.reading() as connection:
        if organization_id in INTEGER_RANGE:
            account = load_account(connection, visit.company_id, organization_id)
        view = view_of(visit, connection, [account] if account else [])
    if account is None:
        raise HTTPException(404, visit.say("There is no such account."))
    if view.kind(code) is None:
        raise HTTPException(404, visit.say("There is no such field, or it can't be edited."))
    return _Target(organization_id, code, account, view)


# Beside it


def retry(visit: Visit) -> Response:
    """Let a value that Pipedrive did not take be tried again."""
    target = _target(visit)
    with visit.site.database.writing() as connection:
        revived = unpark(connection, visit.company_id, organization_id=target.organization_id, fields=[target.code])
    words = visit.say("It will be tried again: %(field)s", field=target.view.title(target.code))
    return visit.back(target.home, words if revived else visit.say("Nothing is parked there any more."))


def names(visit: Visit) -> Response:
    """Records with a part of a name, as the choices of an input."""
    table = visit.request.path_params["table"]
    if table not in _RECORDS:
        raise HTTPException(404)
    words = visit.query.get("q", "")[:100]
    with visit.site.database.reading() as connection:
        found = suggest(connection, visit.company_id, table, words)
    return visit.show("field_names.html", found=found)


PAGES: Sequence[Page] = (
    Page("/accounts/{organization_id:int}/fields/{field}", edit),
    Page("/accounts/{organization_id:int}/fields/{field}", save, changes=True),
    Page("/accounts/{organization_id:int}/fields/{field}/retry", retry, changes=True),
    Page("/names/{table}", names),
)
