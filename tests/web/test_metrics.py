"""`/metrics`: what was counted, what the database holds, and no failure while that is down."""

from prometheus_client.parser import text_string_to_metric_families

from sync.clock import ManualClock
from sync.pipedrive.entities import DEALS, ENTITIES
from sync.store.dialect import put
from sync.store.follow_ups import ask_later
from sync.store.inbox import Settled, State, settle_events
from sync.store.schema import TABLES, companies
from sync.web.metrics import COUNTS_GOOD_FOR, DatabaseCollector
from tests.web.conftest import COMPANY, NOW, Site, Unsteady, event

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(site: Site) -> Samples:
    answer = site.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"pipedrive_sync_{name}", frozenset(labels.items())]


def insert_deals(database: Unsteady, *ids: int) -> None:
    with database.writing() as connection:
        for one in ids:
            put(connection, TABLES["deals"], {"company_id": COMPANY, "id": one}, {"synced_at": NOW})


def test_deliveries_are_counted_by_what_became_of_them(site: Site) -> None:
    before = value(scrape(site), "deliveries_total", outcome="stored")
    site.post(event())

    assert value(scrape(site), "deliveries_total", outcome="stored") == before + 1


def test_what_the_database_holds_is_told_by_company(site: Site) -> None:
    insert_deals(site.database, 1, 2, 3)
    for number in range(3):
        site.post(event(id=f"event {number}"))
    with site.database.writing() as connection:
        put(connection, companies, {"company_id": 8}, {"synced_at": NOW})
        settle_events(connection, COMPANY, [Settled(("event 0", ""), State.APPLIED)], at=NOW)
        ask_later(connection, COMPANY, DEALS, {1, 2}, now=NOW)
    site.clock.advance(90)

    samples = scrape(site)

    assert value(samples, "rows", company="7", entity="deals") == 3
    assert value(samples, "rows", company="8", entity="deals") == 0
    assert {dict(labels)["entity"] for name, labels in samples if name == "pipedrive_sync_rows"} == {
        entity.name for entity in ENTITIES
    }
    assert value(samples, "inbox_events", company="7", state="pending") == 2
    assert value(samples, "inbox_events", company="7", state="applied") == 1
    assert value(samples, "inbox_events", company="7", state="failed") == 0
    assert value(samples, "inbox_oldest_seconds", company="7") == 90
    assert value(samples, "inbox_oldest_seconds", company="8") == 0
    assert value(samples, "follow_ups", company="7", entity="deals") == 2
    assert value(samples, "follow_ups", company="7", entity="persons") == 0


def test_large_tables_are_counted_once_a_minute_and_what_waits_at_every_scrape(site: Site) -> None:
    insert_deals(site.database, 1)
    scrape(site)
    insert_deals(site.database, 2)
    site.post(event())
    site.clock.advance(COUNTS_GOOD_FOR - 1)

    early = scrape(site)
    site.clock.advance(1)
    late = scrape(site)

    assert value(early, "rows", company="7", entity="deals") == 1
    assert value(early, "inbox_oldest_seconds", company="7") == COUNTS_GOOD_FOR - 1
    assert value(late, "rows", company="7", entity="deals") == 2


def test_a_database_that_is_down_leaves_its_numbers_out_and_fails_no_scrape(site: Site) -> None:
    site.database.down = True
    down = scrape(site)
    site.database.down = False

    assert not [name for name, _ in down if name.startswith(("pipedrive_sync_rows", "pipedrive_sync_inbox"))]
    assert [name for name, _ in down if name == "pipedrive_sync_deliveries_total"]
    assert value(scrape(site), "rows", company="7", entity="deals") == 0


def test_an_event_from_before_the_clock_was_turned_back_has_waited_no_less_than_no_time(site: Site) -> None:
    site.clock.advance(60)
    site.post(event())
    restarted = DatabaseCollector(site.database, ManualClock(NOW))

    waited = next(family for family in restarted.collect() if family.name == "pipedrive_sync_inbox_oldest_seconds")

    assert [sample.value for sample in waited.samples] == [0]
