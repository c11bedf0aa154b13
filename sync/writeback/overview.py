"""What `status` tells of the write-back, from the database alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from sync.accounts.overlay import OWN
from sync.accounts.own_fields import ENGINE
from sync.settings import Settings
from sync.store.conflicts import load_conflicts
from sync.store.edits import load_edits, load_parked, load_queue
from sync.store.holds import load_hold
from sync.store.journal import State, count_writes
from sync.writeback.errands import load_errands
from sync.writeback.filling import unapproved_fields


@dataclass(frozen=True, slots=True)
class WriteState:
    """What waits to be written, and what keeps it; accounts and fields are counted."""

    enabled: bool
    paused_at: datetime | None
    paused_by: str | None
    waiting_accounts: int
    waiting_fields: int
    unapproved_accounts: int  # held until somebody approves; 0 while there are few enough
    parked: int
    open_conflicts: int
    writes: Mapping[str, int]  # by what became of them
    refused_errands: int
    unapproved_fields: Sequence[str]  # custom fields at Pipedrive that the settings have filled, by title

    @property
    def attention(self) -> Iterator[str]:
        """What a person should know or do."""
        if self.unapproved_accounts:
            yield (
                f"Edits of {self.unapproved_accounts:,} accounts wait for approval: look at them with "
                "`pipedrive-sync sync --dry-run`, then run `pipedrive-sync accounts approve`."
            )
        if self.unapproved_fields:
            yield (
                f"Custom fields at Pipedrive are to be filled from accounts ({', '.join(self.unapproved_fields)}): "
                "`pipedrive-sync accounts approve` lets them be made and filled."
            )
        if self.paused_at is not None and self.waiting_accounts:
            yield (
                f"Writing is paused since {self.paused_at:%Y-%m-%d %H:%M} UTC (by {self.paused_by}), and edits of "
                f"{self.waiting_accounts:,} accounts wait: `pipedrive-sync resume` lets them go."
            )
        if self.parked:
            yield (
                f"{self.parked:,} edited fields can't be written: `pipedrive-sync conflicts list` says why; edit them "
                "again, or run `pipedrive-sync accounts retry`."
            )
        if self.refused_errands:
            yield (
                f"Pipedrive refused {self.refused_errands:,} activities or notes: `pipedrive-sync accounts errands` "
                "says why, and tries one again or forgets it."
            )
        if self.open_conflicts:
            yield f"{self.open_conflicts:,} conflicts wait for a decision: `pipedrive-sync conflicts list`."


def load_write_state(connection: Connection, company_id: int, settings: Settings) -> WriteState:
    """What waits to be written of a company's accounts."""
    hold = load_hold(connection, company_id)
    edits = [
        one
        for one in load_edits(connection, company_id)
        if not (one.is_parked or one.is_disputed or one.field.startswith(OWN))
    ]
    queue = load_queue(connection, company_id, approved_until=hold.approved_at, approved_hand=ENGINE)
    many = len(queue.unapproved) > settings.write_back.max_accounts
    counts = count_writes(connection, company_id)
    return WriteState(
        enabled=settings.write_back.enabled,
        paused_at=hold.paused_at,
        paused_by=hold.paused_by,
        waiting_accounts=len({one.organization_id for one in edits}),
        waiting_fields=len(edits),
        unapproved_accounts=len(queue.unapproved) if many else 0,
        parked=len(load_parked(connection, company_id)),
        open_conflicts=len(load_conflicts(connection, company_id, only_open=True)),
        writes={state.value: counts.get(state.value, 0) for state in State},
        unapproved_fields=unapproved_fields(connection, company_id, settings),
        refused_errands=sum(one.state is State.FAILED for one in load_errands(connection, company_id)),
    )
