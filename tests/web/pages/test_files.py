"""Downloads: a file comes through as it is and is saved under a harmless name; why there is none is said plainly."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror.cycle import run_cycle
from sync.mirror.files import fetch_content
from sync.pipedrive.errors import BudgetSpent
from sync.service.errors import NotActive
from sync.web.app import create_app
from sync.web.pages.account.files import disposition, safe_name
from sync.web.pages.site import Site
from sync.web.webhooks.intake import Intake
from tests.mirror.conftest import NOW
from tests.web.pages.conftest import PageSite
from tests.web.stage import Show
from tests.writeback.conftest import Desk


class Fetching:
    """Fetches from the sandbox, or fails as it is told."""

    def __init__(self, desk: Desk) -> None:
        self.fetch = partial(fetch_content, desk.mirror)
        self.error: SyncError | None = None

    def __call__(self, file_id: int) -> Any:
        if self.error:
            raise self.error
        return self.fetch(file_id)


@pytest.fixture
def fetching(desk: Desk) -> Fetching:
    return Fetching(desk)


@pytest.fixture
def site(show: Show, desk: Desk, clock: ManualClock, fetching: Fetching) -> Iterator[PageSite]:
    """The pages, with a service behind them that fetches files."""
    database = desk.mirror.database
    with closing(Intake(database, clock)) as intake:
        site = Site(desk.mirror.settings, database, clock, download=fetching)
        app = create_app(desk.mirror.settings, database, clock, intake, site=site)
        with show(app) as address:
            served = PageSite(address, desk, clock)
            with served.session:
                yield served


def attach(site: PageSite, name: str = "offer.pdf", content: bytes = b"%PDF", **links: Any) -> int:
    """A file at Pipedrive that the mirror knows of; of the account, unless it is told otherwise."""
    record = site.company.add_file(name, content, **(links or {"org_id": site.desk.id}))
    site.clock.advance(1000)
    run_cycle(site.mirror)
    return int(record["id"])


def test_a_file_comes_as_it_is(site: PageSite) -> None:
    content = bytes(range(256)) * 1000
    answer = site.get(f"/files/{attach(site, 'Übersicht.pdf', content)}")
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, no-store"
    expected = "attachment; filename=\"Ubersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf"
    assert answer.headers["content-disposition"] == expected


def test_the_page_of_the_account_leads_to_it(site: PageSite) -> None:
    file_id = attach(site, "plan.docx", b"x" * 12_345)
    text = site.get(f"/accounts/{site.desk.id}").text
    assert f'href="/files/{file_id}"' in text
    assert "plan.docx" in text
    assert "12\xa0kB" in text


def test_a_file_of_a_deal_of_the_account_comes_too(site: PageSite) -> None:
    deal = site.company.create("deals", {"title": "x", "org_id": site.desk.id, "status": "open"})["id"]
    assert site.get(f"/files/{attach(site, deal_id=deal)}").content == b"%PDF"


def test_a_file_of_nobody_we_have_an_account_with_is_none_of_ours(site: PageSite) -> None:
    stranger = site.company.create("organizations", {"name": "A stranger"})["id"]
    answer = site.get(f"/files/{attach(site, org_id=stranger)}")
    assert answer.status_code == 404
    assert "content-disposition" not in answer.headers


@pytest.mark.parametrize("file_id", ["99999999", "9" * 30, "0"])
def test_there_is_no_file_of_a_number_that_is_not_known(site: PageSite, file_id: str) -> None:
    answer = site.get(f"/files/{file_id}")
    assert answer.status_code == 404
    assert "There is no such file" in answer.text


def test_a_file_that_pipedrive_has_deleted_since_is_gone(site: PageSite) -> None:
    file_id = attach(site)
    site.company.delete("files", file_id)
    answer = site.get(f"/files/{file_id}")
    assert answer.status_code == 404
    assert "Pipedrive does not have this file any more." in answer.text


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotActive("x"), 503, "The service does not work at present"),
        (BudgetSpent("x", NOW), 503, "The tokens of this day are spent"),
    ],
)
def test_why_there_is_none_is_said_plainly(
    site: PageSite, fetching: Fetching, error: SyncError, status: int, words: str
) -> None:
    file_id = attach(site)
    fetching.error = error
    answer = site.get(f"/files/{file_id}")
    assert answer.status_code == status
    assert words in answer.text
    assert "content-disposition" not in answer.headers


HOSTILE = {
    "../../x": "x",
    "..\\..\\evil.exe": "evil.exe",
    "/etc/passwd": "passwd",
    "\u202egpj.exe": "gpj.exe",
    '"; filename="x.html': "_; filename=_x.html",
    "a\r\nSet-Cookie: b=c.txt": "aSet-Cookie_ b=c.txt",
    ".htaccess": "htaccess",
    "...": "file-1",
    "": "file-1",
    "a\x00b.txt": "ab.txt",
    "x" * 500 + ".pdf": "x" * 139 + ".pdf",
    "文件.pdf": "文件.pdf",
    "e\u0301.txt": "é.txt",
}


@pytest.mark.parametrize(("name", "safe"), HOSTILE.items())
def test_names_are_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name, "file-1") == safe
    header = disposition(safe)
    header.encode("latin-1")
    assert header.isprintable()
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2
    assert header.endswith(f"filename*=UTF-8''{quote(safe, safe='')}")


def test_a_hostile_name_leads_nowhere(site: PageSite) -> None:
    answer = site.get(f"/files/{attach(site, '../../x')}")
    assert answer.headers["content-disposition"] == "attachment; filename=\"x\"; filename*=UTF-8''x"
