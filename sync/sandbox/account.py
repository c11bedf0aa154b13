"""The operations on the company's own account: users and webhook subscriptions."""

from sync.sandbox.call import Call
from sync.sandbox.checks import check_body
from sync.sandbox.messages import ApiError, Response, bad_request, error_response, json_response
from sync.sandbox.records import Record, decode

MAX_WEBHOOKS = 40


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
    mine = [_shown(webhook) for webhook in _own_webhooks(call)]
    return json_response(200, {"status": "ok", "success": True, "data": mine})


def create_webhook(call: Call) -> Response:
    """A new subscription; every mistake in the wish is named."""
    wish = call.json()
    if not isinstance(wish, dict):
        raise bad_request("body must be an object")
    errors = _mistakes(call, wish)
    if errors:
        return json_response(400, {"status": "error", "success": False, "errors": errors})
    if len(_own_webhooks(call)) >= MAX_WEBHOOKS:
        raise ApiError(422, "Webhooks limit reached")
    values = {key: value for key, value in wish.items() if value is not None}
    webhook = call.company.create("webhooks", values, user_id=call.caller.user_id, source="api")
    return json_response(201, {"status": "ok", "success": True, "data": _shown(webhook)})


def delete_webhook(call: Call) -> Response:
    """The end of a subscription. An administrator may end anybody's, another user only their own."""
    webhook = call.company.find("webhooks", call.record_id)
    if webhook is None:
        return json_response(404, {"status": "error", "success": False, "errors": {"id": ["not found"]}})
    if webhook["owner_id"] != call.caller.user_id and not call.access.is_global(call.caller.user_id):
        return json_response(403, {"success": False, "message": "Forbidden"})
    call.company.delete("webhooks", webhook["id"], user_id=call.caller.user_id, source="api")
    return json_response(200, {"status": "ok", "success": True})


def _own_webhooks(call: Call) -> list[Record]:
    return [webhook for webhook in call.company.all("webhooks") if webhook["owner_id"] == call.caller.user_id]


def _shown(webhook: Record) -> Record:
    return webhook | {"http_auth_password": None}


def _mistakes(call: Call, wish: Record) -> dict[str, list[str]]:
    """What is wrong with each attribute of a wish for a subscription."""
    found = {key: "is required" for key in call.entity.required if wish.get(key) is None}
    for key, value in wish.items():
        try:
            check_body(call.entity, {key: value}, call.company, creating=False)
        except ApiError as error:
            found.setdefault(key, "invalid or non-reachable URL" if key == "subscription_url" else error.message)
    return {key: [text] for key, text in found.items()}
