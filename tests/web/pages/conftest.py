"""The pages served over HTTP, with a small company from the simulated Pipedrive in the database."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.sandbox import Company
from sync.store.database import Database
from sync.web.app import create_app
from sync.web.pages.site import Site
from sync.web.webhooks.intake import Intake
from tests.web.stage import Show
from tests.writeback.conftest import Desk, clock, desk, open_here, sandbox

__all__ = ["clock", "desk", "open_here", "sandbox"]


@dataclass
class PageSite:
    """What is served, who serves it, and the hands that use it like a browser without JavaScript."""

    url: str
    desk: Desk
    clock: ManualClock
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False  # no proxy of this machine
        self.session.headers["Accept-Language"] = "en-GB"

    @property
    def company(self) -> Company:
        """What Pipedrive holds."""
        return self.desk.sandbox.company

    @property
    def mirror(self) -> Mirror:
        return self.desk.mirror

    @property
    def database(self) -> Database:
        return self.desk.mirror.database

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **options)

    def post(
        self, path: str, form: Mapping[str, Any] | Sequence[tuple[str, Any]] = (), **options: Any
    ) -> requests.Response:
        """Send a form as a page of ours would; redirects are followed unless told otherwise."""
        pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        token = self.csrf()
        return self.session.post(
            self.url + path, data=[("csrf", token), *pairs], headers=headers, timeout=30, **options
        )

    def csrf(self) -> str:
        """The token that forms carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/jump").text)
        assert found, "no form on the page"
        return found[1]


@pytest.fixture
def site(show: Show, desk: Desk, clock: ManualClock) -> Iterator[PageSite]:
    """The pages of a company whose accounts are built, as anybody on this machine sees them."""
    with ExitStack() as stack:
        database = desk.mirror.database
        intake = stack.enter_context(closing(Intake(database, clock)))
        site = Site(desk.mirror.settings, database, clock)
        app = create_app(desk.mirror.settings, database, clock, intake, site=site)
        served = PageSite(stack.enter_context(show(app)), desk, clock)
        stack.enter_context(served.session)
        yield served
