from zoneinfo import ZoneInfo

import pytest

from sync.clock import ManualClock
from sync.sandbox import Sandbox
from tests.sandbox.conftest import Client


@pytest.mark.parametrize(
    ("method", "path", "tokens"),
    [
        ("GET", "/api/v2/organizations", 10),
        ("GET", "/api/v2/deals", 10),
        ("GET", "/api/v2/deals/archived", 20),
        ("GET", "/api/v2/persons", 10),
        ("GET", "/api/v2/activities", 10),
        ("GET", "/api/v2/organizationFields", 10),
        ("GET", "/api/v2/pipelines", 5),
        ("GET", "/api/v2/stages", 5),
        ("GET", "/api/v2/organizations/1", 1),
        ("PATCH", "/api/v2/organizations/1", 5),
        ("POST", "/api/v2/organizations", 5),
        ("DELETE", "/api/v2/organizations/1", 3),
        ("GET", "/v1/notes", 20),
        ("GET", "/v1/files", 20),
        ("GET", "/v1/users", 20),
        ("GET", "/v1/currencies", 20),
        ("GET", "/v1/activityTypes", 20),
        ("GET", "/v1/notes/1", 2),
        ("PUT", "/v1/notes/1", 10),
        ("GET", "/v1/files/1/download", 20),
        ("GET", "/v1/webhooks", 10),
        ("GET", "/api/v2/users/me", 2),
        ("PUT", "/v1/organizations/1/merge", 40),
    ],
)
def test_every_call_costs_its_tokens(sandbox: Sandbox, client: Client, method: str, path: str, tokens: int) -> None:
    bodies = {"PATCH": {"name": "x"}, "POST": {"name": "x"}, "PUT": {"content": "x"}}
    body = {"merge_with_id": 2} if path.endswith("merge") else bodies.get(method)
    answer = client.call(method, path, json=body)
    assert answer.status_code == 200
    assert sandbox.limits.spent == tokens
    assert answer.headers["x-daily-ratelimit-token-remaining"] == str(1_000_000 - tokens)


def test_the_burst_window_rolls_over_two_seconds(sandbox: Sandbox, client: Client, clock: ManualClock) -> None:
    sandbox.limits.burst = 3
    statuses = []
    for wait in (0, 1.0, 0.5, 0.4, 0.2, 0.1):
        clock.advance(wait)
        statuses.append(client.get("/api/v2/stages").status_code)
    assert statuses == [200, 200, 200, 429, 200, 429]


def test_a_burst_429_says_in_seconds_when_to_come_back_and_costs_nothing(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    sandbox.limits.burst = 1
    assert client.get("/api/v2/stages").headers["x-ratelimit-remaining"] == "0"
    clock.advance(0.5)
    refused = client.get("/api/v2/stages")
    assert refused.json()["errorCode"] == 429
    headers = {name: value for name, value in refused.headers.items() if name.startswith("x-ratelimit")}
    assert headers == {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
    assert "retry-after" not in refused.headers
    assert sandbox.limits.spent == 5
    assert sandbox.limits.burst_rejections == 1


def test_each_token_has_its_own_burst_window_but_all_share_the_day(sandbox: Sandbox, client: Client) -> None:
    sandbox.limits.burst = 1
    other = {"x-api-token": sandbox.access.token_for(2)}
    assert client.get("/api/v2/stages").status_code == 200
    assert client.get("/api/v2/stages").status_code == 429
    assert client.call("GET", "/api/v2/stages", headers=other).status_code == 200
    assert sandbox.limits.spent == 10


def test_a_spent_day_refuses_every_call_until_midnight_of_the_servers_zone(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    sandbox.limits.zone = ZoneInfo("America/New_York")
    sandbox.limits.daily_tokens = 100
    sandbox.limits.spend(95)
    refused = client.get("/api/v2/deals")
    assert refused.status_code == 429
    assert refused.headers["x-daily-ratelimit-token-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) == (19 * 60 + 30) * 60
    clock.advance((19 * 60 + 30) * 60 - 1)
    assert client.get("/api/v2/deals/1").status_code == 429
    clock.advance(1)
    assert client.get("/api/v2/deals").headers["x-daily-ratelimit-token-remaining"] == "90"


def test_the_headers_of_the_daily_budget_can_be_missing(sandbox: Sandbox, client: Client) -> None:
    sandbox.limits.daily_headers = False
    names = {name.lower() for name in client.get("/api/v2/stages").headers}
    assert not {name for name in names if name.startswith("x-daily-ratelimit")}
    assert "x-ratelimit-limit" in names


def test_posts_and_puts_count_against_the_requests_left_today(client: Client) -> None:
    assert client.get("/api/v2/stages").headers["x-daily-requests-left"] == "10000"
    answer = client.call("POST", "/api/v2/organizations", json={"name": "x"})
    assert answer.headers["x-daily-requests-left"] == "9999"


def test_a_caller_that_ignores_many_429s_gets_cloudflares_html_page_for_a_while(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    sandbox.limits.burst, sandbox.limits.block_after = 1, 3
    assert [client.get("/api/v2/stages").status_code for _ in range(6)] == [200, 429, 429, 429, 429, 403]
    blocked = client.get("/api/v2/stages")
    assert blocked.headers["content-type"].startswith("text/html")
    assert b"Cloudflare" in blocked.content
    clock.advance(sandbox.limits.block_window)
    assert client.get("/api/v2/stages").status_code == 200
