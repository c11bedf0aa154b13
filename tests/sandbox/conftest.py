from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sync.clock import ManualClock
from sync.sandbox import Proportions, Sandbox, generate
from tests.sandbox import contract

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Client:
    """A plain HTTP client of the sandbox; every exchange is held against the vendor's description."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["x-api-token"] = token

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        answer = self.session.request(method, self.sandbox.url + path, timeout=20, **arguments)
        if answer.headers.get("content-type", "").startswith("application/json"):
            request = answer.request
            body = request.body.encode() if isinstance(request.body, str) else request.body
            found = contract.problems(method, request.url or "", body, answer.status_code, answer.json())
            assert list(found) == []
        return answer

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def ok(self, path: str, **query: Any) -> Any:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def data(self, path: str, **query: Any) -> Any:
        return self.ok(path, **query)["data"]

    def send(self, method: str, path: str, body: Any) -> Any:
        answer = self.call(method, path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["data"]

    def pages(self, path: str, **query: Any) -> list[Any]:
        """All records of an API v2 list, page by page."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.ok(path, **query, **({} if cursor is None else {"cursor": cursor}))
            found += page["data"]
            cursor = (page.get("additional_data") or {}).get("next_cursor")
            if cursor is None:
                return found

    def ids(self, path: str, **query: Any) -> list[int]:
        return [record["id"] for record in self.pages(path, **query)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    company = generate(1, clock=clock, organizations=12, proportions=Proportions(files=1))
    with Sandbox(company, burst=None) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    opened = Client(sandbox, sandbox.token)
    yield opened
    opened.session.close()
