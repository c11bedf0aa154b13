"""A few routes behind the doorkeeper, served over HTTP on this machine; where they are served seems to be elsewhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Annotated, Any

import jinja2
import pytest
import requests
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI
from requests.adapters import HTTPAdapter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sync.clock import ManualClock
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.logins import Role, add_login
from sync.store.passwords import hash_password
from sync.web.access.doorkeeper import Access, csrf_checked, csrf_token
from sync.web.access.headers import SecurityHeaders
from sync.web.access.signing_in import signing_in_routes
from sync.web.access.viewer import Viewer, editor, viewer
from tests.web.stage import Show

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
PASSWORD = "correct horse"

_TEMPLATES = jinja2.Environment(
    loader=jinja2.ChoiceLoader(
        [
            jinja2.DictLoader({"bare.html": "<main>{% block main %}{% endblock %}</main>"}),
            jinja2.PackageLoader("sync.web"),
        ]
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    extensions=["jinja2.ext.i18n"],
)
_TEMPLATES.install_null_translations(newstyle=True)  # type: ignore[attr-defined]


class From(HTTPAdapter):
    """Connects from another address of this machine: all of 127.0.0.0/8 are."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


class Browser(requests.Session):
    """Somebody's browser, or a program: it sends what it is told to, and follows no redirect by itself."""

    def __init__(self, url: str, address: str = "127.0.0.1", **headers: str) -> None:
        super().__init__()
        self.url = url
        self.trust_env = False  # no proxy of this machine
        self.mount("http://", From(address))
        self.headers.update(headers)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        return self.request(
            method, self.url + path, headers=headers, timeout=30, **{"allow_redirects": False, **options}
        )

    def form_token(self) -> str:
        return str(re.search(r'name="csrf" value="(\w+)"', self.ask("GET", "/login").text)[1])  # type: ignore[index]

    def sign_in(
        self, name: str, password: str = PASSWORD, *, wanted: str = "/who", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        form = {"name": name, "password": password, "next": wanted, "csrf": self.form_token()}
        return self.ask("POST", "/login", headers, data=form)


@dataclass
class House:
    """What is served, and those who come."""

    url: str
    database: Database
    clock: ManualClock
    guests: ExitStack = field(default_factory=ExitStack)

    def browser(self, address: str = "127.0.0.1", **headers: str) -> Browser:
        return self.guests.enter_context(Browser(self.url, address, **{"Origin": self.url, **headers}))

    def program(self, token: str | None = None, **headers: str) -> Browser:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return self.guests.enter_context(Browser(self.url, **given, **headers))

    def add(self, name: str, role: Role = Role.EDITOR, password: str = PASSWORD) -> None:
        with self.database.writing() as connection:
            add_login(connection, name, hash_password(password), role, at=self.clock.now())
        self.clock.advance(2)  # how long the number of logins is remembered

    def signed_in(self, name: str = "Anna", role: Role = Role.EDITOR) -> Browser:
        self.add(name, role)
        browser = self.browser()
        assert browser.sign_in(name).headers["location"] == "/who"
        return browser


Build = Callable[..., House]


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as always, at less cost."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("sync.store.passwords._hasher", lambda: quick)
    monkeypatch.setattr("sync.store.passwords._decoy", cache(lambda: quick.hash("nobody's")))


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The address of an empty SQLite database, for tests that ask nothing of it that others don't ask of both."""
    copyfile(sqlite_template, tmp_path / "mirror.db")
    return f"sqlite:///{tmp_path / 'mirror.db'}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def build(show: Show, database: Database, clock: ManualClock) -> Iterator[Build]:
    """Serves on a database; settings as in the environment."""
    with ExitStack() as stack:

        def start(**environment: str) -> House:
            address = stack.enter_context(show(served(database, clock, environment)))
            house = House(address, database, clock)
            stack.enter_context(house.guests)
            return house

        yield start


@pytest.fixture
def house(build: Build) -> House:
    return build()


def served(database: Database, clock: ManualClock, environment: Mapping[str, str]) -> FastAPI:
    """The routes behind the doorkeeper."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes += signing_in_routes(database, clock, _render)

    @app.get("/who")
    @app.get("/api/v1/who")
    def who(found: Annotated[Viewer, Depends(viewer)]) -> dict[str, Any]:
        return asdict(found)

    @app.get("/form")
    def form(request: Request) -> str:
        return csrf_token(request.scope)

    @app.post("/form", dependencies=[Depends(csrf_checked)])
    def send_form() -> str:
        return "sent"

    @app.post("/change")
    @app.api_route("/api/v1/things", methods=["POST", "PATCH", "DELETE"])
    def change(found: Annotated[Viewer, Depends(editor)]) -> str:
        return f"changed by {found.name}"

    @app.post("/forgotten")
    def change_without_asking_who() -> str:
        return "changed"

    @app.post("/own/columns")
    def own(found: Annotated[Viewer, Depends(viewer)]) -> str:
        return f"kept for {found.login}"

    @app.api_route("/webhooks/pipedrive", methods=["GET", "POST"])
    def take() -> str:
        return "taken"

    app.add_middleware(
        Access,
        settings=load_settings(environment),
        database=database,
        clock=clock,
        is_open=lambda path: path.startswith("/webhooks/"),
        is_own=lambda path: path.startswith("/own/"),
    )
    app.add_middleware(SecurityHeaders)
    return app


def _render(request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> Response:
    page = _TEMPLATES.get_template(template).render(csrf=csrf_token(request.scope), **context)
    return HTMLResponse(page, status)
