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

from sync.accounts.deciding import GONE, Decision, changed_at, decide, organization_values, payload_of
from sync.accounts.fields import Fields
from sync.accounts.meanings import same
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import ENGINE
from sync.accounts.planner import Conflict as Disputed
from sync.accounts.selecting import take_turn
from sync.mirror.company import Mirror
from sync.mirror.ingest import ingest, rebuild_accounts
from sync.pipedrive.client import Answer
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.errors import BadRequest, Forbidden, Gone, NotFound, PipedriveError, Unprocessable
from sync.pipedrive.listing import Page, fetch_one
from sync.pipedrive.purpose import Purpose
from sync.store.conflicts import Conflict, record_conflict
from sync.store.edits import Edit, drop_edits, load_edits, lock_account, move_base, park
from sync.store.journal import Action, State, Write, add_write, load_unsettled, note_outcome
from sync.store.mirror import load_record
from sync.store.tokens import save_budget
from sync.writeback.races import hand_at_pipedrive, tells_of

_LISTING = ORGANIZATIONS.listings[0]
_WRITE_COST = 5  # tokens

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


def push_account(mirror: Mirror, fields: Fields, organization_id: int) -> Pushed:
    """Bring one account's edits to Pipedrive; what became of them.

    Raises the `PipedriveError`s that say nothing about the edits themselves: they wait then. Raises `DatabaseError`.
    """
    purpose = _purpose(mirror, organization_id)
    is_there = _read(mirror, organization_id, purpose)
    total, singly = Pushed(), False
    while True:
        intent, counted = _prepare(mirror, fields, organization_id, is_there=is_there, singly=singly)
        total += counted
        if intent is None:
            return total
        try:
            answer = _send(mirror, organization_id, intent, purpose)
        except (BadRequest, Unprocessable, Forbidden, NotFound, Gone) as error:
            blamed = _blamed(intent, error, fields)
            singly = singly or not blamed
            total += _refuse(mirror, organization_id, intent, error, blamed)
        else:
            total += _settle(mirror, organization_id, intent, answer)
            if not singly:
                return total


def _purpose(mirror: Mirror, organization_id: int) -> Purpose:
    """What the calls are booked under: computed values have a share of their own."""
    with mirror.database.reading() as connection:
        hands = {one.edited_by for one in load_edits(connection, mirror.company_id, organization_id)}
    return Purpose.FILL if hands == {ENGINE} else Purpose.WRITE_BACK


def _read(mirror: Mirror, organization_id: int, purpose: Purpose) -> bool:
    """Read the organization as it is now into the mirror; whether Pipedrive still has it.

    Where it has not, that is all that is done: only the sweep and events can tell a deletion from a merge.
    """
    answer = fetch_one(mirror.client, ORGANIZATIONS, organization_id, purpose=purpose)
    if answer is None:
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
        take_turn(self.connection, company_id)  # as all do who build accounts, before they lock any
        if not lock_account(self.connection, company_id, self.organization_id):
            return None
        organization = load_record(self.connection, company_id, ORGANIZATIONS, self.organization_id)
        self._settle_unanswered(organization)
        edits = {
            one.field: one
            for one in load_edits(self.connection, company_id, self.organization_id)
            if not (one.is_parked or one.is_disputed or one.field.startswith(OWN))
        }
        decision = decide(edits, organization, self.fields, is_there=is_there)
        self._follow(decision, edits, organization)
        if organization is not None and is_there:
            rebuild_accounts(self.connection, self.mirror, {self.organization_id})
        body = dict(list(decision.body.items())[:1]) if singly else decision.body
        return self._noted(body, edits, organization) if body and organization else None

    def _settle_unanswered(self, organization: Mapping[str, Any] | None) -> None:
        """Writes that got no answer: whether they took effect shows in what Pipedrive holds now, or in their event."""
        remote = organization_values(organization)
        for write in load_unsettled(
            self.connection, self.mirror.company_id, entity=ORGANIZATIONS.name, organization_id=self.organization_id
        ):
            arrived = {field for field, value in write.body.items() if self._is_there(field, value, remote)}
            if tells_of(self.connection, self.mirror.company_id, self.fields, write):
                arrived = set(write.body)
            for edit in load_edits(self.connection, self.mirror.company_id, self.organization_id):
                if edit.field in arrived:  # and was edited again since, perhaps: that goes on from here
                    move_base(self.connection, edit, self.mirror.company_id, write.body[edit.field])
            took_effect = len(arrived) == len(write.body)
            note_outcome(
                self.connection,
                write.id,
                State.DONE if took_effect else State.FAILED,
                self.now,
                error=f"no answer came; Pipedrive {'has it' if took_effect else 'did not have it'} when it was read",
                update_time=changed_at(organization) if organization else None,
            )

    def _is_there(self, field: str, value: Any, remote: Mapping[str, Any]) -> bool:
        rule = self.fields.rules.get(field)
        return rule is not None and same(rule.field_type, value, remote.get(field))

    def _follow(self, decision: Decision, edits: Mapping[str, Edit], organization: Mapping[str, Any] | None) -> None:
        """Do all of what was decided that needs no call."""
        company_id = self.mirror.company_id
        for field, base in decision.bases.items():
            move_base(self.connection, edits[field], company_id, base)
        for conflict in decision.conflicts:
            self._record(edits[conflict.field], conflict, changed_at(organization) if organization else None)
        for field, reason in decision.parked.items():
            edit = edits[field]
            park(self.connection, company_id, self.organization_id, field, edit.value, reason, self.now)
        drop_edits(self.connection, company_id, self.organization_id, decision.settled)
        self.counted += Pushed(
            settled=len(decision.settled), conflicts=len(decision.conflicts), parked=len(decision.parked)
        )

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
            pipedrive_by=hand_at_pipedrive(self.connection, self.mirror.company_id, self.organization_id, changed_at),
            policy=policy,
            detected_at=self.now,
            resolution=disputed.winner,
            resolved_at=self.now if disputed.winner else None,
            resolved_by="policy" if disputed.winner else None,
        )
        record_conflict(self.connection, self.mirror.company_id, conflict)

    def _noted(self, body: Mapping[str, Any], edits: Mapping[str, Edit], organization: Mapping[str, Any]) -> Intent:
        remote = organization_values(organization)
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
            update_time=changed_at(organization),
            attempts=1,
        )
        write_id = add_write(self.connection, self.mirror.company_id, write)
        return Intent(write_id, body, {field: edits[field] for field in body})


def _send(mirror: Mirror, organization_id: int, intent: Intent, purpose: Purpose) -> Answer:
    return mirror.client.patch(
        f"{_LISTING.path}/{organization_id}",
        payload_of(intent.body),
        cost=_WRITE_COST,
        purpose=purpose.label,
        priority=purpose.priority,
    )


def _settle(mirror: Mirror, organization_id: int, intent: Intent, answer: Answer) -> Pushed:
    """Pipedrive took it: what it answers is what both sides agree on, but for what was edited meanwhile."""
    now = mirror.clock.now()
    company_id = mirror.company_id
    with mirror.database.writing() as connection:
        # First the turn, then the organization, then the account: whoever reads takes his locks in this order.
        take_turn(connection, company_id)
        # Whatever began to be read before this moment may not know of the write yet.
        ingest(connection, mirror, ORGANIZATIONS, _LISTING, _page(answer.data, now), build=False)
        lock_account(connection, company_id, organization_id)
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
    reason = GONE if isinstance(error, NotFound | Gone) else error.words or error.message
    with mirror.database.writing() as connection:
        lock_account(connection, mirror.company_id, organization_id)
        waiting = {one.field: one for one in load_edits(connection, mirror.company_id, organization_id)}
        # What was edited again meanwhile is another value, which was not refused.
        refused = [one for one in blamed if one in waiting and waiting[one].change_id == intent.edits[one].change_id]
        for field in refused:
            park(connection, mirror.company_id, organization_id, field, intent.edits[field].value, reason, now)
        note_outcome(connection, intent.write_id, State.FAILED, now, error=error.message)
        save_budget(connection, mirror.company_id, mirror.budget)
    _log.warning("edits_parked", organization=organization_id, fields=refused, reason=reason)
    return Pushed(parked=len(refused))


def _blamed(intent: Intent, error: PipedriveError, fields: Fields) -> Sequence[str]:
    """The fields that a refusal is about; none where that can't be told from it."""
    if len(intent.body) == 1 or isinstance(error, Forbidden | NotFound | Gone):
        return list(intent.body)
    words = error.words.casefold()
    named = [field for field in intent.body if field in words or fields.name_of(field).casefold() in words]
    return named if len(named) == 1 else []  # a name may be an ordinary word of the sentence


def _page(record: Any, read_at: datetime) -> Page:
    return Page([record], None, read_at, None)
