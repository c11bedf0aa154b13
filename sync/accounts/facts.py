"""What a dossier of an account is made of: plain records, as the mirror and our own tables hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sync.accounts.details import WonValue
from sync.store.edits import HistoryEntry
from sync.store.journal import Action, State


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a dossier goes: at most so many done activities, notes, files and changes of fields."""

    done: int = 10
    notes: int = 10
    files: int = 30
    changes: int = 20


@dataclass(frozen=True, slots=True)
class DealFact:
    """A deal of the account, with ids as they are."""

    id: int
    title: str | None
    status: str | None
    is_archived: bool
    value: Decimal | None
    currency: str | None
    owner_id: int | None
    pipeline_id: int | None
    stage_id: int | None
    won_time: datetime | None
    lost_time: datetime | None
    close_time: datetime | None
    expected_close_date: date | None
    lost_reason: str | None


@dataclass(frozen=True, slots=True)
class PersonFact:
    """A person of the account; mail and phone as the API has them."""

    id: int
    name: str | None
    job_title: str | None
    emails: Any
    phones: Any


@dataclass(frozen=True, slots=True)
class ActivityFact:
    """An activity of the account or of one of its deals; `type` is a key, `due_time` is UTC."""

    id: int
    type: str | None
    subject: str | None
    due_date: date | None
    due_time: str | None
    done: bool
    marked_as_done_time: datetime | None
    owner_id: int | None
    deal_id: int | None


@dataclass(frozen=True, slots=True)
class Attached:
    """A note or a file: its HTML or its name, and of a file its size and type."""

    id: int
    text: str
    add_time: datetime | None
    user_id: int | None
    deal_id: int | None
    is_pinned: bool
    file_type: str | None
    file_size: int | None


@dataclass(frozen=True, slots=True)
class WaitingEdit:
    """A field that both sides do not agree about yet: it waits, is parked with a reason, or in a conflict."""

    field: str
    value: Any
    edited_at: datetime
    edited_by: str
    parked_for: str | None
    conflict_id: int | None


@dataclass(frozen=True, slots=True)
class WaitingErrand:
    """What a person asked for and Pipedrive has not done; `error` says why it refused."""

    id: int
    entity: str
    action: Action
    record_id: int | None
    body: Mapping[str, Any]
    state: State
    requested_at: datetime
    requested_by: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """An account and what hangs on it, the latest first but for what is planned."""

    account: Mapping[str, Any]
    won_values: Sequence[WonValue]
    synced_at: datetime  # when the organization was last seen to differ from what was held
    event_time: datetime | None  # of the event that told so; None where it was read
    deleted_at: datetime | None  # the organization
    read_at: datetime | None  # when Pipedrive was last asked for changes of organizations
    deals: Sequence[DealFact]
    created_by: DealFact | None
    persons: Sequence[PersonFact]
    planned: Sequence[ActivityFact]  # the earliest first
    done: Sequence[ActivityFact]
    notes: Sequence[Attached]
    files: Sequence[Attached]
    changes: Sequence[HistoryEntry]
    edits: Sequence[WaitingEdit]
    errands: Sequence[WaitingErrand]  # in the order in which they were asked for
