"""How it begins: the demo as anybody runs it, and the first start on a company of one's own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from sync.clock import SystemClock
from sync.sandbox import Company
from sync.sandbox.access import Access
from tests.acceptance.conftest import ROOT
from tests.acceptance.served import served
from tests.browser.conftest import Meet, founded
from tests.service.waiting import until


class Demo:
    """`demo`, and what it has printed so far."""

    def __init__(self, folder: Path) -> None:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sync", "demo", "--organizations", "60"],
            cwd=folder,
            env={**clean, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.told = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told += line

    def said(self, pattern: str) -> str:
        """Wait until it has printed something, and give the first group of it."""
        until(lambda: re.search(pattern, self.told) or self.process.poll() is not None, lambda: self.told, patience=90)
        found = re.search(pattern, self.told)
        assert found, self.told
        return found[1]

    def end(self) -> int:
        """Press Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)

    def close(self) -> None:
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()
    running.close()


def test_what_is_edited_in_the_demo_is_in_the_simulated_pipedrive(meet: Meet, demo: Demo) -> None:
    pipedrive = demo.said(r"(http://127\.0\.0\.1:\d+)\n")
    url = demo.said(r"The accounts page:\s+(http://\S+)/accounts")
    visitor = meet(url)
    page = visitor.page
    visitor.go("/accounts")
    name = page.locator("#table tbody th a").first.inner_text()

    page.keyboard.press("Control+k")
    page.keyboard.type(name)
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text(name)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)
    page.get_by_role("link", name="Edit: Name").click()
    page.locator("form.here [name=value]").fill("Edited in the demo")
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("Edited in the demo")
    expect(page.locator("[data-field=name] .waiting")).to_be_hidden()  # so both sides agree
    one = page.url.rpartition("/")[2]
    token = Access(Company(SystemClock())).token_for(1)
    answer = requests.get(f"{pipedrive}/api/v2/organizations/{one}", headers={"x-api-token": token}, timeout=20)
    assert answer.json()["data"]["name"] == "Edited in the demo"
    assert demo.end() == 0, demo.told
    assert "Traceback" not in demo.told


def test_a_first_start_shows_how_far_it_is_and_then_the_accounts_by_itself(meet: Meet) -> None:
    with founded(30) as (sandbox, program, _):
        sandbox.faults.latency = 1.0
        with served(program) as service:
            visitor = meet(service.address)
            page = visitor.page
            visitor.go("/accounts")
            expect(page.locator("h1")).to_have_text("The first copy from Pipedrive is under way")
            expect(page.get_by_role("progressbar")).to_be_visible()
            expect(page.locator("#starting tbody tr").first).to_be_visible()

            sandbox.faults.latency = 0.0
            expect(page.locator("#table tbody tr").first).to_be_visible(timeout=60_000)
