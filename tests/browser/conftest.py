"""The pages in a real browser: Chromium, driven by Playwright, on a service that is a process of its own.

A worker starts one service with one simulated Pipedrive for all of its tests; each works on accounts of its own.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect, sync_playwright

from sync.cli.webhooks import opened_beside
from sync.mirror.subscriptions import install, receiver_url
from sync.sandbox import Company, Proportions, Sandbox
from sync.settings import load_settings
from sync.store.database import Database
from tests.acceptance.conftest import ROOT, Program, the_same
from tests.acceptance.served import Served, free_port, served
from tests.service.waiting import until
from tests.truth import expected_accounts

PATIENCE = 20_000  # milliseconds for what takes one second
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ZONE = "Europe/Berlin"
HOSTILE = 40  # the number of an account where everything is meant to do harm
DISPUTED = "Zentrale"  # the field whose conflicts wait for somebody to decide
# By the number of the account that has it, a file.
FILES = {
    34: ("Angebot Größe 3.pdf", bytes(range(256)) * 400),
    HOSTILE: ("../../.ssh/x.html", b"<script>alert('file')</script>"),
}
MISSING = "Chromium is missing: `apt-get install chromium` (Debian, Ubuntu), or name another one with CHROMIUM=/path."

expect.set_options(timeout=PATIENCE)


def chromium() -> str:
    """Where the browser is. Without one, these tests are skipped, but not in CI."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return found


@pytest.fixture(autouse=True)
def _hash_quickly() -> None:
    """As always here: what one process hashes is looked at by another."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a worker."""
    path = chromium()
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom containers run tests.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=path, args=[*options, "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@dataclass
class House:
    """A running service, the simulated Pipedrive it works for, and its database."""

    service: Served
    sandbox: Sandbox
    program: Program
    accounts: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.service.address

    @property
    def company(self) -> Company:
        """What Pipedrive holds."""
        return self.sandbox.company

    @cached_property
    def database(self) -> Database:
        return Database(self.program.environment["DATABASE_URL"])

    def account(self, number: int) -> int:
        """The account of one test: whoever takes the number takes it alone."""
        return self.accounts[number]

    def code(self, name: str) -> str:
        """The code of a custom field of organizations."""
        fields = self.company.fields.custom("organizations")
        return next(code for code, one in fields.items() if one["field_name"] == name)

    def there(self, organization_id: int) -> dict[str, Any]:
        """An organization as Pipedrive has it."""
        return self.company.get("organizations", organization_id)

    def name(self, organization_id: int) -> str:
        return str(self.there(organization_id)["name"])

    def here(self, organization_id: int) -> dict[str, Any]:
        """An account as the JSON API has it."""
        answer = requests.get(f"{self.url}/api/v1/accounts/{organization_id}", timeout=20)
        found: dict[str, Any] = answer.json()
        return found

    def call(self, number: int, name: str) -> int:
        """The account of one test, under a name of its own and with nothing planned."""
        one = self.account(number)
        deals = {deal["id"] for deal in self.company.all("deals") if deal["org_id"] == one}
        for activity in self.company.all("activities"):
            if not activity["done"] and (activity["org_id"] == one or activity["deal_id"] in deals):
                self.company.delete("activities", activity["id"])
        self.company.update("organizations", one, {"name": name})
        until(lambda: self.here(one)["name"] == name and self.here(one)["next_activity"] is None, name)
        return one

    def plan(self, organization_id: int, subject: str, day: date, **values: Any) -> int:
        """An activity planned at Pipedrive, once it has arrived."""
        wanted = {"subject": subject, "org_id": organization_id, "due_date": day.isoformat(), "type": "call", **values}
        activity = int(self.company.create("activities", wanted)["id"])
        until(lambda: (self.here(organization_id)["next_activity"] or {}).get("subject") == subject, subject)
        return activity

    def activities(self, organization_id: int, subject: str) -> list[dict[str, Any]]:
        """The activities of an organization with a subject, as Pipedrive has them."""
        found = self.company.all("activities")
        return [one for one in found if one["org_id"] == organization_id and one["subject"] == subject]


def day(offset: int = 0) -> date:
    """Today where the visitors are, or so many days later."""
    return datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=offset)


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """The service, running, with webhooks, on a database after its first copy."""
    with opened_house() as opened:
        yield opened


@contextmanager
def opened_house(organizations: int = 120, **environment: str) -> Iterator[House]:
    """A service of one's own, with settings of one's own, after its first copy, and with webhooks."""
    with founded(organizations, **environment) as (sandbox, program, accounts):
        program.run("backfill")
        with served(program) as service:
            settings = load_settings(program.environment)
            with opened_beside(settings) as mirror:
                install(mirror, receiver_url(settings))
            house = House(service, sandbox, program, accounts)
            yield house
            house.database.close()


@contextmanager
def founded(organizations: int, **environment: str) -> Iterator[tuple[Sandbox, Program, list[int]]]:
    """A simulated Pipedrive, the program with an empty database, and the organizations that will be accounts."""
    proportions = Proportions(deals=2, activities=2, persons=1, notes=1, files=0.5)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="house-", ignore_cleanup_errors=True)))
        (folder / "config").mkdir()
        (folder / "config" / "sync.toml").write_text(f'[write_back.fields]\n{DISPUTED} = "review"\n')
        company = the_same(organizations, proportions)
        accounts = sorted(expected_accounts(company))
        _furnish(company, accounts)
        sandbox = stack.enter_context(Sandbox(company, burst=None))
        port = free_port()
        program = Program(
            {
                **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",
                "PIPEDRIVE_BASE_URL": sandbox.url,
                "PIPEDRIVE_API_TOKEN": sandbox.token,
                "DATABASE_URL": f"sqlite:///{folder / 'house.db'}",
                "SYNC_PORT": str(port),
                "WEBHOOK_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "SYNC_CURRENCY__RATES": "USD=0.92,GBP=1.17,CHF=1.06,JPY=0.0061,SEK=0.088,PLN=0.23",
                **environment,
            },
            folder,
        )
        stack.callback(program.close)
        yield sandbox, program, accounts


def _furnish(company: Company, accounts: list[int]) -> None:
    """Put into the company what no webhook tells of: files, and the attributes that only some plans have."""
    for number, (name, content) in FILES.items():
        if number < len(accounts):
            company.add_file(name, content, org_id=accounts[number])
    if len(accounts) > HOSTILE:
        company.update("organizations", accounts[HOSTILE], {"website": "javascript:alert('website')"})


@dataclass
class Visitor:
    """Somebody with a browser of his own. Whatever goes wrong in a page fails the test at its end."""

    page: Page
    url: str
    forgiven: tuple[str, ...] = ("409", "422")  # what asks back is no error
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("dialog", self._interrupted)  # pages of ours never alert: a stranger's script would
        self.page.on("request", lambda request: self._asked(request.url))

    def go(self, path: str) -> None:
        """Open one of our pages."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        assert answer.status == 200, f"{path} answers {answer.status}"

    def find(self, name: str) -> Locator:
        """Search the list for a name; the one row that there is."""
        self.go(f"/accounts?q={quote(name)}")
        row = self.page.locator("#table tbody tr")
        expect(row).to_have_count(1)
        return row

    def cell(self, row: Locator, title: str) -> Locator:
        """The cell of a row in the column with a title."""
        titles = [one.strip() for one in self.page.locator("#table thead tr > *").all_inner_texts()]
        return row.locator(f":scope > :nth-child({titles.index(title) + 1})")

    def told(self, words: str) -> None:
        """See that the page says what was done."""
        expect(self.page.locator("#said")).to_contain_text(words)

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" and not any(one in text for one in self.forgiven):
            self.problems.append(f"console: {text}")

    def _interrupted(self, dialog: Dialog) -> None:
        self.problems.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def _asked(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.problems.append(f"loaded from elsewhere: {address}")


Meet = Callable[..., Visitor]


@pytest.fixture
def meet(browser: Browser, house: House) -> Iterator[Meet]:
    """Visitors, each with cookies of his own; options as Playwright's contexts have them."""
    met: list[tuple[BrowserContext, Visitor]] = []

    def come(url: str = "", *, knows_zone: bool = True, forgiven: tuple[str, ...] = (), **options: Any) -> Visitor:
        given = {"locale": "en-GB", "timezone_id": ZONE, "viewport": {"width": 1280, "height": 800}}
        context = browser.new_context(**{**given, **options})
        if knows_zone:
            context.add_cookies([{"name": "zone", "value": quote(ZONE, safe=""), "url": url or house.url}])
        visitor = Visitor(context.new_page(), url or house.url, forgiven=("409", "422", *forgiven))
        met.append((context, visitor))
        return visitor

    yield come
    for context, _ in met:
        context.close()
    logged = "".join(line for line in house.service.lines if '"level": "error"' in line or '"level":"error"' in line)
    assert [problem for _, visitor in met for problem in visitor.problems] == [], logged


@pytest.fixture
def visitor(meet: Meet) -> Visitor:
    """Somebody in front of a wide screen, in England, in Berlin's time."""
    return meet()


def serious(page: Page, *, colours: bool = True, all_else: bool = True) -> list[str]:
    """What axe-core finds on a page that keeps people from using it (WCAG 2.2 AA), in words."""
    options: dict[str, Any] = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    if not all_else:
        options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    elif not colours:
        options["rules"] = {"color-contrast": {"enabled": False}}
    # Nobody asks for the thousands of parts of a page that are as they should be.
    found = Axe().run(page, options={**options, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
