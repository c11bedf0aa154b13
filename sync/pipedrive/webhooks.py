"""The subscriptions at Pipedrive: listing, making and removing them, one call each.

Which of them are ours, and which ought to be there, is decided above.
"""

from dataclasses import dataclass
from typing import Any

from sync.pipedrive.client import Client
from sync.pipedrive.errors import Gone, MalformedAnswer, NotFound
from sync.pipedrive.purpose import Purpose

_PATH = "/api/v1/webhooks"
_COST, _DELETE_COST = 10, 6


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription as Pipedrive shows it; passwords are never shown."""

    webhook_id: int
    name: str
    event_object: str
    event_action: str
    subscription_url: str
    version: str
    auth_user: str | None
    is_active: bool
    last_delivery_time: str | None
    last_http_status: int | None
    remove_reason: str | None


def fetch_webhooks(client: Client, *, purpose: Purpose) -> list[Webhook]:
    """Every subscription of the token's user. Raises `PipedriveError`."""
    answer = client.get(_PATH, cost=_COST, purpose=purpose.label, priority=purpose.priority)
    if not isinstance(answer.data, list | None):
        raise MalformedAnswer(f"Pipedrive answered with {type(answer.data).__name__} where a list belongs.")
    return [_webhook(one) for one in answer.data or ()]


def create_webhook(
    client: Client, *, name: str, event_object: str, url: str, user: str, password: str, purpose: Purpose
) -> Webhook:
    """Subscribe to everything that happens to one kind of record. Raises `PipedriveError` with Pipedrive's words."""
    body = {
        "name": name,
        "event_object": event_object,
        "event_action": "*",
        "subscription_url": url,
        "version": "2.0",
        "http_auth_user": user,
        "http_auth_password": password,
    }
    return _webhook(client.post(_PATH, body, cost=_COST, purpose=purpose.label, priority=purpose.priority).data)


def delete_webhook(client: Client, webhook_id: int, *, purpose: Purpose) -> None:
    """End a subscription; one that is gone already is as good. Raises `PipedriveError`."""
    try:
        client.delete(f"{_PATH}/{webhook_id}", cost=_DELETE_COST, purpose=purpose.label, priority=purpose.priority)
    except (NotFound, Gone):
        return


def _webhook(shown: Any) -> Webhook:
    if not isinstance(shown, dict) or type(shown.get("id")) is not int:
        raise MalformedAnswer("Pipedrive showed a webhook without an id.")
    status = shown.get("last_http_status")
    return Webhook(
        webhook_id=shown["id"],
        name=str(shown.get("name") or ""),
        event_object=str(shown.get("event_object") or ""),
        event_action=str(shown.get("event_action") or ""),
        subscription_url=str(shown.get("subscription_url") or ""),
        version=str(shown.get("version") or ""),
        auth_user=shown.get("http_auth_user") or None,
        is_active=shown.get("is_active") in (True, 1),
        last_delivery_time=shown.get("last_delivery_time") or None,
        last_http_status=status if type(status) is int else None,
        remove_reason=shown.get("remove_reason") or None,
    )
