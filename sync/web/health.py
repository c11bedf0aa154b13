"""`/healthz`: does the process answer? `/readyz`: can it do its work? For supervisors and load balancers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync.errors import SyncError
from sync.store.database import Database
from sync.store.upgrade import newest_revision, revision_of
from sync.web.background import Question

PATIENCE = 5.0  # seconds for each check

# Says whether all is well, and what there is to say about it; may take its time, and may raise.
Check = Callable[[], tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check."""

    ok: bool
    message: str


class Health:
    """The checks by name, among them the database's own."""

    def __init__(self, database: Database, checks: Mapping[str, Check]) -> None:
        every = {"database": database_check(database), **checks}
        self._questions = {name: Question(partial(_verdict, check)) for name, check in every.items()}

    async def alive(self, _request: Request) -> Response:
        """That the process answers."""
        return _json(200, {"status": "alive"})

    async def ready(self, _request: Request) -> Response:
        """What every check says: 200 where all is well, else 503."""
        verdicts = await asyncio.gather(*(_asked(question) for question in self._questions.values()))
        ready = all(verdict.ok for verdict in verdicts)
        checks = {name: asdict(verdict) for name, verdict in zip(self._questions, verdicts, strict=True)}
        return _json(200 if ready else 503, {"ready": ready, "checks": checks})


def health_routes(health: Health) -> Sequence[Route]:
    """Where it is asked."""
    return [Route("/healthz", health.alive), Route("/readyz", health.ready)]


def database_check(database: Database) -> Check:
    """Whether the database answers, and has the schema of this version."""
    newest = newest_revision()

    def check() -> tuple[bool, str]:
        revision = revision_of(database)
        if revision != newest:
            return False, f"at revision {revision}, and not at {newest}, which this version of the program works with"
        return True, f"reachable, at revision {revision}"

    return check


async def _asked(question: Question[Verdict]) -> Verdict:
    try:
        return await question.answer(PATIENCE)
    except TimeoutError:
        return Verdict(False, f"no answer within {PATIENCE:g} s")


def _verdict(check: Check) -> Verdict:
    try:
        return Verdict(*check())
    except SyncError as error:
        return Verdict(False, str(error))
    except Exception as error:
        return Verdict(False, f"the check itself failed: {type(error).__name__}")


def _json(status: int, document: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
