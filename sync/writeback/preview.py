"""What the write-back would do now, without doing any of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from sync.accounts.deciding import Decision, decide, payload_of
from sync.accounts.fields import Fields, load_fields
from sync.accounts.overlay import OWN
from sync.pipedrive.entities import ORGANIZATIONS
from sync.settings import Settings
from sync.store.edits import Edit, load_edits
from sync.store.mirror import load_record
from sync.store.schema import accounts


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One field of a planned write: what Pipedrive holds, and what it would get."""

    field: str
    name: str
    old_value: Any
    new_value: Any


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """What would become of one account's edits; `body` is that of the PATCH, empty where nothing would be sent."""

    organization_id: int
    account: str | None
    body: Mapping[str, Any]
    changes: Sequence[PlannedChange]
    conflicts: Sequence[Mapping[str, Any]]
    parked: Mapping[str, str]  # why, by field

    @property
    def does_something(self) -> bool:
        """Whether anything would be sent, decided or parked."""
        return bool(self.body or self.conflicts or self.parked)


def plan_writes(connection: Connection, company_id: int, settings: Settings) -> Sequence[PlannedWrite]:
    """What would be written if nothing held it back, on what was read last; in the order of accounts."""
    fields = load_fields(connection, company_id, settings)
    by_account: dict[int, dict[str, Edit]] = {}
    for edit in load_edits(connection, company_id):
        if not (edit.is_parked or edit.is_disputed or edit.field.startswith(OWN)):
            by_account.setdefault(edit.organization_id, {})[edit.field] = edit
    planned = [_planned(connection, company_id, one, edits, fields) for one, edits in by_account.items()]
    return [one for one in planned if one.does_something]


def _planned(
    connection: Connection, company_id: int, organization_id: int, edits: Mapping[str, Edit], fields: Fields
) -> PlannedWrite:
    organization = load_record(connection, company_id, ORGANIZATIONS, organization_id)
    decision = decide(edits, organization, fields)
    name = connection.scalar(
        select(accounts.c.name).where(
            accounts.c.company_id == company_id, accounts.c.organization_id == organization_id
        )
    )
    return PlannedWrite(
        organization_id=organization_id,
        account=name,
        body=payload_of(decision.body),
        changes=[
            PlannedChange(field, fields.name_of(field), decision.bases[field], value)
            for field, value in decision.body.items()
        ],
        conflicts=_conflicts(decision, fields),
        parked={fields.name_of(field): reason for field, reason in decision.parked.items()},
    )


def _conflicts(decision: Decision, fields: Fields) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "field": one.field,
            "name": fields.name_of(one.field),
            "base": one.base,
            "account": one.account,
            "pipedrive": one.pipedrive,
            "winner": one.winner,
        }
        for one in decision.conflicts
    ]
