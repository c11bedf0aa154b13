"""One edit of many accounts: what it would change, and carrying it out, some accounts in one transaction at a time.

All of it bears one time and one name, so that undoing any part takes back the whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.accounts.fields import Fields
from sync.accounts.kinds import STANDARD
from sync.accounts.lists.chosen import Chosen, chosen_accounts
from sync.accounts.meanings import changes, equal
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import ENGINE
from sync.store.database import Connection
from sync.store.edits import load_history, load_queue, lock_account
from sync.store.holds import load_hold
from sync.web.pages.fields.forms import WrongValue
from sync.web.pages.fields.view import FieldView, Shown, value_of, view_of
from sync.web.pages.told import told
from sync.web.pages.visit import Visit
from sync.writeback.editing import CannotEdit, edit_account

_AT_ONCE = 100  # accounts in one transaction: whoever else writes waits no longer than that takes


class WrongWish(Exception):
    """What is to be done is not said, or can't be; the text says so in the visitor's language."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a field is to hold: a value, or, of a list of labels, one more or one less."""

    field: str
    value: Any = None
    more: int | None = None
    less: int | None = None

    def new_value(self, held: Any) -> Any:
        """What an account that holds a value is to hold."""
        labels = held if isinstance(held, list) else []
        if self.more is not None:
            return labels if self.more in labels else [*labels, self.more]
        if self.less is not None:
            return [one for one in labels if one != self.less]
        return self.value

    @property
    def column(self) -> str:
        """The column of accounts that holds the field."""
        if self.field in STANDARD:
            return self.field
        return "fields" if self.field.startswith(OWN) else "custom_fields"


@dataclass(frozen=True, slots=True)
class Step:
    """One account of a preview: what it holds, and what it would."""

    organization_id: int
    name: str
    before: Shown
    after: Shown


@dataclass(frozen=True, slots=True)
class Preview:
    """What an edit would do. `waits` tells that so many have to be approved before Pipedrive is told."""

    title: str
    count: int
    changing: int
    steps: Sequence[Step]  # the first that would change
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words; `change_id` is a change by which all of it can be taken back."""

    words: str
    change_id: int | None = None
    nothing_done: bool = False


def wish_of(visit: Visit, do: str, code: str) -> Wish:
    """What a form asks for. Raises `WrongWish`."""
    if not code:
        raise WrongWish(visit.say("Choose a field."))
    if do in ("add_label", "remove_label"):
        label = _label(visit)
        return Wish(code, more=label) if do == "add_label" else Wish(code, less=label)
    try:
        return Wish(code, value_of(visit.form, visit.fields, code, visit.language))
    except WrongValue as error:
        raise WrongWish(str(error)) from None


def _label(visit: Visit) -> int:
    text = str(visit.form.get("label", ""))
    options = visit.fields.rules["label_ids"].field_type.options or {}
    if text.isascii() and text.isdigit() and len(text) < 19 and int(text) in options:
        return int(text)
    raise WrongWish(visit.say("Choose a label."))


def preview(visit: Visit, wish: Wish, ids: Sequence[int], most: int) -> Preview:
    """What an edit would do to some accounts; the first that change are shown, at most so many."""
    fields = visit.fields
    with visit.site.database.reading() as connection:
        view = view_of(visit, connection)
        found = list(chosen_accounts(connection, visit.company_id, ids, wish.column))
        changed = list(_changed(fields, view, wish, found))
        first = sorted(changed, key=lambda one: (one.name.casefold(), one.organization_id))[:most]
        named = view_of(visit, connection, [*(one.account for one in first), _holding(wish)])
        waits = _waits(connection, visit, wish, [one.organization_id for one in changed])
    steps = [_step(named, wish, one) for one in first]
    return Preview(view.title(wish.field), len(found), len(changed), steps, waits)


def _holding(wish: Wish) -> dict[str, Any]:
    """What an account would look like that holds what is wished, as far as names are to be looked up."""
    return {"custom_fields": {wish.field: wish.value}}


def _changed(fields: Fields, view: FieldView, wish: Wish, found: Sequence[Chosen]) -> Iterator[Chosen]:
    for one in found:
        held = view.value(one.account, wish.field)
        wanted = wish.new_value(held)
        own = wish.field in fields.own
        if not equal(held, wanted) if own else changes(fields.rules[wish.field].field_type, held, wanted):
            yield one


def _step(view: FieldView, wish: Wish, one: Chosen) -> Step:
    held = view.value(one.account, wish.field)
    after = wish.new_value(held)
    return Step(one.organization_id, one.name, view.shown(wish.field, held), view.shown(wish.field, after))


def _waits(connection: Connection, visit: Visit, wish: Wish, changed: Sequence[int]) -> bool:
    """Whether there are then so many edited accounts that nothing is sent before somebody approves."""
    if wish.field.startswith(OWN):
        return False
    hold = load_hold(connection, visit.company_id)
    queue = load_queue(connection, visit.company_id, approved_until=hold.approved_at, approved_hand=ENGINE)
    return len({*queue.unapproved, *changed}) > visit.site.settings.write_back.max_accounts


@dataclass(slots=True)
class _Tally:
    """How it went so far."""

    changed: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def apply(visit: Visit, wish: Wish, ids: Sequence[int]) -> Done:
    """Carry an edit out. What can't be changed is left alone, and counted."""
    tally, fields = _Tally(), visit.fields
    for begin in range(0, len(ids), _AT_ONCE):
        with visit.site.database.writing() as connection:
            _apply_to_some(connection, visit, fields, wish, ids[begin : begin + _AT_ONCE], tally)
    return Done(_words(visit, tally), _change_id(visit, tally), nothing_done=not tally.changed)


def _apply_to_some(
    connection: Connection, visit: Visit, fields: Fields, wish: Wish, ids: Sequence[int], tally: _Tally
) -> None:
    for organization_id in ids:  # what is read below stays as it is until it is changed
        lock_account(connection, visit.company_id, organization_id)
    view = FieldView(fields, visit.language)
    found = list(chosen_accounts(connection, visit.company_id, ids, wish.column))
    for one in _changed(fields, view, wish, found):
        values = {wish.field: wish.new_value(view.value(one.account, wish.field))}
        try:
            changed = edit_account(
                connection,
                visit.company_id,
                fields,
                one.organization_id,
                values,
                by=visit.viewer.name,
                at=visit.calendar.now,
            )
        except CannotEdit as error:
            tally.refused.append(error.message)
        else:
            tally.changed += [one.organization_id] if changed else []


def _words(visit: Visit, tally: _Tally) -> str:
    count = visit.language.count
    words = [count("%(num)s account changed.", "%(num)s accounts changed.", len(tally.changed))]
    if tally.refused:
        words.append(
            count(
                "%(num)s could not be changed: %(why)s",
                "%(num)s could not be changed: %(why)s",
                len(tally.refused),
                why=told(visit.language, tally.refused[0]),
            )
        )
    return " ".join(words) if tally.changed or tally.refused else visit.say("They all held that already.")


def _change_id(visit: Visit, tally: _Tally) -> int | None:
    if not tally.changed:
        return None
    with visit.site.database.reading() as connection:
        latest = load_history(connection, visit.company_id, tally.changed[0], limit=1)
    return latest[0].id if latest else None
