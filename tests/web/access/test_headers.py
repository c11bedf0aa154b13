"""The headers that every answer carries, refusals too."""

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from sync.web.access.headers import HEADERS, SecurityHeaders
from sync.web.server import Server
from tests.web.access.conftest import Browser, House


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize("path", ["/who", "/login", "/nothing", "/webhooks/pipedrive", "/api/v1/who"])
def test_every_answer_carries_them(house: House, path: str) -> None:
    for host in ("localhost", "evil.example"):
        answer = house.program(Host=host).ask("GET", path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_the_policy_allows_nothing_that_is_not_ours() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert {name for name, value in policy.items() if value == "'none'"} == {
        "default-src",
        "base-uri",
        "frame-ancestors",
    }
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_what_a_route_has_set_stays() -> None:
    async def cached(_request: object) -> Response:
        return PlainTextResponse("x", headers={"Cache-Control": "public, max-age=31536000, immutable"})

    with (
        Server(SecurityHeaders(Router([Route("/", cached)])), "127.0.0.1", 0) as server,
        Browser(server.address) as one,
    ):
        answer = one.ask("GET", "/")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
