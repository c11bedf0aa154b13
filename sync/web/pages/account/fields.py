"""The fields of one account as its page shows them: in groups, each with what of it waits, is parked or disputed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sync.accounts.facts import Dossier, WaitingEdit
from sync.accounts.kinds import STANDARD
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import sources_of
from sync.accounts.planner import Policy
from sync.settings import Settings
from sync.web.pages.fields.view import FieldView, Shown


class FieldState(StrEnum):
    """How far a field is agreed on with Pipedrive."""

    AGREED = "agreed"
    WAITING = "waiting"
    PARKED = "parked"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field of the account. `reason` says why Pipedrive does not take it, if it is parked."""

    code: str
    title: str
    value: Shown
    state: FieldState
    since: datetime | None
    reason: str
    is_filled: bool = False  # by the account itself: an edit would not last


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields of one sort; those without a value come apart."""

    name: str
    title: str
    lines: Sequence[FieldLine]
    empty: Sequence[FieldLine]


def field_groups(view: FieldView, dossier: Dossier, settings: Settings) -> Sequence[FieldGroup]:
    """All fields that can be edited, the organization's own first."""
    filled = {one.title.casefold() for one in sources_of(settings).values() if not one.two_way}
    say = view.language.say
    titles = {"organization": say("Organization"), "custom": say("Custom fields"), "own": say("Only in the account")}
    edits = {one.field: one for one in dossier.edits}
    grouped: dict[str, list[FieldLine]] = {name: [] for name in titles}
    for code in view.codes():
        grouped[_group(code)].append(_line(view, dossier.account, code, edits.get(code), filled))
    return [_parted(name, titles[name], lines) for name, lines in grouped.items() if lines]


def _group(code: str) -> str:
    if code in STANDARD:
        return "organization"
    return "own" if code.startswith(OWN) else "custom"


def _parted(name: str, title: str, lines: Iterable[FieldLine]) -> FieldGroup:
    shown: list[FieldLine] = []
    empty: list[FieldLine] = []
    for one in lines:
        (shown if one.value or one.state is not FieldState.AGREED else empty).append(one)
    return FieldGroup(name, title, shown, empty)


def _line(
    view: FieldView, account: Mapping[str, Any], code: str, edit: WaitingEdit | None, filled: Collection[str]
) -> FieldLine:
    rule = view.fields.rules.get(code)
    wins_here = rule is not None and rule.policy is Policy.ACCOUNT
    return FieldLine(
        code=code,
        title=view.title(code),
        value=view.shown(code, view.value(account, code)),
        state=_state(code, edit),
        since=edit.edited_at if edit else None,
        reason=(edit.parked_for or "") if edit else "",
        is_filled=wins_here and view.fields.name_of(code).casefold() in filled,
    )


def _state(code: str, edit: WaitingEdit | None) -> FieldState:
    if edit is None:
        return FieldState.AGREED
    if edit.parked_for is not None:
        return FieldState.PARKED
    if edit.conflict_id is not None:
        return FieldState.CONFLICT
    # An own field that fills a custom one waits in that one's stead.
    return FieldState.AGREED if code.startswith(OWN) else FieldState.WAITING
