"""The page about the service: told from the database, whoever runs; what editors may hold back and let go."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.mirror.state import Tokens
from sync.store.holds import load_hold
from sync.store.jobs import JobRecord, save_job
from sync.store.rejected import Rejection, save_rejections
from sync.store.schema import token_usage
from sync.web.pages.language import language_for
from sync.web.pages.usage import DAYS, WIDTH, days_chart, today_chart
from tests.web.pages.conftest import PageSite

HOSTILE = "<img src=x onerror=alert(1)>"


def test_the_state_of_lists_and_jobs_is_told(site: PageSite) -> None:
    now = site.clock.now()
    with site.database.writing() as connection:
        failing = JobRecord("poll deals", now, now, None, now + timedelta(minutes=5), 3, HOSTILE)
        save_job(connection, site.desk.mirror.company_id, failing)

    page = site.get("/sync").text

    assert "the service is running" in page
    assert "Archived deals" in page
    assert "Look for changes: Deals" in page
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert "None are installed" in page
    assert 'class="notice warning"' in page


def test_a_service_that_does_not_run_is_told_too(site: PageSite) -> None:
    assert "the service is not running" in site.get("/sync").text


def test_tokens_are_shown_by_day_and_by_what_they_were_for(site: PageSite) -> None:
    with site.database.writing() as connection:
        for back in (0, 1, 20):
            day = site.clock.now().date() - timedelta(days=back)
            values = {"company_id": site.desk.mirror.company_id, "day": day, "purpose": "sweep", "tokens": 4321 + back}
            connection.execute(token_usage.insert().values(values))

    page = site.get("/sync").text

    assert "4,322" in page
    assert "4,341" not in page  # longer ago
    assert page.count("<title>") >= DAYS


def test_writing_is_paused_and_resumed(site: PageSite) -> None:
    answer = site.post("/sync/pause")
    assert "is paused" in answer.text
    assert "Resume writing" in answer.text
    site.desk.edit(name="Waits")
    site.desk.write_back()
    assert site.desk.there()["name"] != "Waits"

    assert "goes on" in site.post("/sync/resume").text
    site.desk.write_back()
    assert site.desk.there()["name"] == "Waits"


def test_edits_are_approved(site: PageSite) -> None:
    assert "are approved" in site.post("/sync/approve").text

    with site.database.reading() as connection:
        hold = load_hold(connection, site.desk.mirror.company_id)
    assert (hold.approved_at, hold.approved_by) == (site.clock.now(), "page")


def test_records_that_no_row_can_hold_are_listed_with_the_reason(site: PageSite) -> None:
    aside = [Rejection("deals", "17", f"its value is no number: {HOSTILE}", {"id": 17})]
    with site.database.writing() as connection:
        save_rejections(connection, site.desk.mirror.company_id, aside, rejected_at=site.clock.now())

    page = site.get("/sync").text

    assert "its value is no number: &lt;img" in page


def test_no_password_of_the_database_is_shown(site: PageSite) -> None:
    password = site.database.url.password

    assert not password or str(password) not in site.get("/sync").text
    assert "revision" in site.get("/sync").text


@pytest.mark.parametrize(
    ("used", "limit", "left"), [({}, None, None), ({"poll": 5, "new one": 3}, 100, 0), ({"sweep": 10**9}, 10, 10)]
)
def test_a_chart_stays_within_its_bounds(used: dict[str, int], limit: int | None, left: int | None) -> None:
    moment, english = datetime(2026, 11, 3, tzinfo=UTC), language_for(["en"], UTC)
    tokens = Tokens(sum(used.values()), used, 0.5, 50, None, limit, left, None, moment, None)

    chart = today_chart(tokens, english)

    assert sum(one.tokens for one in chart.pieces) == sum(used.values())
    assert sum(one.width for one in chart.pieces) <= WIDTH + 0.5
    assert 0 <= chart.ours <= WIDTH
    assert len(days_chart({moment.date(): used}, moment.date(), 50).bars) == DAYS
