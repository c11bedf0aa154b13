"""Bringing one account's edits to Pipedrive: read, plan, note the intent, write, take the answer as what was agreed.

Each step is one transaction or one call, and a death between any two loses nothing: the edits wait until both sides
agree, and what a write without an answer has done is found out by reading. No write is ever repeated blindly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from sync.accounts.fields import Fields
from sync.accounts.overlay import OWN
from sync.accounts.planner import Conflict as Disputed
from sync.accounts.planner import Local, Push, Remote, Side, plan
from sync.accounts.values import STANDARD, Unfit, check, same
from sync.mirror.company import Mirror
from sync.mirror.ingest import ingest, rebuild_accounts
from sync.pipedrive.client import Answer
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.errors import BadRequest, Forbidden, Gone, NotFound, PipedriveError, Unprocessable
from sync.pipedrive.listing import Page
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.records import says_deleted
from sync.store.conflicts import Conflict, record_conflict
from sync.store.edits import Edit, drop_edits, load_edits, lock_account, move_base, park
from sync.store.journal import Action, State, Write, add_write, load_unsettled, note_outcome
from sync.store.mirror import load_record
from sync.store.tokens import save_budget

_LISTING = ORGANIZATIONS.listings[0]
_READ_COST, _WRITE_COST = 1, 5  # tokens
_GONE = "Pipedrive has this organization no more: it was deleted, or merged into another one"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of an account's edits, counted by field; `writes` counts calls that took effect."""

    writes: int = 0
    sent: int = 0
    settled: int = 0  # without a call: both sides meant the same, or Pipedrive's value won
    conflicts: int = 0
    parked: int = 0
    errands: int = 0  # activities and notes, done as they were asked for
    refused_errands: int = 0

    def __add__(self, other: "Pushed") -> "Pushed":
        return Pushed(
            self.writes + other.writes,
            self.sent + other.sent,
            self.settled + other.settled,
            self.conflicts + other.conflicts,
            self.parked + other.parked,
            self.errands + other.errands,
            self.refused_errands + other.refused_errands,
        )


@dataclass(frozen=True, slots=True)
class Intent:
    """One write that is about to be sent: its number in the journal, and the edits it carries."""

    write_id: int
    body: Mapping[str, Any]  # by field
    edits: Mapping[str, Edit]

    @property
    def payload(self) -> dict[str, Any]:
        """The body of the PATCH."""
        custom = {field: value for field, value in self.body.items() if field not in STANDARD}
        standard = {field: value for field, value in self.body.items() if field in STANDARD}
        return {**standard, "custom_fields": custom} if custom else standard


def push_account(mirror: Mirror, fields: Fields, organization_id: int) -> Pushed:
    """Bring one account's edits to Pipedrive; what became of them.

    Raises the `PipedriveError`s that say nothing about the edits themselves: they wait then. Raises `DatabaseError`.
    """
    is_there = _read(mirror, organization_id)
    total, singly = Pushed(), False
    while True:
        intent, counted = _prepare(mirror, fields, organization_id, is_there=is_there, singly=singly)
        total += counted
        if intent is None:
            return total
        try:
            answer = _send(mirror, organization_id, intent)
        except (BadRequest, Unprocessable, Forbidden, NotFound, Gone) as error:
            blamed = _blamed(intent, error, fields)
            singly = singly or not blamed
            total += _refuse(mirror, organization_id, intent, error, blamed)
        else:
            total += _settle(mirror, organization_id, intent, answer)
            if not singly:
                return total


def _read(mirror: Mirror, organization_id: int) -> bool:
    """Read the organization as it is now into the mirror; whether Pipedrive still has it.

    Where it has not, that is all that is done: only the sweep and events can tell a deletion from a merge.
    """
    try:
        answer = mirror.client.get(
            f"{_LISTING.path}/{organization_id}",
            cost=_READ_COST,
            purpose=Purpose.WRITE_BACK.label,
            priority=Purpose.WRITE_BACK.priority,
        )
    except (NotFound, Gone):
        return False
    if says_deleted(ORGANIZATIONS, answer.data):
        return False
    with mirror.database.writing() as connection:
        ingest(connection, mirror, ORGANIZATIONS, _LISTING, _page(answer.data, answer.began_at))
        save_budget(connection, mirror.company_id, mirror.budget)
    return True


def _prepare(
    mirror: Mirror, fields: Fields, organization_id: int, *, is_there: bool, singly: bool
) -> tuple[Intent | None, Pushed]:
    """Plan on what both sides hold now, do all that needs no call, and note the write that does."""
    with mirror.database.writing() as connection:
        preparing = _Preparing(connection, mirror, fields, organization_id)
        return preparing.intent(is_there=is_there, singly=singly), preparing.counted


class _Preparing:
    """One account's edits being planned, in one transaction."""

    def __init__(self, connection: Connection, mirror: Mirror, fields: Fields, organization_id: int) -> None:
        self.connection = connection
        self.mirror = mirror
        self.fields = fields
        self.organization_id = organization_id
        self.now = mirror.clock.now()
        self.counted = Pushed()

    def intent(self, *, is_there: bool, singly: bool) -> Intent | None:
        company_id = self.mirror.company_id
        if not lock_account(self.connection, company_id, self.organization_id):
            return None
        organization = load_record(self.connection, company_id, ORGANIZATIONS, self.organization_id)
        remote = organization_values(organization)
        self._settle_unanswered(remote)
        edits = {
            one.field: one
            for one in load_edits(self.connection, company_id, self.organization_id)
            if not (one.is_parked or one.is_disputed or one.field.startswith(OWN))
        }
        if not is_there or organization is None or organization["deleted_at"] is not None:
            self._park(edits.values(), _GONE)
            return None
        pushes = self._planned(edits, remote, organization["update_time"] or organization["add_time"])
        body = self._checked(edits, pushes)
        rebuild_accounts(self.connection, self.mirror, {self.organization_id})
        if singly:
            body = dict(list(body.items())[:1])
        return self._noted(body, edits, remote) if body else None

    def _settle_unanswered(self, remote: Mapping[str, Any]) -> None:
        """Writes that got no answer: whether they took effect shows in what Pipedrive holds now."""
        for write in load_unsettled(
            self.connection, self.mirror.company_id, entity=ORGANIZATIONS.name, organization_id=self.organization_id
        ):
            took_effect = all(
                field in self.fields.rules and same(self.fields.rules[field].field_type, value, remote.get(field))
                for field, value in write.body.items()
            )
            state = State.DONE if took_effect else State.FAILED
            reason = None if took_effect else "no answer came, and Pipedrive did not hold it when it was read again"
            note_outcome(self.connection, write.id, state, self.now, error=reason)

    def _planned(
        self, edits: Mapping[str, Edit], remote: Mapping[str, Any], changed_at: datetime | None
    ) -> Mapping[str, Any]:
        """What is to be pushed, by field; everything else that was edited is settled."""
        rules = {field: self.fields.rules[field] for field in edits if field in self.fields.rules}
        unknown = [edit for field, edit in edits.items() if field not in rules]
        self._park(unknown, "organizations have no such field (any more) that may be written")
        actions = plan(
            {field: edits[field].base_value for field in rules},
            Local({field: edits[field].value for field in rules}, {one: edits[one].edited_at for one in rules}),
            Remote(remote, changed_at),
            rules,
        )
        pushes: dict[str, Any] = {}
        disputed: set[str] = set()
        for action in actions:
            match action:
                case Push(field, value, base):
                    move_base(self.connection, edits[field], self.mirror.company_id, base)
                    pushes[field] = value
                case Disputed(field, _, account, pipedrive, winner):
                    self._record(edits[field], action, changed_at)
                    if winner is Side.ACCOUNT:
                        move_base(self.connection, edits[field], self.mirror.company_id, pipedrive)
                        pushes[field] = account
                    elif winner is None:
                        disputed.add(field)
        settled = rules.keys() - pushes.keys() - disputed
        drop_edits(self.connection, self.mirror.company_id, self.organization_id, settled)
        self.counted += Pushed(settled=len(settled))
        return pushes

    def _record(self, edit: Edit, disputed: Disputed, changed_at: datetime | None) -> None:
        policy = self.fields.rules[edit.field].policy
        conflict = Conflict(
            organization_id=self.organization_id,
            field=edit.field,
            base_value=disputed.base,
            account_value=disputed.account,
            pipedrive_value=disputed.pipedrive,
            account_time=edit.edited_at,
            account_by=edit.edited_by,
            pipedrive_time=changed_at,
            pipedrive_by=None,
            policy=policy,
            detected_at=self.now,
            resolution=disputed.winner,
            resolved_at=self.now if disputed.winner else None,
            resolved_by="policy" if disputed.winner else None,
        )
        record_conflict(self.connection, self.mirror.company_id, conflict)
        self.counted += Pushed(conflicts=1)

    def _checked(self, edits: Mapping[str, Edit], pushes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values as they are sent; what a field can't hold is parked, and nobody is asked."""
        body = {}
        for field, value in pushes.items():
            try:
                body[field] = check(self.fields.rules[field].field_type, value)
            except Unfit as error:
                self._park([edits[field]], f"{self.fields.name_of(field)}: {error}")
        return body

    def _park(self, edits: Any, reason: str) -> None:
        for edit in edits:
            park(
                self.connection, self.mirror.company_id, self.organization_id, edit.field, edit.value, reason, self.now
            )
            self.counted += Pushed(parked=1)

    def _noted(self, body: Mapping[str, Any], edits: Mapping[str, Edit], remote: Mapping[str, Any]) -> Intent:
        write = Write(
            organization_id=self.organization_id,
            entity=ORGANIZATIONS.name,
            action=Action.CHANGE,
            record_id=self.organization_id,
            body=body,
            before={field: remote.get(field) for field in body},
            state=State.SENT,
            requested_at=min(edits[field].edited_at for field in body),
            requested_by=", ".join(sorted({edits[field].edited_by for field in body})),
            sent_at=self.now,
            attempts=1,
        )
        write_id = add_write(self.connection, self.mirror.company_id, write)
        return Intent(write_id, body, {field: edits[field] for field in body})


def _send(mirror: Mirror, organization_id: int, intent: Intent) -> Answer:
    return mirror.client.patch(
        f"{_LISTING.path}/{organization_id}",
        intent.payload,
        cost=_WRITE_COST,
        purpose=Purpose.WRITE_BACK.label,
        priority=Purpose.WRITE_BACK.priority,
    )


def _settle(mirror: Mirror, organization_id: int, intent: Intent, answer: Answer) -> Pushed:
    """Pipedrive took it: what it answers is what both sides agree on, but for what was edited meanwhile."""
    now = mirror.clock.now()
    company_id = mirror.company_id
    with mirror.database.writing() as connection:
        lock_account(connection, company_id, organization_id)
        # Whatever began to be read before this moment may not know of the write yet.
        ingest(connection, mirror, ORGANIZATIONS, _LISTING, _page(answer.data, now))
        record = load_record(connection, company_id, ORGANIZATIONS, organization_id)
        held = organization_values(record)
        settled = []
        for edit in load_edits(connection, company_id, organization_id):
            sent = intent.edits.get(edit.field)
            if sent is None:
                continue
            if edit.change_id == sent.change_id:
                settled.append(edit.field)
            else:
                move_base(connection, edit, company_id, held.get(edit.field))
        drop_edits(connection, company_id, organization_id, settled)
        rebuild_accounts(connection, mirror, {organization_id})
        note_outcome(
            connection, intent.write_id, State.DONE, now, update_time=record["update_time"] if record else None
        )
        save_budget(connection, company_id, mirror.budget)
    _log.debug("account_pushed", organization=organization_id, fields=len(intent.body))
    return Pushed(writes=1, sent=len(intent.body))


def _refuse(
    mirror: Mirror, organization_id: int, intent: Intent, error: PipedriveError, blamed: Sequence[str]
) -> Pushed:
    """Pipedrive does not take it: what is to blame is parked with Pipedrive's words, the rest is tried without it."""
    now = mirror.clock.now()
    reason = _GONE if isinstance(error, NotFound | Gone) else error.words or error.message
    with mirror.database.writing() as connection:
        for field in blamed:
            edit = intent.edits[field]
            park(connection, mirror.company_id, organization_id, field, edit.value, reason, now)
        note_outcome(connection, intent.write_id, State.FAILED, now, error=error.message)
        save_budget(connection, mirror.company_id, mirror.budget)
    _log.warning("edits_parked", organization=organization_id, fields=list(blamed), reason=reason)
    return Pushed(parked=len(blamed))


def _blamed(intent: Intent, error: PipedriveError, fields: Fields) -> Sequence[str]:
    """The fields that a refusal is about; none where that can't be told from it."""
    if len(intent.body) == 1 or isinstance(error, Forbidden | NotFound | Gone):
        return list(intent.body)
    words = error.words.casefold()
    named = [field for field in intent.body if field in words or fields.name_of(field).casefold() in words]
    return named if len(named) == 1 else []  # a name may be an ordinary word of the sentence


def organization_values(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What Pipedrive holds of the shared fields, by attribute and code."""
    if record is None:
        return {}
    return {**(record["custom_fields"] or {}), **{name: record[name] for name in STANDARD}}


def _page(record: Any, read_at: datetime) -> Page:
    return Page([record], None, read_at, None)
