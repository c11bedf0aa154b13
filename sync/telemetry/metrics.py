"""What the program counts about itself, for Prometheus: one registry of this process, filled where things happen.

What can be told from the database alone (rows, the depth of the inbox) is not counted here but asked for at each
scrape, by `sync.web.metrics`. No label ever holds a customer's value: routes have `{id}` for ids.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

TOKENS = Counter("pipedrive_sync_tokens", "Tokens spent at Pipedrive, by what for.", ["purpose"], registry=REGISTRY)
REQUESTS = Counter(
    "pipedrive_sync_requests",
    "Requests to Pipedrive, by route and status (0: no answer).",
    ["method", "route", "status"],
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "pipedrive_sync_deliveries",
    "Webhook deliveries, by what became of them.",
    ["outcome"],
    registry=REGISTRY,
)
EVENTS = Counter("pipedrive_sync_events", "Webhook events worked on, by their new state.", ["state"], registry=REGISTRY)
EVENT_LAG = Histogram(
    "pipedrive_sync_event_lag_seconds",
    "From Pipedrive's time of an event to our commit of it.",
    registry=REGISTRY,
    buckets=_SECONDS,
)
WRITTEN = Counter(
    "pipedrive_sync_written",
    "What became of edited fields, and of activities and notes that were asked for.",
    ["outcome"],
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "pipedrive_sync_job_seconds", "How long a job of the service took.", ["job"], registry=REGISTRY, buckets=_SECONDS
)
JOB_FAILURES = Counter("pipedrive_sync_job_failures", "Runs of a job that failed.", ["job"], registry=REGISTRY)
