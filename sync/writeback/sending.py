"""Carrying out what people have asked for: one call per errand, in their order, and none of them twice.

An errand is noted as sent before its call goes out, and settled in one transaction with its answer. What became of one
without an answer is found out by reading: a creation is looked for among what was made since, and made again only once
it is certain not to show up any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog

from sync.mirror.company import Mirror
from sync.mirror.ingest import delete, ingest
from sync.pipedrive.client import Answer
from sync.pipedrive.entities import ACTIVITIES, NOTES, Entity
from sync.pipedrive.errors import (
    BadRequest,
    FeatureUnavailable,
    Forbidden,
    Gone,
    MalformedAnswer,
    MethodNotAllowed,
    NotFound,
    PipedriveError,
    ServerError,
    Unprocessable,
    Unreachable,
)
from sync.pipedrive.listing import Order, Page, fetch_one, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.records import Record, says_deleted, to_record
from sync.store.errands import claim_errand, load_open_errands, switched_off_accounts
from sync.store.holds import load_hold
from sync.store.journal import Action, State, Write, created_records, note_outcome
from sync.store.mirror import load_record
from sync.store.tokens import save_budget
from sync.writeback.recognition import Fate, effective_since, fate_of_change, is_outcome, moment_of

_PATIENCE = 3  # errands in a row that fail before it is Pipedrive that fails

# A creation without an answer may be on its way for so long, and lists may show it so late.
_SETTLED_AFTER = timedelta(seconds=60)
_LOOK_AGAIN_AFTER = timedelta(seconds=15)

_REFUSALS = (BadRequest, Unprocessable, Forbidden, NotFound, Gone, MethodNotAllowed, FeatureUnavailable)
_GONE = "Pipedrive has it no more: it was deleted"
_OVERTAKEN = "no answer came, and it was changed at Pipedrive since: look at it before you try again"
_NOT_SHOWN = "no answer came, and Pipedrive does not show it yet"

_CHANGE_COST, _DELETE_COST = 5, 3  # tokens

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of some errands; `waiting` are those left for the next round."""

    done: int = 0
    failed: int = 0
    waiting: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.done + other.done, self.failed + other.failed, self.waiting + other.waiting)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the errands of an entity are called in."""

    entity: Entity
    create_cost: int  # tokens
    maker: str  # the attribute that names who made a record

    @property
    def path(self) -> str:
        return self.entity.listings[0].path


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        ACTIVITIES.name: _Kind(ACTIVITIES, 5, "creator_user_id"),
        NOTES.name: _Kind(NOTES, 10, "user_id"),
    }
)


def send_errands(mirror: Mirror) -> Sent:
    """Carry out every errand that may go; what became of them.

    Raises at the end the first failure that concerned single errands, whose outcome is found out in the next round;
    and at once whatever concerns every call.
    """
    errands = _sendable(mirror)
    sent = _Round(mirror).run(errands) if errands else Sent()
    if sent.done or sent.failed:
        _log.info("errands_sent", done=sent.done, failed=sent.failed, waiting=sent.waiting)
    return sent


def _sendable(mirror: Mirror) -> Sequence[Write]:
    if not mirror.settings.write_back.sends:
        return []
    with mirror.database.reading() as connection:
        if load_hold(connection, mirror.company_id).paused_at is not None:
            return []
        errands = load_open_errands(connection, mirror.company_id, failed=False)
        off = switched_off_accounts(connection, mirror.company_id) if errands else set()
    return [one for one in errands if one.organization_id not in off]


class _Round:
    """Some errands being carried out, one after the other."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._total = Sent()
        self._failure: PipedriveError | None = None
        self._in_a_row = 0
        # Records of which an errand is not settled: what was asked for later must not overtake it.
        self._stuck: set[tuple[str, int]] = set()

    def run(self, errands: Sequence[Write]) -> Sent:
        for errand in errands:
            if self._in_a_row >= _PATIENCE:
                break
            self._mirror.clock.sleep(0)
            self._count(errand, self._outcome(errand))
        if self._failure is not None:
            raise self._failure
        return self._total

    def _outcome(self, errand: Write) -> State | None:
        if errand.record_id is not None and (errand.entity, errand.record_id) in self._stuck:
            return State.WAITING
        try:
            state = _carry_out(self._mirror, errand)
        except (ServerError, MalformedAnswer, Unreachable, *_REFUSALS) as error:  # refused: the look for it, that is
            self._in_a_row += 1
            self._failure = self._failure or error
            return State.SENT
        self._in_a_row = 0
        return state

    def _count(self, errand: Write, state: State | None) -> None:
        if state is State.DONE:
            self._total += Sent(done=1)
        elif state is State.FAILED:
            self._total += Sent(failed=1)
        elif state is not None:
            self._total += Sent(waiting=1)
            if errand.record_id is not None:
                self._stuck.add((errand.entity, errand.record_id))


def _carry_out(mirror: Mirror, errand: Write) -> State | None:
    """Bring an errand to its end, as far as that can be; None if somebody has dropped it."""
    if errand.state is State.SENT:
        found = _LOOKS[errand.action](mirror, errand)
        if found is not State.WAITING:
            return found
    if not _claim(mirror, errand):
        return None
    try:
        answer = _call(mirror, errand)
    except PipedriveError as error:
        if errand.action is Action.DELETE and isinstance(error, NotFound | Gone):
            return _settle_deletion(mirror, errand)
        if isinstance(error, _REFUSALS):
            return _refuse(mirror, errand, error)
        if not error.outcome_unknown:
            _note(mirror, errand, State.WAITING, error.message)
        raise
    if errand.action is Action.DELETE:
        return _settle_deletion(mirror, errand)
    # Whatever began to be read before this moment may not know of it yet.
    return _settle(mirror, errand, _record_of(answer), mirror.clock.now())


def _claim(mirror: Mirror, errand: Write) -> bool:
    entity = _KINDS[errand.entity].entity
    with mirror.database.writing() as connection:
        before = None
        if errand.action is Action.CHANGE and errand.record_id is not None:
            held = load_record(connection, mirror.company_id, entity, errand.record_id)
            before = {name: to_record(entity, held).get(name) for name in errand.body} if held else None
        return claim_errand(connection, errand, mirror.clock.now(), before)


def _call(mirror: Mirror, errand: Write) -> Answer:
    kind, client = _KINDS[errand.entity], mirror.client
    purpose, priority = Purpose.WRITE_BACK.label, Purpose.WRITE_BACK.priority
    path = f"{kind.path}/{errand.record_id}"
    if errand.action is Action.CREATE:
        return client.post(kind.path, errand.body, cost=kind.create_cost, purpose=purpose, priority=priority)
    if errand.action is Action.CHANGE:
        return client.patch(path, errand.body, cost=_CHANGE_COST, purpose=purpose, priority=priority)
    return client.delete(path, cost=_DELETE_COST, purpose=purpose, priority=priority)


def _record_of(answer: Answer) -> Record:
    if not isinstance(answer.data, dict) or type(answer.data.get("id")) is not int:
        raise MalformedAnswer(
            "Pipedrive took a write and did not answer with the record.", "The next round finds out what became of it."
        )
    return answer.data


def _settle(mirror: Mirror, errand: Write, record: Record, read_at: datetime) -> State:
    """It has taken effect: the record as it is now goes into the mirror, and with it into the accounts."""
    entity = _KINDS[errand.entity].entity
    with mirror.database.writing() as connection:
        if mirror.privacy.keeps(entity):
            ingest(connection, mirror, entity, entity.listings[0], Page([record], None, read_at, None))
        note_outcome(
            connection,
            errand.id,
            State.DONE,
            mirror.clock.now(),
            record_id=record["id"],
            update_time=moment_of(entity, record, "update_time"),
        )
        save_budget(connection, mirror.company_id, mirror.budget)
    _log.debug("errand_done", errand=errand.id, entity=errand.entity, record=record["id"])
    return State.DONE


def _settle_deletion(mirror: Mirror, errand: Write, state: State = State.DONE, reason: str | None = None) -> State:
    """Pipedrive has the record no more."""
    entity, now = _KINDS[errand.entity].entity, mirror.clock.now()
    with mirror.database.writing() as connection:
        delete(connection, mirror, entity, [(errand.record_id or 0,)], read_at=now)
        note_outcome(connection, errand.id, state, now, error=reason)
        save_budget(connection, mirror.company_id, mirror.budget)
    return state


def _refuse(mirror: Mirror, errand: Write, error: PipedriveError) -> State:
    is_gone = errand.action is Action.CHANGE and isinstance(error, NotFound | Gone)
    return _fail(mirror, errand, _GONE if is_gone else error.words or error.message)


def _fail(mirror: Mirror, errand: Write, reason: str) -> State:
    _note(mirror, errand, State.FAILED, reason)
    _log.warning("errand_failed", errand=errand.id, entity=errand.entity, reason=reason)
    return State.FAILED


def _note(mirror: Mirror, errand: Write, state: State, reason: str, at: datetime | None = None) -> None:
    with mirror.database.writing() as connection:
        note_outcome(connection, errand.id, state, at or mirror.clock.now(), error=reason)
        save_budget(connection, mirror.company_id, mirror.budget)


# What became of an errand without an answer: `WAITING` if it has to be sent (again), `SENT` if that isn't known yet.


def _look_for_created(mirror: Mirror, errand: Write) -> State:
    began_at = mirror.clock.now()
    sent_at = errand.sent_at or errand.requested_at
    has_looked = errand.ended_at is not None and errand.ended_at >= sent_at
    if has_looked and errand.ended_at is not None and began_at < errand.ended_at + _LOOK_AGAIN_AFTER:
        return State.SENT
    found = _created(mirror, errand, sent_at)
    if found is not None:
        return _settle(mirror, errand, *found)
    if began_at >= sent_at + _SETTLED_AFTER:
        return State.WAITING
    _note(mirror, errand, State.SENT, _NOT_SHOWN, began_at)
    return State.SENT


def _created(mirror: Mirror, errand: Write, sent_at: datetime) -> tuple[Record, datetime] | None:
    """The record that an errand has made, and when that was read; of several that may be, the first."""
    kind = _KINDS[errand.entity]
    with mirror.database.reading() as connection:
        taken = created_records(connection, mirror.company_id, errand.entity)
    # What was sent more than once may come from any of those times.
    earliest = errand.requested_at if errand.attempts > 1 else sent_at
    fitting: dict[int, tuple[Record, datetime]] = {}
    for page in _newest(mirror, kind, errand.body["org_id"], earliest):
        since = effective_since(earliest, _ahead(page))
        for record in page.records:
            if says_deleted(kind.entity, record) or type(record["id"]) is not int or record["id"] in taken:
                continue
            if is_outcome(errand.body, record, kind.entity, maker=kind.maker, by=mirror.me.user_id, since=since):
                fitting[record["id"]] = record, page.began_at
    return fitting[min(fitting)] if fitting else None


def _newest(mirror: Mirror, kind: _Kind, organization_id: int, earliest: datetime) -> Iterator[Page]:
    """The newest records of an organization, page by page, back to those made before a moment."""
    listing = kind.entity.listings[0]
    narrowed = replace(listing, params={**listing.params, "org_id": str(organization_id)})
    page = fetch_page(mirror.client, narrowed, order=Order.BY_ID_NEWEST, purpose=Purpose.WRITE_BACK)
    yield page
    while page.following is not None and not _reaches_back(kind.entity, page, effective_since(earliest, _ahead(page))):
        page = fetch_page(mirror.client, narrowed, page.following, order=Order.BY_ID_NEWEST, purpose=Purpose.WRITE_BACK)
        yield page


def _reaches_back(entity: Entity, page: Page, since: datetime) -> bool:
    last = page.records[-1] if page.records else None
    made_at = moment_of(entity, last, "add_time") if isinstance(last, dict) else None
    return made_at is not None and made_at < since


def _ahead(answer: Page | Answer) -> timedelta:
    """How far Pipedrive's clock is ahead of ours, to a second or so."""
    return timedelta() if answer.server_time is None else answer.server_time - answer.began_at


def _look_at_changed(mirror: Mirror, errand: Write) -> State:
    answer = _read(mirror, errand)
    if answer is None:
        return _settle_deletion(mirror, errand, State.FAILED, _GONE)
    entity, record = _KINDS[errand.entity].entity, answer.data
    fate = fate_of_change(
        errand.body,
        errand.before,
        record,
        changed_at=moment_of(entity, record, "update_time"),
        since=effective_since(errand.sent_at or errand.requested_at, _ahead(answer)),
    )
    if fate is Fate.TOOK_EFFECT:
        return _settle(mirror, errand, record, answer.began_at)
    _take_in(mirror, entity, record, answer.began_at)
    return State.WAITING if fate is Fate.DID_NOT else _fail(mirror, errand, _OVERTAKEN)


def _look_at_deleted(mirror: Mirror, errand: Write) -> State:
    return _settle_deletion(mirror, errand) if _read(mirror, errand) is None else State.WAITING


def _read(mirror: Mirror, errand: Write) -> Answer | None:
    """The record of an errand as it is now; None if Pipedrive has it no more."""
    entity, record_id = _KINDS[errand.entity].entity, errand.record_id
    return None if record_id is None else fetch_one(mirror.client, entity, record_id, purpose=Purpose.WRITE_BACK)


def _take_in(mirror: Mirror, entity: Entity, record: Any, read_at: datetime) -> None:
    with mirror.database.writing() as connection:
        if mirror.privacy.keeps(entity):
            ingest(connection, mirror, entity, entity.listings[0], Page([record], None, read_at, None))
        save_budget(connection, mirror.company_id, mirror.budget)


_LOOKS = MappingProxyType(
    {Action.CREATE: _look_for_created, Action.CHANGE: _look_at_changed, Action.DELETE: _look_at_deleted}
)
