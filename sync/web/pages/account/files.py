"""Files of accounts, handed on from Pipedrive as they come: nothing of them is kept here.

A browser is told to save them and never to open them, whatever they claim to be.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from sync.errors import SyncError
from sync.pipedrive.entities import DEALS, FILES
from sync.pipedrive.errors import BudgetSpent, Forbidden, Gone, NotFound, PipedriveError
from sync.pipedrive.records import INTEGER_RANGE
from sync.service.errors import NotActive
from sync.store.errands import account_exists
from sync.store.mirror import load_record
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_LONGEST = 150  # letters of a name
_NO_NAME = re.compile(r"[\\/:*?\"<>|]+")  # what some system takes for a part of a path, or does not take at all


def safe_name(name: str | None, otherwise: str) -> str:
    """A name under which a file can be saved anywhere: no path, nothing invisible, nothing hidden."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name or ""))[-1]
    printable = "".join(letter for letter in last if unicodedata.category(letter)[0] not in "CZ" or letter == " ")
    cleaned = _NO_NAME.sub("_", printable).strip(" .")
    if len(cleaned) > _LONGEST:
        stem, dot, ending = cleaned.rpartition(".")
        has_ending = dot and len(ending) <= 10
        cleaned = f"{stem[: _LONGEST - 11]}.{ending}" if has_ending else cleaned[:_LONGEST]
    return cleaned or otherwise


def disposition(name: str) -> str:
    """The header that makes a browser save a file under a name (RFC 6266)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()+=,@#&!~-]", "_", plain).strip()
    plain = f"file{plain}" if not plain or plain.startswith(".") else plain
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def download(visit: Visit) -> Response:
    """The content of a file."""
    record = _file(visit)
    try:
        if visit.site.download is None:
            raise NotActive("Nothing is fetched from Pipedrive here.")
        content = visit.site.download(record["id"])
    except SyncError as error:
        return _refusal(visit, error)
    headers = {
        "Content-Disposition": disposition(safe_name(record["name"] or record["file_name"], f"file-{record['id']}")),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
        **({"Content-Length": str(content.size)} if content.size is not None else {}),
    }
    return StreamingResponse(content.chunks(), 200, headers, "application/octet-stream")


def _file(visit: Visit) -> Mapping[str, Any]:
    """What is held of the file: one of an account, or of a deal of one."""
    file_id = visit.number("file_id")
    with visit.site.database.reading() as connection:
        record = load_record(connection, visit.company_id, FILES, file_id) if file_id in INTEGER_RANGE else None
        if record is not None and record["deleted_at"] is None:
            deal_id = record["deal_id"]
            deal = None if deal_id is None else load_record(connection, visit.company_id, DEALS, deal_id)
            holders = {record["org_id"], deal["org_id"] if deal and deal["deleted_at"] is None else None} - {None}
            if any(account_exists(connection, visit.company_id, one) for one in holders):
                return record
    raise HTTPException(404, visit.say("There is no such file, or Pipedrive has it no more."))


def _refusal(visit: Visit, error: SyncError) -> Response:
    """A page that says why there is no file now, and what helps."""
    say = visit.say
    if isinstance(error, NotFound | Gone):
        return _page(visit, 404, say("Pipedrive does not have this file any more."), say("It was deleted there."))
    if isinstance(error, Forbidden):
        words = say("Pipedrive does not hand this file out.")
        return _page(visit, 403, words, say("The user that the service works as may not see it."))
    if isinstance(error, NotActive):
        words = say("The service does not work at present, so the file can't be fetched.")
        return _page(visit, 503, words, say("It may be starting, or another instance is at work: try again soon."))
    if isinstance(error, BudgetSpent):
        words = say("The tokens of this day are spent, so the file can't be fetched.")
        return _page(visit, 503, words, say("Try again tomorrow, or download it at Pipedrive."))
    if isinstance(error, PipedriveError):
        return _page(visit, 502, say("Pipedrive did not hand the file out."), say("Try again in a moment."))
    raise error


def _page(visit: Visit, status: int, words: str, remedy: str) -> Response:
    return visit.show("error.html", status, title=visit.say("No file"), words=words, remedy=remedy)


PAGES: Sequence[Page] = (Page("/files/{file_id:int}", download),)
