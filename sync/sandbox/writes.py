"""The writing operations on records: create, update, delete, and the merge of organizations."""

from collections.abc import Mapping
from typing import Any

import orjson

from sync.sandbox.call import Call
from sync.sandbox.checks import check_body
from sync.sandbox.company import Company
from sync.sandbox.messages import ApiError, Response, bad_request, json_response
from sync.sandbox.records import Record, decode
from sync.sandbox.render import render_one

# What may be said of a deal only in a certain status (endpoint description of PATCH /deals/{id}).
_NEEDED_STATUS: Mapping[str, tuple[str, ...]] = {
    "won_time": ("won",),
    "lost_time": ("lost",),
    "lost_reason": ("lost",),
    "close_time": ("won", "lost"),
}


def create(call: Call) -> Response:
    """POST: add a record."""
    values = check_body(call.entity, call.json(), call.company, creating=True)
    if call.entity.name == "deals":
        values = _deal_values(call.company, {"status": "open"}, values)
    if call.entity.name == "notes" and not any(values.get(k) for k in ("org_id", "deal_id", "person_id", "lead_id")):
        raise bad_request("one of org_id, deal_id, person_id, lead_id is required")
    record = call.company.create(call.entity.name, values, user_id=call.caller.user_id, source="api")
    return _whole(call, record["id"])


def update(call: Call) -> Response:
    """PATCH or PUT: change a record; the answer is the whole record after the change."""
    before = decode(call.live_row())
    values = check_body(call.entity, call.json(), call.company, creating=False)
    if call.entity.name == "deals":
        values = _deal_values(call.company, before, values)
    call.company.update(call.entity.name, before["id"], values, user_id=call.caller.user_id, source="api")
    return _whole(call, before["id"])


def delete_v2(call: Call) -> Response:
    """DELETE in API v2: answers with the id."""
    return _deleted(call, {"id": call.record_id})


def delete_note(call: Call) -> Response:
    """DELETE of a note: answers with `true`."""
    return _deleted(call, True)


def merge_organizations(call: Call) -> Response:
    """PUT /v1/organizations/{id}/merge: answers with the surviving id."""
    body = call.json()
    other = body.get("merge_with_id") if isinstance(body, dict) else None
    if not isinstance(other, int) or isinstance(other, bool):
        raise bad_request("merge_with_id must be an integer")
    row = call.table.rows.get(other)
    if call.live_row().id == other or row is None or row.deleted or not call.sees(row):
        raise ApiError(404, "Organization to merge with not found")
    survivor = call.company.merge_organizations(call.record_id, other, user_id=call.caller.user_id, source="api")
    return json_response(200, {"success": True, "data": {"id": survivor}})


def download(call: Call) -> Response:
    """The content of a file."""
    file = decode(call.live_row())
    content = call.company.file_contents.get(file["id"], f"content of {file['name']}".encode())
    return Response(200, {"content-type": "application/octet-stream"}, content)


def _whole(call: Call, record_id: int) -> Response:
    data = render_one(call, call.table.rows[record_id])
    return json_response(200, b'{"success":true,"data":%b}' % data)


def _deleted(call: Call, data: Any) -> Response:
    row = call.live_row()
    call.company.delete(call.entity.name, row.id, user_id=call.caller.user_id, source="api")
    return json_response(200, b'{"success":true,"data":%b}' % orjson.dumps(data))


def _deal_values(company: Company, before: Record, values: Record) -> Record:
    """The values with pipeline and stage in step. Raises a 400 where status or stage do not allow a value."""
    status = values.get("status") or before["status"]
    for key, statuses in _NEEDED_STATUS.items():
        if values.get(key) is not None and status not in statuses:
            raise bad_request(f"{key} can only be set if status is {' or '.join(statuses)}")
    stage_id, pipeline_id = values.get("stage_id"), values.get("pipeline_id")
    if stage_id is not None:
        own_pipeline = company.get("stages", stage_id)["pipeline_id"]
        if pipeline_id not in (None, own_pipeline):
            raise bad_request("stage_id does not belong to pipeline_id")
        return values | {"pipeline_id": own_pipeline}
    if pipeline_id is not None and pipeline_id != before.get("pipeline_id"):
        stages = [stage for stage in company.all("stages") if stage["pipeline_id"] == pipeline_id]
        if not stages:
            raise bad_request("pipeline_id has no stages")
        return values | {"stage_id": min(stages, key=lambda stage: stage["order_nr"])["id"]}
    return values
