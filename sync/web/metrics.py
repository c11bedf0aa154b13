"""`/metrics` for Prometheus: what this process has counted, and what the database holds at the moment of asking.

While the database does not answer, what it holds is left out; the rest is told all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync.clock import Clock
from sync.pipedrive.entities import BY_EVENT, ENTITIES
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.store.edits import count_edits
from sync.store.follow_ups import load_queues
from sync.store.inbox import State, count_events, oldest_pending
from sync.store.overview import count_rows
from sync.telemetry.metrics import REGISTRY
from sync.web.background import Question

COUNTS_GOOD_FOR = 60.0  # seconds: counting the rows of a large table takes a while
PATIENCE = 5.0  # seconds; whoever scrapes has little more

_log = structlog.get_logger(__name__)

# By company, and by entity or state.
_Numbers = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What takes a while to count, and when it was counted by the monotonic clock."""

    rows: _Numbers
    events: _Numbers
    counted_at: float


class DatabaseCollector(Collector):
    """What the database holds, as gauges by company."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._counted: _Counted | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges; none while the database can't be read: a scrape that fails would tell nothing at all."""
        try:
            return self._gauges()
        except Exception as error:
            _log.warning("metrics_incomplete", error=type(error).__name__)
            return []

    def _gauges(self) -> Sequence[GaugeMetricFamily]:
        with self._database.reading() as connection:
            companies = [company["company_id"] for company in load_companies(connection)]
            oldest = {company: oldest_pending(connection, company) for company in companies}
            edits = {company: count_edits(connection, company) for company in companies}
            queues = {company: load_queues(connection, company) for company in companies}
        counted = self._counts(companies)
        now = self._clock.now()
        nothing = {entity.name: 0 for entity in BY_EVENT.values()}
        return [
            _gauge("rows", "Rows, those marked deleted too, as of the last minute.", counted.rows, "entity"),
            _gauge("inbox_events", "Webhook events kept, as of the last minute.", counted.events, "state"),
            _gauge(
                "inbox_oldest_seconds",
                "How long the oldest event has waited that is still to be applied.",
                {one: {"": max((now - since).total_seconds(), 0) if since else 0} for one, since in oldest.items()},
            ),
            _gauge("edits", "Edited fields of accounts that are not agreed on with Pipedrive.", edits, "state"),
            _gauge(
                "follow_ups",
                "Records that wait to be read because an event told of them.",
                {one: nothing | {queue.entity: queue.count for queue in waiting} for one, waiting in queues.items()},
                "entity",
            ),
        ]

    def _counts(self, companies: Sequence[int]) -> _Counted:
        now = self._clock.monotonic()
        if self._counted is None or now >= self._counted.counted_at + COUNTS_GOOD_FOR:
            with self._database.reading() as connection:
                rows = {entity.name: count_rows(connection, entity) for entity in ENTITIES}
                none = dict.fromkeys(State, 0)
                events = {one: none | dict(count_events(connection, one).by_state) for one in companies}
            by_company = {one: {name: counts.get(one, 0) for name, counts in rows.items()} for one in companies}
            self._counted = _Counted(by_company, events, now)
        return self._counted


class Metrics:
    """What Prometheus gets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._held = Question(partial(generate_latest, DatabaseCollector(database, clock)))

    async def show(self, _request: Request) -> Response:
        """Everything there is, in the text format."""
        try:
            held = await self._held.answer(PATIENCE)
        except TimeoutError:
            held = b""
        return Response(generate_latest(REGISTRY) + held, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def metrics_routes(metrics: Metrics) -> Sequence[Route]:
    """Where they are asked for."""
    return [Route("/metrics", metrics.show)]


def _gauge(name: str, help_text: str, numbers: _Numbers, label: str | None = None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"pipedrive_sync_{name}", help_text, labels=["company", label] if label else ["company"])
    for company, values in numbers.items():
        for value, number in values.items():
            family.add_metric([str(company), value] if label else [str(company)], number)
    return family
