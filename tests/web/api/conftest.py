"""The JSON API served over HTTP, with a small company from the simulated Pipedrive in the database."""

from dataclasses import dataclass
from typing import Any

import pytest
import requests
from sqlalchemy import update

from sync.store.conflicts import Conflict, load_conflicts, record_conflict
from sync.store.journal import State, note_outcome
from sync.store.schema import TABLES
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
        return self.site.session.request(method, f"{self.site.url}{API}{path}", headers=headers, timeout=30, **options)

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
    assert all(document[name] for name in ("type", "title", "detail"))
    return document


def disputed(api: Api, organization_id: int, ours: Any = "Ours", theirs: Any = "Theirs") -> int:
    """A conflict about an account's name that waits, with Pipedrive's name in the mirror; its number."""
    now, database, company_id = api.desk.clock.now(), api.site.database, api.desk.mirror.company_id
    with database.writing() as connection:
        conflict = Conflict(organization_id, "name", "Before", ours, theirs, now, "sql", now, "Anna", "review", now)
        record_conflict(connection, company_id, conflict)
        mirrored = TABLES["organizations"]
        connection.execute(update(mirrored).where(mirrored.c.id == organization_id).values(name=theirs))
        return load_conflicts(connection, company_id)[0].id or 0


def refuse(api: Api, errand_id: int, words: str = "Pipedrive says no") -> None:
    """Let Pipedrive have refused an errand."""
    with api.site.database.writing() as connection:
        note_outcome(connection, errand_id, State.FAILED, api.desk.clock.now(), error=words)
