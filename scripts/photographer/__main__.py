"""Takes pictures of the pages: a service on a made-up company whose names everybody can read, and a browser before it.

python -m scripts.photographer [folder]
"""

import base64
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from playwright.sync_api import Page, sync_playwright

from sync.clock import SystemClock
from sync.sandbox import Company, Proportions, Sandbox, generate

ROOT = Path(__file__).parents[2]
SEED = 3
SIZE = {"width": 1280, "height": 800}
PATIENCE = 120.0  # seconds until the service has copied everything

_STEMS = (
    *("Nordwind", "Hafenkontor", "Kestrel", "Solaris", "Alpenglück", "Blue Heron", "Van Dijk", "Umbra", "Meridian"),
    *("Fjällräv", "Terra Nova", "Stahlwerk Ost", "Polar", "Tabula Rasa", "Zweibrücken Optik", "Ångström", "L’Étoile"),
    *(
        "Grüne Wiese",
        "Café Zürich",
        "Blå Havn",
        "Bäckerei Öhlmann",
        "Lindqvist",
        "Casa Verde",
        "Old Mill",
        "Brightwater",
    ),
)
_KINDS = ("GmbH", "AG", "Ltd", "Oy", "AB", "B.V.", "SARL", "Group", "& Söhne", "Holding", "Inc.", "KG")
_USERS = ("Anna Mensah", "Jonas Weber", "Clara Koch", "Mateusz Nowak", "Zoë Andersson", "Henri Dupont")
_PEOPLE = ("Giulia Rossi", "Paul Keller", "Inês Silva", "Emma Smith", "Liam O’Brien", "Mia Schmidt", "Noah Fischer")
_JOBS = ("Head of Procurement", "CEO", "Operations", "Buyer", None)
_DEALS = ("Annual licence", "Renewal", "Pilot", "Upgrade", "Consulting days", "Onboarding", "Framework agreement")
_TASKS = ("Call back", "Quarterly review", "Send sample", "Site visit", "Kick-off", "Follow up on offer", "Demo")
_NOTES = (
    "<p>Spoke to the <b>buyer</b>: the budget is approved.</p>",
    "<p>They want the contract by the end of the month.</p><ul><li>two sites</li><li>same terms as last year</li></ul>",
)
_FIELDS = {
    "Kundennummer": "Customer number",
    "Umsatzziel": "Sales target",
    "Produkte": "Products",
    "Zweitbetreuer": "Second contact",
    "Muttergesellschaft": "Parent company",
    "Hauptansprechpartner": "Main contact",
    "Zentrale": "Switchboard",
    "Vertragslaufzeit": "Contract term",
    "Öffnungszeiten": "Opening hours",
}
_PRODUCTS = ("Basic", "Plus", "Premium", "On-premises", "Training")
_LABELS = ("Customer", "Supplier", "Partner", "VIP")
_FILES = ("Offer.pdf", "Contract final.docx", "Site plan.png", "Prices.xlsx")

# The 256 colours that are there most; each pixel takes the nearest of them.
_REDUCE = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const sheet = new OffscreenCanvas(image.width, image.height).getContext("2d");
  sheet.drawImage(image, 0, 0);
  const { data } = sheet.getImageData(0, 0, image.width, image.height);
  const colour = (_, at) => (data[4 * at] << 16) | (data[4 * at + 1] << 8) | data[4 * at + 2];
  const colours = Array.from({ length: data.length / 4 }, colour);
  const counts = new Map();
  for (const one of colours) counts.set(one, (counts.get(one) ?? 0) + 1);
  const kept = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([one]) => one);
  const parts = (one) => [one >> 16, (one >> 8) & 255, one & 255];
  const far = (a, b) => parts(a).reduce((sum, part, at) => sum + (part - parts(b)[at]) ** 2, 0);
  const near = new Map();
  const nearest = (one) => kept.reduce((best, other, at) => (far(one, other) < far(one, kept[best]) ? at : best), 0);
  for (const one of counts.keys()) near.set(one, nearest(one));
  let places = "";
  for (const one of colours) places += String.fromCharCode(near.get(one));
  return [image.width, image.height, kept.flatMap(parts), btoa(places)];
}"""


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _service() as (address, company), sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as whom containers run this.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=_chromium(), args=options)
        for theme, names in (("light", ("list", "board", "account")), ("dark", ("board-dark",))):
            context = browser.new_context(
                viewport=SIZE, color_scheme=theme, locale="en-GB", timezone_id="Europe/Berlin"
            )
            zone = {"name": "zone", "value": "Europe%2FBerlin", "url": address}
            context.add_cookies([zone])
            page = context.new_page()
            for name in names:
                _take(page, address + _path(name, company), folder / f"{name}.png")
            context.close()
        browser.close()


def _chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        sys.exit("screenshots: Chromium is missing: `apt-get install chromium` (Debian, Ubuntu), or CHROMIUM=/path.")
    return found


def _take(page: Page, address: str, file: Path) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    taken = page.screenshot(animations="disabled")
    file.write_bytes(_in_few_colours(page, taken))
    print(f"{file} ({file.stat().st_size // 1000} KB)")


def _in_few_colours(page: Page, picture: bytes) -> bytes:
    """A PNG with a palette, a third as large: the browser knows how to read the one that it took."""
    blank = page.context.new_page()
    width, height, palette, places = blank.evaluate(_REDUCE, base64.b64encode(picture).decode())
    blank.close()
    rows = base64.b64decode(places)
    plain = b"".join(b"\0" + rows[start : start + width] for start in range(0, width * height, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", bytes(palette)), (b"IDAT", zlib.compress(plain, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _path(name: str, company: Company) -> str:
    if name == "account":
        return f"/accounts/{_shown_off(company)}"
    return "/accounts?sort=-won_value" if name == "list" else "/board"


def _shown_off(company: Company) -> int:
    """The account with the most to see: of those with notes, files and something planned, the one with most deals."""
    seen: dict[int, int] = {}
    for entity in ("notes", "files", "activities", "persons"):
        for one in {record["org_id"] for record in company.all(entity) if record["org_id"]}:
            seen[one] = seen.get(one, 0) + 100
    for deal in company.all("deals"):
        if deal["org_id"]:
            seen[deal["org_id"]] = seen.get(deal["org_id"], 0) + (5 if deal["status"] == "won" else 1)
    return max(seen, key=lambda one: (seen[one], one))


def _company() -> Company:
    """A company of names that everybody can read."""
    proportions = Proportions(deals=5, activities=6, persons=2, notes=1, files=0.8)
    company = generate(SEED, clock=SystemClock(), organizations=300, proportions=proportions)
    names = [f"{stem} {kind}" for stem in _STEMS for kind in _KINDS]
    random.Random(SEED).shuffle(names)
    _rename(company, "organizations", "name", names)
    _rename(company, "users", "name", _USERS)
    _rename(company, "persons", "name", _PEOPLE)
    _rename(company, "persons", "job_title", _JOBS)
    _rename(company, "deals", "title", _DEALS)
    _rename(company, "activities", "subject", _TASKS)
    _rename(company, "notes", "content", _NOTES)
    _rename(company, "files", "name", _FILES)
    _name_fields(company)
    return company


def _name_fields(company: Company) -> None:
    """Fields of organizations as an English company would have them, without the odd ones."""
    fields = company.fields
    for code, name in [(code, one["field_name"]) for code, one in fields.custom("organizations").items()]:
        if name not in _FIELDS:
            company.delete_field("organizations", code)
            continue
        fields.rename("organizations", code, _FIELDS[name])
        _name_options(company, code, _PRODUCTS)
        if name == "Kundennummer":
            for record in company.all("organizations"):
                values = {**(record["custom_fields"] or {}), code: f"K-{1000 + record['id']}"}
                company.annotate("organizations", record["id"], {"custom_fields": values})
    _name_options(company, "label_ids", _LABELS)


def _name_options(company: Company, code: str, labels: Sequence[str]) -> None:
    options = company.fields.get("organizations", code)["options"] or []
    named = {option["id"]: label for option, label in zip(options, labels, strict=False)}
    if named:
        company.fields.rename_options("organizations", code, named)


def _rename(company: Company, entity: str, attribute: str, words: Sequence[str | None]) -> None:
    for number, record in enumerate(company.all(entity)):
        company.annotate(entity, record["id"], {attribute: words[number % len(words)]})


@contextmanager
def _service() -> Iterator[tuple[str, Company]]:
    """The service at work, once it has copied everything; its address, and the company."""
    company = _company()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, Sandbox(company, burst=None) as sandbox:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PIPEDRIVE_BASE_URL": sandbox.url,
            "PIPEDRIVE_API_TOKEN": sandbox.token,
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'shown.db'}",
            "SYNC_PORT": str(_free_port()),
            "SYNC_LOGS__LEVEL": "warning",
            "SYNC_CURRENCY__RATES": "USD=0.92,GBP=1.17,CHF=1.06,JPY=0.0061,KWD=3.02",
        }
        options: dict[str, Any] = {"cwd": folder, "env": environment}
        subprocess.run([sys.executable, "-m", "sync", "backfill"], check=True, capture_output=True, **options)
        running = subprocess.Popen([sys.executable, "-m", "sync", "run"], **options)
        try:
            address = f"http://127.0.0.1:{environment['SYNC_PORT']}"
            _wait(address, running)
            yield address, company
        finally:
            running.terminate()
            running.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(address: str, running: subprocess.Popen[bytes]) -> None:
    clock = SystemClock()
    over = clock.monotonic() + PATIENCE
    while clock.monotonic() < over and running.poll() is None:
        try:
            if requests.get(f"{address}/readyz", timeout=10).ok:
                return
        except requests.ConnectionError:
            clock.sleep(0.1)
    sys.exit("screenshots: the service does not start")


if __name__ == "__main__":
    main()
