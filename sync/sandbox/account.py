"""The operations on the company's own account: users and webhook subscriptions (stored here, not delivered)."""

from sync.sandbox.call import Call
from sync.sandbox.checks import check_body
from sync.sandbox.messages import ApiError, Response, bad_request, error_response, json_response
from sync.sandbox.records import decode

MAX_WEBHOOKS = 40
EVENT_OBJECTS = frozenset(
    ("activity", "deal", "lead", "note", "organization", "person", "pipeline", "product", "stage", "user", "*")
)


def read_me(call: Call) -> Response:
    """Whose token it is, and which company's."""
    company = call.company
    user = decode(call.table.rows[call.caller.user_id])
    about = {
        "is_you": True,
        "company_id": company.id,
        "company_name": company.name,
        "company_domain": company.domain,
        "company_country": "DE",
        "company_industry": "Trade",
        "language": {"language_code": "de", "country_code": "DE"},
    }
    return json_response(200, {"success": True, "data": user | about})


def read_user(call: Call) -> Response:
    """One user."""
    row = call.table.rows.get(call.record_id)
    if row is None:
        return error_response(404, "User not found or not accessible.")
    user = decode(row) | {"is_you": row.id == call.caller.user_id}
    return json_response(200, {"success": True, "data": user})


def list_webhooks(call: Call) -> Response:
    """All subscriptions of this user; passwords are not shown."""
    hooks = [hook | {"http_auth_password": None} for hook in call.company.all("webhooks")]
    mine = [hook for hook in hooks if hook["owner_id"] == call.caller.user_id]
    return json_response(200, {"status": "ok", "success": True, "data": mine})


def create_webhook(call: Call) -> Response:
    """A new subscription."""
    try:
        values = check_body(call.entity, call.json(), call.company, creating=True)
        if values["event_object"] not in EVENT_OBJECTS:
            raise bad_request("event_object is unknown")
    except ApiError as error:
        body = {"status": "error", "success": False, "errors": {"request": [error.message]}}
        return json_response(400, body)
    mine = [hook for hook in call.company.all("webhooks") if hook["owner_id"] == call.caller.user_id]
    if len(mine) >= MAX_WEBHOOKS:
        raise ApiError(422, "Webhooks limit reached")
    hook = call.company.create("webhooks", values, user_id=call.caller.user_id, source="api")
    return json_response(201, {"status": "ok", "success": True, "data": hook | {"http_auth_password": None}})


def delete_webhook(call: Call) -> Response:
    """The end of a subscription."""
    if call.record_id not in call.table.rows:
        return json_response(404, {"status": "error", "success": False, "errors": {"id": ["not found"]}})
    call.company.delete("webhooks", call.record_id, user_id=call.caller.user_id, source="api")
    return json_response(200, {"status": "ok", "success": True})
