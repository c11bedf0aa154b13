"""Reading lists page by page, and single records by their ids.

Three ways of paging (opaque cursor, offset, whole) behind one `fetch_page`: it takes a JSON-able position and returns
the page and the position after it, so that a reader can stop anywhere and go on later. What is done with the records,
and when the next page is asked for, is the caller's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sync.pipedrive.client import Answer, Client
from sync.pipedrive.entities import LOOKUP_BATCH, Entity, Listing, Lookup, Paging, Poll
from sync.pipedrive.errors import Gone, MalformedAnswer, NotFound
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.records import says_deleted

Position = Mapping[str, Any]


class Order(Enum):
    """In which order a list is read: by which attribute, in which direction."""

    BY_ID = ("id", "asc")
    BY_ID_NEWEST = ("id", "desc")
    BY_UPDATE = ("update_time", "asc")
    BY_UPDATE_NEWEST = ("update_time", "desc")


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one answer, and where the next page starts (None after the last)."""

    records: Sequence[Any]  # records, unless Pipedrive sends something else
    following: Position | None
    began_at: datetime  # our clock when the request was sent
    server_time: datetime | None  # Pipedrive's clock, from the Date header


def fetch_page(
    client: Client,
    listing: Listing,
    position: Position | None = None,
    *,
    order: Order = Order.BY_ID,
    since: str | None = None,
    purpose: Purpose,
) -> Page:
    """Read one page of a list, from its beginning or from the `following` of an earlier page read in the same order.

    `since` is canonical RFC 3339 text in whole seconds (Pipedrive API: `updated_since` takes nothing else).
    Raises the errors of `Client.get`.
    """
    return _PAGERS[listing.paging](_Reader(client, listing, order, since, purpose), position or {})


def fetch_by_id(client: Client, listing: Listing, ids: Collection[int], *, purpose: Purpose) -> Iterator[Page]:
    """Ask for records by their ids; those that are deleted or not visible just don't come, or say so themselves."""
    wanted = sorted(ids)
    if listing.lookup is Lookup.BATCH:
        for start in range(0, len(wanted), LOOKUP_BATCH):
            some = ",".join(map(str, wanted[start : start + LOOKUP_BATCH]))
            params = {**listing.params, "ids": some, "limit": str(LOOKUP_BATCH)}
            yield _page(_get(client, listing.path, params, listing.lookup_cost, purpose))
    elif listing.lookup is Lookup.SINGLE:
        for one in wanted:
            try:
                answer = _get(client, f"{listing.path}/{one}", {}, listing.lookup_cost, purpose)
            except (NotFound, Gone):
                continue
            yield Page([answer.data], None, answer.began_at, answer.server_time)


def fetch_one(client: Client, entity: Entity, record_id: int, *, purpose: Purpose) -> Answer | None:
    """One record as it is now; None if Pipedrive has it no more. Raises the other errors of `Client.get`."""
    cost = 1 if entity.api_version == 2 else 2  # Pipedrive API: tokens of one record
    try:
        answer = _get(client, f"{entity.listings[0].path}/{record_id}", {}, cost, purpose)
    except (NotFound, Gone):
        return None
    return None if says_deleted(entity, answer.data) else answer


@dataclass(frozen=True, slots=True)
class _Reader:
    client: Client
    listing: Listing
    order: Order
    since: str | None
    purpose: Purpose

    def get(self, params: Mapping[str, str | int]) -> Answer:
        listing = self.listing
        return _get(self.client, listing.path, {**listing.params, **params}, listing.cost, self.purpose)


def _get(client: Client, path: str, params: Mapping[str, str | int], cost: int, purpose: Purpose) -> Answer:
    return client.get(path, params, cost=cost, purpose=purpose.label, priority=purpose.priority)


def _page(answer: Answer, following: Position | None = None) -> Page:
    if answer.data is None:  # Pipedrive API v1: an empty list is null
        return Page([], None, answer.began_at, answer.server_time)
    if not isinstance(answer.data, list):
        raise MalformedAnswer(f"Pipedrive answered with {type(answer.data).__name__} where a list belongs.")
    return Page(answer.data, following, answer.began_at, answer.server_time)


def _whole(reader: _Reader, _position: Position) -> Page:
    return _page(reader.get({}))


def _by_cursor(reader: _Reader, position: Position) -> Page:
    params: dict[str, str | int] = {"limit": reader.listing.page_size}
    if reader.listing.poll is Poll.SINCE:
        params["sort_by"], params["sort_direction"] = reader.order.value
    if reader.since:
        params["updated_since"] = reader.since
    if position:
        params["cursor"] = position["cursor"]
    answer = reader.get(params)
    # Pipedrive API: on the last page additional_data can be missing, or next_cursor missing or null.
    cursor = answer.additional_data.get("next_cursor")
    return _page(answer, {"cursor": cursor} if cursor else None)


def _by_offset(reader: _Reader, position: Position) -> Page:
    """API v1. A record that leaves the list moves all later ones one place forward, past a reader who counts places.

    So each page begins with the record the last one ended with; where something else stands there, the reader steps
    back until it stands before what it has not seen. A few records come twice then, none is skipped.
    """
    limit = reader.listing.page_size
    attribute, direction = reader.order.value
    params: dict[str, str | int] = {"limit": limit, "sort": f"{attribute} {direction.upper()}"}
    if reader.since:
        params["updated_since"] = reader.since
    start: int = position.get("start", 0)
    while True:
        answer = reader.get({**params, "start": start})
        page = _page(answer)
        if start == 0 or _overlaps(page.records, position["last"], reader.order):
            break
        start = max(0, start - limit)
    pagination = answer.additional_data.get("pagination") or {}
    if not page.records or not pagination.get("more_items_in_collection"):
        return page
    following = {"start": start + max(1, len(page.records) - 1), "last": _place(page.records[-1], attribute)}
    return Page(page.records, following, page.began_at, page.server_time)


def _overlaps(records: Sequence[Any], last: Mapping[str, Any], order: Order) -> bool:
    """Whether a page begins at or before the record that the reader saw last."""
    if not records:
        return False
    attribute, direction = order.value
    first = _place(records[0], attribute)
    if first["id"] is not None and first["id"] == last["id"]:
        return True
    here, there = first["value"], last["value"]
    if here is None or type(here) is not type(there):
        return False
    return bool(here < there if direction == "asc" else here > there)


def _place(record: Any, attribute: str) -> dict[str, Any]:
    """Where a record stands in the order of a list; nowhere, if it is none."""
    known = record if isinstance(record, dict) else {}
    return {"id": known.get("id"), "value": known.get(attribute)}


_PAGERS = {Paging.CURSOR: _by_cursor, Paging.OFFSET: _by_offset, Paging.WHOLE: _whole}
