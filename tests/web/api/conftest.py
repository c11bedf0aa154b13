"""The JSON API served over HTTP, with a small company from the simulated Pipedrive in the database."""

from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.web.pages.conftest import PageSite, clock, desk, open_here, sandbox, site
from tests.writeback.conftest import Desk

__all__ = ["clock", "desk", "open_here", "sandbox", "site"]

API = "/api/v1"


@dataclass
class Api:
    """What is served, and a program that talks to it."""

    site: PageSite

    @property
    def desk(self) -> Desk:
        return self.site.desk

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call an operation: `json` or `data` as with requests, JSON unless said otherwise."""
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return self.site.session.request(
            method, f"{self.site.url}{API}{path}", headers=headers, timeout=30, **options
        )

    def change(self, path: str, change: Any, *, tag: str = "*") -> requests.Response:
        """Change an account that is in a certain state."""
        return self.send("PATCH", path, json=change, headers={"If-Match": tag})

    def all(self, path: str, limit: int, **query: Any) -> list[Any]:
        """Everything in a list, read a page at a time."""
        rows: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.get(path, params={"limit": limit, **query, **cursor})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["data"]) <= limit
            rows += answer.json()["data"]
            if answer.json()["next_cursor"] is None:
                return rows
            cursor = {"cursor": answer.json()["next_cursor"]}


@pytest.fixture
def api(site: PageSite) -> Api:
    """The API, as anybody on this machine sees it."""
    return Api(site)


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer that has to be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"] and document["title"] and document["detail"]
    return document
