"""Changing many accounts at once: what is to be done, a look at what it would change, and doing it.

Each step is a form of its own. What is confirmed are the very accounts that were shown: their numbers travel along.
"""

from collections.abc import Sequence

from starlette.responses import Response

from sync.accounts.kinds import FieldKind
from sync.accounts.lists.listing import matching_ids
from sync.web.pages.fields.view import FieldView, view_of
from sync.web.pages.listing import batches, errand_batches
from sync.web.pages.listing.asked import LIST
from sync.web.pages.listing.selection import every_matching, picked, ranges
from sync.web.pages.narrowing import Pick
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_FIELDS = {"owner": "owner_id", "add_label": "label_ids", "remove_label": "label_ids"}
_CARRIED = ("do", "field", "label", "value", "until", "currency", "zone", *errand_batches.NAMES)
_SHOWN = 8  # accounts that a preview names


def ask_what(visit: Visit) -> Response:
    """What exactly is to be done with the chosen accounts: the right control for it."""
    ids = _chosen(visit)
    if not ids:
        return visit.back(LIST, visit.say("Select some accounts first."), wrong=True)
    return _form(visit, ids)


def _chosen(visit: Visit) -> Sequence[int]:
    wanted = every_matching(visit.form)
    if wanted is None:
        return picked(visit.form)
    with visit.site.database.reading() as connection:
        return matching_ids(connection, visit.company_id, wanted, visit.calendar)


def _do(visit: Visit) -> str:
    return str(visit.form.get("do", ""))


def _field(visit: Visit) -> str:
    """The field that is to be changed; empty as long as it is not said."""
    wanted = _FIELDS.get(_do(visit)) or str(visit.form.get("field", ""))
    return wanted if wanted in visit.fields.rules or wanted in visit.fields.own else ""


def _form(visit: Visit, ids: Sequence[int], wrong: str = "") -> Response:
    """The form of an action; `wrong` says what was, the last time."""
    field = _field(visit)
    with visit.site.database.reading() as connection:
        view = view_of(visit, connection)
        errand = errand_batches.choices(connection, visit) if _do(visit) == "activity" else None
    rule = visit.fields.rules.get("label_ids")
    labels = (rule.field_type.options if rule else None) or {}
    return visit.show(
        "accounts_bulk.html",
        422 if wrong else 200,
        do=_do(visit),
        field=field,
        titles=[Pick(code, view.title(code)) for code in _settable(view)],
        labels=[Pick(str(one), label) for one, label in labels.items()],
        view=view,
        errand=errand,
        given={name: str(value) for name, value in visit.form.items()},
        count=len(ids),
        chosen=ranges(ids),
        wrong=wrong,
        back=str(visit.form.get("back", LIST)),
    )


def _settable(view: FieldView) -> Sequence[str]:
    """The fields that make sense to be alike for many accounts: all but the name."""
    return [code for code in view.codes() if view.kind(code) is not FieldKind.NAME]


def preview(visit: Visit) -> Response:
    """How many accounts it is about, which, and how many of them would really change."""
    ids = picked(visit.form)
    try:
        if _do(visit) == "activity":
            shown = errand_batches.preview(visit, ids)
        else:
            shown = batches.preview(visit, batches.wish_of(visit, _do(visit), _field(visit)), ids, _SHOWN)
    except batches.WrongWish as error:
        return _form(visit, ids, str(error))
    return visit.show(
        "accounts_preview.html",
        do=_do(visit),
        shown=shown,
        carried=[(name, str(value)) for name, value in visit.form.multi_items() if name in _CARRIED],
        chosen=ranges(ids),
        back=str(visit.form.get("back", LIST)),
    )


def apply(visit: Visit) -> Response:
    """Do what was looked at."""
    ids = picked(visit.form)
    try:
        if _do(visit) == "activity":
            done = errand_batches.apply(visit, ids)
        else:
            done = batches.apply(visit, batches.wish_of(visit, _do(visit), _field(visit)), ids)
    except batches.WrongWish as error:
        return _form(visit, ids, str(error))
    return visit.back(LIST, done.words, undo=done.change_id, wrong=done.nothing_done)


PAGES: Sequence[Page] = (
    Page(f"{LIST}/bulk", ask_what, changes=True),
    Page(f"{LIST}/bulk/preview", preview, changes=True),
    Page(f"{LIST}/bulk/apply", apply, changes=True),
)
