"""What has to be done so that an account and its organization hold the same: a pure function of three snapshots.

`plan` compares, field by field, what both sides last agreed on with what each holds now. It needs no clock, no database
and no HTTP, and its actions hold none: a plan can be printed, stored, or thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from operator import attrgetter
from typing import Any, Final

from sync.accounts.kinds import FieldType
from sync.accounts.meanings import changes, equal, same


class Policy(StrEnum):
    """Who wins where both sides changed a field, differently."""

    PIPEDRIVE = "pipedrive"
    ACCOUNT = "account"
    NEWEST = "newest"  # the later change; within one second, Pipedrive's
    REVIEW = "review"  # nobody, until a person decides


class Side(StrEnum):
    """A side of the sync."""

    ACCOUNT = "account"
    PIPEDRIVE = "pipedrive"


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""In the place of an account's value: the account says nothing of the field, as if the key were missing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field may hold, and who wins it."""

    field_type: FieldType
    policy: Policy


@dataclass(frozen=True, slots=True)
class Local:
    """What the account holds, and when its fields were edited. A missing key means unchanged, None means cleared."""

    values: Mapping[str, Any]
    edited_at: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Remote:
    """What Pipedrive holds, and since when, if it says so. A missing key means that the field has no value there."""

    values: Mapping[str, Any]
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both sides changed to the same: only the base moves, to `value` as Pipedrive has it."""

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Pull:
    """Only Pipedrive changed: the account takes `value`."""

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Push:
    """Only the account changed: `value` is to be sent. `base` is what Pipedrive holds now."""

    field: str
    value: Any
    base: Any


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides changed, differently. The winner's value is to be taken by the other side; None waits for a person.

    `base` is what both last agreed on, None also where they never did.
    """

    field: str
    base: Any
    account: Any
    pipedrive: Any
    winner: Side | None


Action = Agreed | Pull | Push | Conflict

_by_field = attrgetter("field")


def plan(base: Mapping[str, Any], local: Local, remote: Remote, rules: Mapping[str, Rule]) -> tuple[Action, ...]:
    """What has to be done, one action a field at most, in the order of their names. Fields without a rule are ignored.

    A key missing in `base` means that nothing was agreed yet, which is no different from having agreed on no value:
    equal values are adopted, a value on one side goes to the other, and two values are a conflict.
    """
    actions = []
    held_before, held_here, held_there = base.get, local.values.get, remote.values.get
    for name, rule in rules.items():
        agreed, account, pipedrive = held_before(name), held_here(name, ABSENT), held_there(name)
        if account is ABSENT:
            account = agreed
        try:
            if account == agreed == pipedrive:
                continue  # nearly every field is settled here, without a look at what its values mean
        except (RecursionError, ArithmeticError):
            pass  # values that can't even be compared
        action = _decide(name, rule, agreed, account, pipedrive, local, remote)
        if action is not None:
            actions.append(action)
    actions.sort(key=_by_field)
    return tuple(actions)


def _decide(
    name: str, rule: Rule, agreed: Any, account: Any, pipedrive: Any, local: Local, remote: Remote
) -> Action | None:
    field_type = rule.field_type
    # What Pipedrive adds to a value of its own accord is no change; what a person adds is one.
    edited = changes(field_type, agreed, account)
    untouched = equal(agreed, pipedrive)
    changed = not untouched and not same(field_type, agreed, pipedrive)
    if not edited:
        return Pull(name, pipedrive) if changed else None
    if not untouched and not changes(field_type, pipedrive, account):
        return Agreed(name, pipedrive)
    if not changed:
        return Push(name, account, pipedrive)
    winner = _winner(rule.policy, local.edited_at.get(name), remote.changed_at)
    return Conflict(name, agreed, account, pipedrive, winner)


def _winner(policy: Policy, edited_at: datetime | None, changed_at: datetime | None) -> Side | None:
    match policy:
        case Policy.REVIEW:
            return None
        case Policy.NEWEST:
            return Side.ACCOUNT if _is_newer(edited_at, changed_at) else Side.PIPEDRIVE
        case Policy.ACCOUNT:
            return Side.ACCOUNT
        case Policy.PIPEDRIVE:
            return Side.PIPEDRIVE


def _is_newer(edited_at: datetime | None, changed_at: datetime | None) -> bool:
    """Whether the account's edit is surely the later one. Pipedrive's own times are whole seconds."""
    if edited_at is None:
        return False
    return changed_at is None or edited_at.replace(microsecond=0) > changed_at
