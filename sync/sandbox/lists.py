"""The reading operations: lists with filters and pagination (v2 cursors, v1 offsets), and single records."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from sync.sandbox.call import Call
from sync.sandbox.checks import parse_parameter
from sync.sandbox.messages import Response, bad_request, json_response, not_found
from sync.sandbox.records import Entity, decode
from sync.sandbox.render import View, render, render_one
from sync.sandbox.tables import ID_BITS, LINKS, SORT_VALUES, Row, Selection

DEFAULT_LIMIT = 100
MAX_IDS = 100
MAX_CUSTOM_FIELDS = 15

RowTest = Callable[[Row], bool]

_ROW_FILTERS: Mapping[str, Callable[[Row], Any]] = {
    "owner_id": lambda row: row.owner,
    "user_id": lambda row: row.owner,
    "done": lambda row: row.state == "done",
    **LINKS,
}
_PAYLOAD_FILTERS: Mapping[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "start_date": lambda record, value: record["add_time"][:10] >= value,
    "end_date": lambda record, value: record["add_time"][:10] <= value,
}


def list_v2(call: Call) -> Response:
    """A page of an API v2 list."""
    return _list_v2(call, archived=False)


def list_archived(call: Call) -> Response:
    """A page of `GET /api/v2/deals/archived`."""
    return _list_v2(call, archived=True)


def _list_v2(call: Call, *, archived: bool) -> Response:
    given = _parameters(call, _v2_parameters(call.entity))
    limit = _limit(given, call.entity.max_limit)
    ids = given.get("ids")
    if ids is not None and len(ids) > MAX_IDS:
        raise bad_request(f"ids must contain at most {MAX_IDS} ids")
    sort = _choice(given, "sort_by", call.entity.sorts)
    direction = _choice(given, "sort_direction", ("asc", "desc"))
    if "deal_id" in given and call.entity.name == "persons":
        ids = _persons_of_deal(call, given.pop("deal_id"))
    selection = Selection(
        sort=sort,
        descending=direction == "desc",
        archived=archived,
        where=_where(call, given),
        ids=ids,
        link=next(((name, given[name]) for name in LINKS if name in given), None),
        since=given.get("updated_since"),
        until=given.get("updated_until"),
        start_key=_read_cursor(given["cursor"], sort, direction) if "cursor" in given else None,
        limit=limit,
    )
    view = parse_view(call.entity, given)
    rows, following = call.table.select(_with_null_times(call, selection))
    cursor = None if following is None else _write_cursor(following, sort, direction)
    return page_response(call, render(call, rows, view), cursor)


def page_response(call: Call, data: bytes, cursor: str | None) -> Response:
    """The envelope of an API v2 list. The last page says so in three ways, which Pipedrive mixes."""
    shapes = {
        "null": b',"additional_data":{"next_cursor":null}',
        "no_cursor": b',"additional_data":{}',
        "no_additional_data": b"",
    }
    if cursor is not None:
        tail = b',"additional_data":' + orjson.dumps({"next_cursor": cursor})
    elif call.company.switches.last_page == "vary":
        tail = tuple(shapes.values())[len(data) % len(shapes)]
    else:
        tail = shapes[call.company.switches.last_page]
    return json_response(200, b'{"success":true,"data":' + data + tail + b"}")


def list_v1(call: Call) -> Response:
    """A page of an API v1 list (notes, files) by `start` and `limit`."""
    own = {"start": "integer", "limit": "integer", "sort": "string", **call.entity.filters}
    given = _parameters(call, own | ({"updated_since": "offset_moment"} if call.entity.incremental else {}))
    return _list_v1(call, given)


def list_organization_files(call: Call) -> Response:
    """A page of the files of one organization."""
    given = _parameters(call, {"start": "integer", "limit": "integer", "sort": "string"})
    return _list_v1(call, given | {"org_id": call.record_id})


def _list_v1(call: Call, given: Mapping[str, Any]) -> Response:
    limit, start = _limit(given, call.entity.max_limit), given.get("start", 0)
    if start < 0:
        raise bad_request("start must not be negative")
    sort, descending = _v1_sort(given.get("sort", "id ASC"), call.entity)
    selection = Selection(
        sort=sort,
        descending=descending,
        where=_where(call, given),
        link=next(((name, given[name]) for name in LINKS if name in given), None),
        since=given.get("updated_since"),
        skip=start,
        limit=limit,
    )
    rows, following = call.table.select(selection)
    pagination = {"start": start, "limit": limit, "more_items_in_collection": following is not None}
    if following is not None:
        pagination["next_start"] = start + limit
    return json_response(
        200,
        b'{"success":true,"data":%b,"additional_data":%b}'
        % (_v1_data(call, rows), orjson.dumps({"pagination": pagination})),
    )


def list_all(call: Call) -> Response:
    """A whole API v1 collection without pagination (users, currencies, activity types)."""
    given = _parameters(call, {"term": "string"} if call.entity.name == "currencies" else {})
    rows = list(call.table.rows.values())
    if "term" in given:
        rows = [row for row in rows if given["term"].lower() in row.payload.decode().lower()]
    return json_response(200, b'{"success":true,"data":%b}' % _v1_data(call, rows))


def read_one(call: Call) -> Response:
    """One record by its id."""
    view = parse_view(call.entity, _parameters(call, _view_parameters(call.entity)))
    row = call.row()
    answers_deleted = call.entity.name == "deals" or call.company.switches.deleted_records_answer_200
    if row.deleted and not answers_deleted:
        raise not_found(call.entity.name.capitalize())
    return json_response(200, b'{"success":true,"data":%b}' % render_one(call, row, view))


def parse_view(entity: Entity, given: Mapping[str, Any]) -> View:
    """What the parameters of a list or a single record ask to see. Raises a 400 for unknown names."""
    include = tuple(given["include_fields"].split(",")) if given.get("include_fields") else ()
    for name in include:
        if name not in entity.include_fields:
            raise bad_request(f"include_fields must not contain {name}")
    codes = frozenset(given["custom_fields"].split(",")) if given.get("custom_fields") else None
    if codes is not None and len(codes) > MAX_CUSTOM_FIELDS:
        raise bad_request(f"custom_fields must contain at most {MAX_CUSTOM_FIELDS} keys")
    return View(codes, include, given.get("include_option_labels", False), given.get("include_labels", False))


def _parameters(call: Call, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The query, parsed. Raises a 400 for a parameter the operation does not know."""
    given = {}
    for name, text in call.request.query.items():
        if name not in kinds:
            raise bad_request(f"query parameter {name} is not allowed")
        given[name] = parse_parameter(kinds[name], name, text)
    return given


def _view_parameters(entity: Entity) -> dict[str, str]:
    kinds = {"include_fields": "string"} if entity.include_fields else {}
    if entity.custom_fields:
        kinds |= {"custom_fields": "string", "include_option_labels": "boolean", "include_labels": "boolean"}
    return kinds


def _v2_parameters(entity: Entity) -> dict[str, str]:
    kinds = {"limit": "integer", "cursor": "string", "sort_by": "string", "sort_direction": "string"}
    if entity.incremental:
        kinds |= {"ids": "ids", "updated_since": "moment", "updated_until": "moment"}
    return kinds | _view_parameters(entity) | dict(entity.filters)


def _limit(given: Mapping[str, Any], maximum: int) -> int:
    limit: int = given.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= maximum:
        raise bad_request(f"limit must be between 1 and {maximum}")
    return limit


def _choice(given: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    chosen: str = given.get(name, choices[0])
    if chosen not in choices:
        raise bad_request(f"{name} must be one of {', '.join(choices)}")
    return chosen


def _v1_sort(text: str, entity: Entity) -> tuple[str, bool]:
    """API v1 writes `update_time ASC, id DESC`; the first field decides, ties go by id."""
    name, _, direction = text.split(",")[0].strip().partition(" ")
    if name not in entity.sorts or direction.upper() not in ("", "ASC", "DESC"):
        raise bad_request(f"sort must name one of {', '.join(entity.sorts)}")
    return name, direction.upper() == "DESC"


def _with_null_times(call: Call, selection: Selection) -> Selection:
    """Where records without `update_time` match time filters, the filters see them as changed when added."""
    if not call.company.switches.null_update_time_matches_time_filters:
        return selection
    since, until, where = selection.since, selection.until, selection.where

    def matches(row: Row) -> bool:
        changed = row.updated or row.added
        return where(row) and (since is None or changed >= since) and (until is None or changed < until)

    return Selection(
        selection.sort,
        selection.descending,
        selection.archived,
        matches,
        selection.ids,
        selection.link,
        start_key=selection.start_key,
        limit=selection.limit,
    )


def _where(call: Call, given: Mapping[str, Any]) -> RowTest:
    tests: list[RowTest] = [_status_test(given.get("status"))]
    if call.visible is not None:
        tests.append(call.sees)
    for name in call.entity.filters:
        if name in given and name != "status":
            tests.append(_filter_test(name, given[name]))
    if len(tests) == 1:
        return tests[0]
    return lambda row: all(test(row) for test in tests)


def _status_test(statuses: frozenset[str] | None) -> RowTest:
    if statuses is None:
        return lambda row: not row.deleted
    return lambda row: "deleted" in statuses if row.deleted else row.state in statuses


def _filter_test(name: str, value: Any) -> RowTest:
    if name in _ROW_FILTERS:
        attribute = _ROW_FILTERS[name]
        return lambda row: attribute(row) == value
    if name in _PAYLOAD_FILTERS:
        test = _PAYLOAD_FILTERS[name]
        return lambda row: test(decode(row), value)
    return lambda row: decode(row)[name] == value


def _persons_of_deal(call: Call, deal_id: int) -> tuple[int, ...]:
    deal = call.company.tables["deals"].rows.get(deal_id)
    return () if deal is None or not deal.person else (deal.person,)


def _v1_data(call: Call, rows: Sequence[Row]) -> bytes:
    if not rows and call.company.switches.empty_v1_list_is_null:
        return b"null"
    return render(call, rows)


def _write_cursor(row: Row, sort: str, direction: str) -> str:
    """Pipedrive's cursors are base64 of the sort value and the id of the next record; callers must not look inside."""
    cursor = {"field": sort, "fieldValue": SORT_VALUES[sort](row), "sortDirection": direction, "id": row.id}
    return base64.urlsafe_b64encode(orjson.dumps(cursor)).decode().rstrip("=")


def _read_cursor(text: str, sort: str, direction: str) -> int:
    try:
        cursor = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        key = (int(cursor["fieldValue"]) << ID_BITS) | int(cursor["id"])
        fits = (cursor["field"], cursor["sortDirection"]) == (sort, direction)
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise bad_request("cursor is invalid") from None
    if not fits:
        raise bad_request("cursor belongs to another sorting")
    return key
