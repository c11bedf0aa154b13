"""A simulated Pipedrive for millions of records: `python -m scripts.benchmarks.remote --records 1000000`.

It prints its address and token. The sandbox holds every record; this holds one page of templates per list, made by the
sandbox's own generator, and puts ids into them as they are asked for. Whatever is not a big list is answered by a
sandbox behind it. Answers are not compressed, so that the server costs little of what is measured. It knows only what
a backfill asks.
"""

import argparse
import gc
import math
import re
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from sync.clock import ManualClock
from sync.pipedrive.entities import ENTITIES, Entity, Listing, Paging
from sync.sandbox import Proportions, Sandbox, generate, server
from sync.sandbox.messages import Request, Response, json_response

_NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
_TEMPLATES = 500
_LINKS = ("org_id", "deal_id", "person_id")
_LINK = re.compile(rb'"(id|org_id|deal_id|person_id)":(\d+)')
_SPREAD = 7919  # a prime: neighbouring records hang on distant ones

# Of a thousand records. Archived deals are told from the others by their list.
_SHARES = {
    "organizations": 50,
    "deals": 260,
    "deals_archived": 20,
    "persons": 100,
    "activities": 520,
    "notes": 40,
    "files": 10,
}


@dataclass(frozen=True, slots=True)
class BigList:
    """Records of one list with the ids above `offset`, made from templates."""

    listing: Listing
    templates: tuple[bytes, ...]
    rows: int
    offset: int
    linked: Mapping[bytes, int]  # how many records there are to hang on

    def body(self, start: int, limit: int, *, newest_first: bool = False) -> bytes:
        """The answer with the records from the `start`-th on."""
        places = range(start, min(start + limit, self.rows))
        if newest_first:
            places = range(self.rows - 1 - start, max(self.rows - 1 - start - limit, -1), -1)
        data = b",".join([self._record(place) for place in places])
        more = len(places) == limit and start + limit < self.rows
        if self.listing.paging is Paging.CURSOR:
            tail: dict[str, object] = {"next_cursor": f"at-{start + limit}" if more else None}
        else:
            tail = {"pagination": {"start": start, "limit": limit, "more_items_in_collection": more}}
        return b'{"success":true,"data":[%b],"additional_data":%b}' % (data, orjson.dumps(tail))

    def _record(self, place: int) -> bytes:
        number = self.offset + place + 1
        ids = {name: number * _SPREAD % rows + 1 for name, rows in self.linked.items()}
        return self.templates[place % len(self.templates)] % {b"id": number, **ids}


def shared_out(records: int) -> dict[str, int]:
    """How many rows each list of a company of about so many records has."""
    return {name: math.ceil(records * share / 1000) for name, share in _SHARES.items()}


def each(rows: int) -> dict[str, int]:
    """As many rows in every list."""
    return dict.fromkeys(_SHARES, rows)


def big_lists(rows: Mapping[str, int]) -> dict[str, BigList]:
    """The lists with so many rows, by path."""
    linked = {b"org_id": rows["organizations"], b"deal_id": rows["deals"], b"person_id": rows["persons"]}
    with _small_sandbox() as sandbox:
        return {
            listing.path: BigList(
                listing,
                _templates(sandbox, listing),
                rows[listing.name],
                rows["deals"] if listing.name == "deals_archived" else 0,
                linked,
            )
            for _, listing in _listings()
        }


def _listings() -> list[tuple[Entity, Listing]]:
    return [(entity, one) for entity in ENTITIES for one in entity.listings if one.name in _SHARES]


def _small_sandbox() -> Sandbox:
    proportions = Proportions(deals=8, persons=1, activities=2, notes=1, files=1)
    company = generate(1, clock=ManualClock(_NOW), organizations=_TEMPLATES, proportions=proportions)
    return Sandbox(company, burst=None, daily_tokens=None)


def _templates(sandbox: Sandbox, listing: Listing) -> tuple[bytes, ...]:
    """Up to a page of records as the sandbox shows them, with their ids left open."""
    query = {**listing.params, "limit": str(listing.page_size)}
    answer = sandbox.api.handle(Request("GET", listing.path, query, {"x-api-token": sandbox.token})).json()
    return tuple(_template(record) for record in answer["data"])


def _template(record: dict[str, object]) -> bytes:
    text = orjson.dumps(record).replace(b"%", b"%%")
    # Only the record's own attributes: what is nested in it keeps its ids.
    own = {name: record[name] for name in ("id", *_LINKS) if type(record.get(name)) is int}

    def opened(match: re.Match[bytes]) -> bytes:
        name, value = match.group(1), int(match.group(2))
        if own.get(name.decode()) != value:
            return match.group(0)
        own.pop(name.decode())
        return b'"%b":%%(%b)d' % (name, name)

    return _LINK.sub(opened, text)


def answering(lists: Mapping[str, BigList], sandbox: Sandbox) -> None:
    """Make a sandbox answer requests for the big lists from their templates."""
    behind = sandbox.api.handle

    def handle(request: Request) -> Response:
        big = lists.get(request.path)
        if big is None:
            return behind(request)
        query = request.query
        start = int(query.get("cursor", "at-0").removeprefix("at-") if "cursor" in query else query.get("start", 0))
        newest_first = query.get("sort_direction") == "desc" or query.get("sort", "").endswith("DESC")
        return json_response(200, big.body(start, int(query["limit"]), newest_first=newest_first))

    sandbox.api.handle = handle  # type: ignore[method-assign]


def main(arguments: list[str] | None = None) -> int:
    """Answer until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarks.remote")
    parser.add_argument("--records", type=int, help="of all lists together")
    parser.add_argument("--each", type=int, help="of every list")
    options = parser.parse_args(arguments)
    rows = each(options.each) if options.each else shared_out(options.records)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    server.GZIP_FROM_BYTES = sys.maxsize
    lists = big_lists(rows)
    with _small_sandbox() as sandbox:
        answering(lists, sandbox)
        gc.freeze()
        print(sandbox.url, sandbox.token, flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
