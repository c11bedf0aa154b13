"""One round of the write-back: every account whose edits may go, several side by side, within the brakes.

What concerns a single account never stops the others. A pause, a missing approval and the settings do.
"""

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice

import structlog

from sync.accounts.fields import Fields, load_fields
from sync.accounts.own_fields import ENGINE
from sync.errors import SyncError
from sync.mirror.brake import DeletionsHeld
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.ingest import Ingested
from sync.mirror.threads import side_by_side
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.errors import MalformedAnswer, PipedriveError, ServerError, Unreachable
from sync.store.edits import any_edits, load_queue
from sync.store.holds import load_hold
from sync.store.journal import State, load_unsettled
from sync.telemetry.metrics import WRITTEN
from sync.writeback.filling import fill_fields, take_up_own_edits
from sync.writeback.preview import PlannedWrite, plan_writes
from sync.writeback.push import Pushed, push_account
from sync.writeback.races import find_races
from sync.writeback.sending import send_errands

_PATIENCE = 3  # accounts in a row that fail before it is Pipedrive that fails
_OF_ONE_RECORD = (ServerError, MalformedAnswer, Unreachable)

_log = structlog.get_logger(__name__)


class ApprovalNeeded(SyncError):
    """More accounts were edited at once than the settings let through without a person's word."""

    exit_code = 5

    def __init__(self, accounts: int, limit: int) -> None:
        super().__init__(
            f"Edits of {accounts:,} accounts wait for approval: more than {limit:,} at once don't go by themselves.",
            "Look at them with `pipedrive-sync sync --dry-run`, then run `pipedrive-sync accounts approve`.",
        )
        self.accounts = accounts


@dataclass(frozen=True, slots=True)
class Waiting:
    """The accounts that may be written now, and how many more wait for approval."""

    accounts: Sequence[int]
    unapproved: int
    limit: int
    paused: bool = False

    def require_approval(self) -> None:
        """Raise `ApprovalNeeded` if edits wait for it."""
        if self.unapproved:
            raise ApprovalNeeded(self.unapproved, self.limit)


def waiting_accounts(mirror: Mirror) -> Waiting:
    """What may be written now, the longest waiting first."""
    limit = mirror.settings.write_back.max_accounts
    with mirror.database.reading() as connection:
        hold = load_hold(connection, mirror.company_id)
        if hold.paused_at is not None or not mirror.settings.write_back.sends:
            return Waiting([], 0, limit, paused=True)
        queue = load_queue(connection, mirror.company_id, approved_until=hold.approved_at, approved_hand=ENGINE)
        # Writes without an answer first: whether they took effect has to be known before anything else is.
        unanswered = [
            one.organization_id
            for one in load_unsettled(connection, mirror.company_id, entity=ORGANIZATIONS.name)
            if one.state is State.SENT
        ]
    small = len(queue.unapproved) <= limit
    accounts = dict.fromkeys([*unanswered, *queue.approved, *(queue.unapproved if small else ())])
    return Waiting(list(accounts), 0 if small else len(queue.unapproved), limit)


def whole_cycle(
    mirror: Mirror, *, whole_sweep: bool = False, accept_deletions: bool = False
) -> tuple[Ingested, Pushed]:
    """Bring the mirror up to date, then write back: also where something kept the reading from going through.

    Raises what `run_cycle` and `write_back` raise; of both, what the first does.
    """
    try:
        done = run_cycle(mirror, whole_sweep=whole_sweep, accept_deletions=accept_deletions)
    except (PipedriveError, DeletionsHeld):
        with suppress(PipedriveError, ApprovalNeeded):
            fill_fields(mirror)
            write_back(mirror)
        raise
    fill_fields(mirror)
    return done, write_back(mirror)


def write_back(mirror: Mirror) -> Pushed:
    """Bring everything that may go to Pipedrive: errands, and edits of accounts; what became of them.

    Raises at the end the first failure that concerned single records, then `ApprovalNeeded` if edits wait for it; and
    at once whatever concerns every call.
    """
    find_races(mirror)
    take_up_own_edits(mirror)
    total, failures = Pushed(), []
    for part in (_run_errands, _push_edits):
        try:
            total += part(mirror)
        except _OF_ONE_RECORD as error:
            failures.append(error)
    for outcome, count in asdict(total).items():
        WRITTEN.labels(outcome).inc(count)
    if total != Pushed():
        _log.info("written_back", **{name: count for name, count in asdict(total).items() if count})
    if failures:
        raise failures[0]
    waiting_accounts(mirror).require_approval()
    return total


def _run_errands(mirror: Mirror) -> Pushed:
    sent = send_errands(mirror)
    return Pushed(errands=sent.done, refused_errands=sent.failed)


def _push_edits(mirror: Mirror) -> Pushed:
    waiting = waiting_accounts(mirror)
    if not waiting.accounts:
        return Pushed()
    with mirror.database.reading() as connection:
        fields = load_fields(connection, mirror.company_id, mirror.settings)
    work = _Work(mirror, fields, waiting.accounts)
    count = min(mirror.settings.write_back.at_once, len(waiting.accounts))
    if count == 1:
        work.run()
    else:
        side_by_side([(f"write-back {number}", work.run) for number in range(count)], work.stop)
    if work.failure is not None:
        raise work.failure
    return work.total


class _Work:
    """Accounts being written by several threads: each takes the next one."""

    def __init__(self, mirror: Mirror, fields: Fields, accounts: Iterable[int]) -> None:
        self._mirror = mirror
        self._fields = fields
        self._accounts = iter(accounts)
        self._lock = threading.Lock()
        self._in_a_row = 0
        self.stop = threading.Event()
        self.total = Pushed()
        self.failure: PipedriveError | None = None

    def run(self) -> None:
        """Write accounts until there are no more, or Pipedrive fails again and again."""
        while not self.stop.is_set() and (account := self._next()) is not None:
            self._mirror.clock.sleep(0)
            try:
                pushed = push_account(self._mirror, self._fields, account)
            except _OF_ONE_RECORD as error:
                self._note_failure(error)
            else:
                with self._lock:
                    self._in_a_row = 0
                    self.total += pushed

    def _next(self) -> int | None:
        with self._lock:
            return next(islice(self._accounts, 1), None)

    def _note_failure(self, error: PipedriveError) -> None:
        with self._lock:
            self._in_a_row += 1
            self.failure = self.failure or error
            if self._in_a_row >= _PATIENCE:
                self.stop.set()


class PlanLog:
    """Logs what would be written; each plan of an account once."""

    def __init__(self) -> None:
        self._logged: dict[int, PlannedWrite] = {}

    def write(self, mirror: Mirror) -> None:
        """Log what is new since the last time."""
        with mirror.database.reading() as connection:
            if not any_edits(connection, mirror.company_id):
                return
            planned = plan_writes(connection, mirror.company_id, mirror.settings)
        for one in planned:
            if self._logged.get(one.organization_id) != one:
                self._logged[one.organization_id] = one
                names = [change.name for change in one.changes]
                parked, conflicts = len(one.parked), len(one.conflicts)
                _log.debug("would_send", organization=one.organization_id, body=one.body)
                _log.info(
                    "would_write", organization=one.organization_id, fields=names, conflicts=conflicts, parked=parked
                )
