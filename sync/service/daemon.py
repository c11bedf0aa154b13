"""The background service as a whole: gets the lock, opens the mirror, and keeps the jobs going until told to stop.

Where another instance is active it stands by and takes over. What fails for a while (the network, the database) is
waited out; what only a person can mend (credentials, settings) ends it.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog

from sync.clock import Clock, SystemClock
from sync.errors import Interrupted, SyncError
from sync.mirror.company import Mirror, open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.content import Content
from sync.pipedrive.errors import PipedriveError
from sync.service.errors import NotActive
from sync.service.jobs import POLL
from sync.service.schedule import Schedule
from sync.service.service import Service
from sync.settings import Settings
from sync.store.database import Database
from sync.store.errors import DatabaseError
from sync.store.lock import InstanceLock, instance_lock

_CHECK_LOCK_EVERY = 2.0  # seconds
_TRY_LOCK_EVERY = 2.0
_LONGEST_WAIT = 60.0  # seconds between two tries to reach Pipedrive at the start
_GLANCE = 0.1  # seconds: how often who waits for the first answer looks whether it is told to stop
_REST = 2.0  # seconds that running jobs have to come to rest
_RECENT = timedelta(minutes=30)  # a list that was not read for so long, and three times its interval, is behind

_log = structlog.get_logger(__name__)


class Standing(StrEnum):
    """What this instance is doing."""

    STARTING = "starting"
    STANDING_BY = "standing by"
    ACTIVE = "active"


class Daemon:
    """The service of one process. `run` returns when `stop` was called, from any thread or a signal handler."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._clock = SystemClock()
        self.standing = Standing.STARTING
        self._service: Service | None = None
        self.lock: InstanceLock = instance_lock(database)

    @property
    def company_id(self) -> int | None:
        """The company that is worked for; None while nothing is."""
        service = self._service
        return service.company_id if service else None

    def download(self, file_id: int) -> Content:
        """What a file holds, as it comes from Pipedrive. Raises `NotActive`, `PipedriveError`."""
        service = self._service
        if service is None:
            raise NotActive("The service does not work at present, so nothing can be fetched from Pipedrive.")
        return service.download(file_id)

    def stop(self) -> None:
        """End every wait; `run` returns soon."""
        self._clock.stop()

    def run(self) -> None:
        """Work, or stand by, until told to stop.

        Raises the `SyncError`s that only a person can mend: those with the exit code of settings and credentials.
        """
        try:
            while True:
                with self._held():
                    self._work_while_there_is_a_database()
        except Interrupted:
            return

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Wait for the lock and hold it."""
        while not self.lock.is_held() and not self._acquired():
            self.standing = Standing.STANDING_BY
            self._clock.sleep(_TRY_LOCK_EVERY)
        self.standing = Standing.STARTING
        _log.info("lock_taken")
        try:
            yield
        finally:
            self.standing = Standing.STARTING
            self.lock.release()

    def _acquired(self) -> bool:
        try:
            taken = self.lock.try_acquire()
        except DatabaseError as error:
            _log.warning("database_unavailable", error=error.message)
            return False
        if not taken and self.standing is not Standing.STANDING_BY:
            _log.info("standing_by")
        return taken

    def _work_while_there_is_a_database(self) -> None:
        try:
            self._work()
        except DatabaseError as error:
            _log.warning("database_unavailable", error=error.message)
            self._clock.sleep(_TRY_LOCK_EVERY)

    def _work(self) -> None:
        """Run the jobs while the lock is ours."""
        with ExitStack() as stack:
            # A clock of its own: when the lock is lost, this work stops and the program goes on.
            clock = SystemClock()
            stack.callback(clock.stop)
            mirror = self._opened(stack, clock)
            service = Service(mirror) if mirror else None
            if service and self.lock.is_held():
                self._run_jobs(service, clock)
            _log.warning("lock_lost")

    def _run_jobs(self, service: Service, clock: SystemClock) -> None:
        schedule = Schedule(service)
        schedule.start()
        self._service, self.standing = service, Standing.ACTIVE
        _log.info("service_active", webhooks_alive=service.plan.webhooks_alive)
        try:
            while self.lock.is_held():
                self._clock.sleep(_CHECK_LOCK_EVERY)
        finally:
            self._service = None
            clock.stop()
            if not schedule.stop(_REST):
                _log.info("jobs_left_unfinished")

    def _opened(self, stack: ExitStack, clock: Clock) -> Mirror | None:
        """The mirror, as soon as Pipedrive and the database can be reached; None when the lock is lost before."""
        budget = token_budget(self._settings)
        client = stack.enter_context(connect(self._settings, clock, budget))
        tries = 0
        while self.lock.is_held():
            try:
                return self._waited_for(partial(open_mirror, client, self._database, clock, self._settings, budget))
            except (PipedriveError, DatabaseError) as error:
                if _needs_a_person(error):
                    raise
                seconds = min(2.0 ** min(tries, 10), _LONGEST_WAIT)
                _log.warning("not_opened", error=error.message, wait_seconds=seconds)
            tries += 1
            self._clock.sleep(seconds)
        return None

    def _waited_for(self, function: Callable[[], Mirror]) -> Mirror:
        """What a function returns or raises, called in a thread: who is told to stop does not wait for an answer."""
        future: Future[Mirror] = Future()
        threading.Thread(target=_call, args=(function, future), name="opening", daemon=True).start()
        while not wait([future], _GLANCE).done:
            self._clock.sleep(0)
        return future.result()

    # What health wants to know

    def lock_check(self) -> tuple[bool, str]:
        """Whether this instance has its place: it works, or stands by."""
        return self.standing is not Standing.STARTING, str(self.standing)

    def cycle_check(self) -> tuple[bool, str]:
        """Whether every list was read lately enough."""
        service = self._service
        if service is None:
            return self.standing is Standing.STANDING_BY, str(self.standing)
        late = _late(service, self._clock.now())
        if late:
            return False, ", ".join(f"{name}: {why}" for name, why in late.items())
        return True, "every list was read lately"


def _call(function: Callable[[], Mirror], future: "Future[Mirror]") -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)


def _needs_a_person(error: SyncError) -> bool:
    return isinstance(error, PipedriveError) and error.exit_code == 2 and not error.retried


def _late(service: Service, now: datetime) -> Mapping[str, str]:
    """The polls that did not succeed lately enough, and why."""
    late: dict[str, str] = {}
    for name, fared in service.fared().items():
        if not name.startswith(POLL):
            continue
        if fared.succeeded_at is None:
            late[name] = fared.error or "not read yet"
        elif now - fared.succeeded_at > _RECENT + 3 * timedelta(seconds=service.jobs[name].interval(service.plan)):
            late[name] = fared.error or f"last read {fared.succeeded_at:%Y-%m-%d %H:%M} UTC"
    return late
