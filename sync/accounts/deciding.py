"""What is to become of one account's edits, given what Pipedrive holds now: pure, so that it can be shown or done.

The push does what is decided here, `--dry-run` prints it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sync.accounts.fields import Fields
from sync.accounts.kinds import STANDARD
from sync.accounts.planner import Conflict, Local, Push, Remote, Side, plan
from sync.accounts.values import Unfit, check
from sync.store.edits import Edit

GONE = "Pipedrive has this organization no more: it was deleted, or merged into another one"
_UNKNOWN = "organizations have no such field (any more) that may be written"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about an account's edits, by field.

    `body` is what is to be sent, `bases` what Pipedrive holds of what ought to be. `conflicts` are told whoever wins;
    those nobody wins wait. `settled` need nothing more, `parked` can't be sent, and why.
    """

    body: Mapping[str, Any]
    bases: Mapping[str, Any]
    conflicts: Sequence[Conflict] = ()
    settled: Sequence[str] = ()
    parked: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def decide(
    edits: Mapping[str, Edit], organization: Mapping[str, Any] | None, fields: Fields, *, is_there: bool = True
) -> Decision:
    """Decide about the edits of an account that wait for nobody; `organization` is its row, as read last."""
    if not is_there or organization is None or organization["deleted_at"] is not None:
        return Decision({}, {}, parked=dict.fromkeys(edits, GONE))
    remote = organization_values(organization)
    rules = {name: fields.rules[name] for name in edits if name in fields.rules}
    actions = plan(
        {name: edits[name].base_value for name in rules},
        Local({name: edits[name].value for name in rules}, {name: edits[name].edited_at for name in rules}),
        Remote(remote, changed_at(organization)),
        rules,
    )
    conflicts = [action for action in actions if isinstance(action, Conflict)]
    pushes = {action.field: action.value for action in actions if isinstance(action, Push)}
    pushes |= {one.field: one.account for one in conflicts if one.winner is Side.ACCOUNT}
    disputed = {one.field for one in conflicts if one.winner is None}
    body, unfit = _checked(pushes, fields)
    return Decision(
        body=body,
        bases={name: remote.get(name) for name in body},
        conflicts=conflicts,
        settled=sorted(rules.keys() - pushes.keys() - disputed),
        parked={**dict.fromkeys(edits.keys() - rules.keys(), _UNKNOWN), **unfit},
    )


def organization_values(organization: Mapping[str, Any] | None) -> dict[str, Any]:
    """What Pipedrive holds of the shared fields, by attribute and code."""
    if organization is None:
        return {}
    return {**(organization["custom_fields"] or {}), **{name: organization[name] for name in STANDARD}}


def changed_at(organization: Mapping[str, Any]) -> datetime | None:
    """When a record changed last. Pipedrive API: update_time is null on one never changed since its creation."""
    moment: datetime | None = organization["update_time"] or organization["add_time"]
    return moment


def payload_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the PATCH that carries these fields."""
    custom = {name: value for name, value in body.items() if name not in STANDARD}
    standard = {name: value for name, value in body.items() if name in STANDARD}
    return {**standard, "custom_fields": custom} if custom else standard


def _checked(pushes: Mapping[str, Any], fields: Fields) -> tuple[dict[str, Any], dict[str, str]]:
    """The values as they are sent, and why others can't be: what a field can't hold is not even asked for."""
    body: dict[str, Any] = {}
    unfit: dict[str, str] = {}
    for name, value in pushes.items():
        try:
            body[name] = check(fields.rules[name].field_type, value)
        except Unfit as error:
            unfit[name] = f"{fields.name_of(name)}: {error}"
    return body, unfit
