"""Our subscriptions at Pipedrive: which there ought to be, which are ours, and bringing the two in line.

One per kind of record that is mirrored. Ours are those with our name and our address; another installation's have its
own address and are left alone. Pipedrive never shows a password, so that a subscription is only kept if this database
knows what its password is.
"""

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from sync.mirror.company import Mirror
from sync.pipedrive.entities import ENTITIES
from sync.pipedrive.errors import BadRequest
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.webhooks import Webhook, create_webhook, delete_webhook, fetch_webhooks
from sync.settings import Settings, SettingsError
from sync.store.tokens import save_budget
from sync.store.webhooks import (
    Subscription,
    forget_subscriptions,
    hash_password,
    load_subscriptions,
    password_fits,
    save_subscription,
)

RECEIVER_PATH = "/webhooks/pipedrive"
_NAME = "pipedrive-sync"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """What was done to bring the subscriptions in line; `kept` were right already."""

    url: str
    kept: Sequence[str]
    created: Sequence[str]
    removed: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What has to be done so that exactly one subscription tells of each kind of record."""

    keep: Sequence[Subscription]
    create: Sequence[str]
    remove: Sequence[int]


def receiver_url(settings: Settings) -> str:
    """The address that Pipedrive is to deliver to. Raises `SettingsError` where none is set."""
    if not settings.webhook_public_url:
        raise SettingsError(
            "Not set: WEBHOOK_PUBLIC_URL (the receiver's address as Pipedrive reaches it).",
            "Set it in the environment or in config/sync.toml, for instance to https://sync.example.com.",
        )
    return settings.webhook_public_url + RECEIVER_PATH


def wanted_objects(mirror: Mirror) -> list[str]:
    """What Pipedrive is to tell of, in its words."""
    return [entity.singular for entity in ENTITIES if entity.has_events and mirror.privacy.keeps(entity)]


def is_ours(webhook: Webhook, url: str) -> bool:
    """Whether a subscription was made by this program for this address."""
    return webhook.name == _NAME and webhook.subscription_url == url


def install(mirror: Mirror, url: str, *, purpose: Purpose = Purpose.SUBSCRIBE) -> Installed:
    """Make the subscriptions that are missing and remove those of ours that serve nothing any more.

    Without credentials in the settings, new ones are made up; only their hash is kept. Doing it again changes nothing.
    Raises `PipedriveError`, `DatabaseError`.
    """
    there = fetch_webhooks(mirror.client, purpose=purpose)
    with mirror.database.reading() as connection:
        known = load_subscriptions(connection, mirror.company_id)
    plan = _plan(wanted_objects(mirror), url, there, known, _fits(mirror.settings))
    _note_state(mirror, known, there)
    created = _create(mirror, plan.create, url, purpose)
    for webhook_id in plan.remove:
        delete_webhook(mirror.client, webhook_id, purpose=purpose)
    with mirror.database.writing() as connection:
        kept = {held.webhook_id for held in plan.keep} | {one.webhook_id for one in created}
        forget_subscriptions(connection, mirror.company_id, {one.webhook_id for one in known} - kept)
        save_budget(connection, mirror.company_id, mirror.budget)
    return Installed(url, [held.event_object for held in plan.keep], plan.create, plan.remove)


def remove(mirror: Mirror) -> list[int]:
    """End every subscription of ours, at whatever address; their ids. Raises `PipedriveError`, `DatabaseError`."""
    with mirror.database.reading() as connection:
        known = {one.webhook_id for one in load_subscriptions(connection, mirror.company_id)}
    url = mirror.settings.webhook_public_url
    there = fetch_webhooks(mirror.client, purpose=Purpose.SUBSCRIBE)
    ours = [one.webhook_id for one in there if one.webhook_id in known or (url and is_ours(one, url + RECEIVER_PATH))]
    for webhook_id in ours:
        delete_webhook(mirror.client, webhook_id, purpose=Purpose.SUBSCRIBE)
    with mirror.database.writing() as connection:
        forget_subscriptions(connection, mirror.company_id, known)
        save_budget(connection, mirror.company_id, mirror.budget)
    return ours


def check_subscriptions(mirror: Mirror) -> Installed | None:
    """Make anew what Pipedrive has ended since it was installed; None where nothing ever was.

    Pipedrive API: a webhook without a success in 3 days is deleted. Raises `PipedriveError`, `DatabaseError`.
    """
    with mirror.database.reading() as connection:
        known = load_subscriptions(connection, mirror.company_id)
    if not known:
        return None
    url = mirror.settings.webhook_public_url
    installed = install(mirror, url + RECEIVER_PATH if url else known[0].subscription_url, purpose=Purpose.WEBHOOKS)
    if installed.created:
        _log.warning("webhooks_made_anew", event_objects=list(installed.created))
    return installed


def _plan(
    wanted: Sequence[str],
    url: str,
    there: Iterable[Webhook],
    known: Iterable[Subscription],
    fits: "_Fits",
) -> _Plan:
    held = {one.webhook_id: one for one in known}
    keep: dict[str, Subscription] = {}
    remove: list[int] = []
    for webhook in there:
        subscription = held.get(webhook.webhook_id)
        if subscription is None and not is_ours(webhook, url):
            continue
        serves = webhook.is_active and is_ours(webhook, url) and webhook.event_action == "*"
        needed = webhook.event_object in wanted and webhook.event_object not in keep
        if subscription is not None and serves and needed and fits(subscription):
            keep[webhook.event_object] = subscription
        else:
            remove.append(webhook.webhook_id)
    return _Plan(list(keep.values()), [one for one in wanted if one not in keep], remove)


def _note_state(mirror: Mirror, known: Iterable[Subscription], there: Iterable[Webhook]) -> None:
    """Keep which of ours Pipedrive has ended, before new ones are made: that may fail, and they tell of nothing."""
    active = {webhook.webhook_id for webhook in there if webhook.is_active}
    now = mirror.clock.now()
    with mirror.database.writing() as connection:
        for one in known:
            checked = replace(one, is_active=one.webhook_id in active, checked_at=now)
            save_subscription(connection, mirror.company_id, checked)


class _Fits:
    """Whether a subscription signs in with what the receiver takes; each hash is tried once, as that is slow."""

    def __init__(self, user: str | None, password: str | None) -> None:
        self._user, self._password = user, password
        self._tried: dict[str, bool] = {}

    def __call__(self, subscription: Subscription) -> bool:
        if not self._user or not self._password:
            return True  # made up once, and known by its hash alone
        if subscription.auth_user != self._user:
            return False
        digest = subscription.password_hash
        if digest not in self._tried:
            self._tried[digest] = password_fits(self._password, digest)
        return self._tried[digest]


def _fits(settings: Settings) -> _Fits:
    password = settings.webhook_password
    return _Fits(settings.webhook_user, password.get_secret_value() if password else None)


def _create(mirror: Mirror, objects: Collection[str], url: str, purpose: Purpose) -> list[Subscription]:
    """Subscribe; each subscription is remembered as soon as it is made."""
    if not objects:
        return []
    user, password = _credentials(mirror.settings)
    password_hash = hash_password(password)
    created = []
    for event_object in objects:
        try:
            webhook = create_webhook(
                mirror.client,
                name=_NAME,
                event_object=event_object,
                url=url,
                user=user,
                password=password,
                purpose=purpose,
            )
        except BadRequest as error:
            error.remedy = f"Check WEBHOOK_PUBLIC_URL, and that {url} can be reached from the internet."
            raise
        now = mirror.clock.now()
        subscription = Subscription(webhook.webhook_id, event_object, url, user, password_hash, True, now, now)
        with mirror.database.writing() as connection:
            save_subscription(connection, mirror.company_id, subscription)
        created.append(subscription)
    return created


def _credentials(settings: Settings) -> tuple[str, str]:
    if settings.webhook_user and settings.webhook_password:
        return settings.webhook_user, settings.webhook_password.get_secret_value()
    return f"sync-{secrets.token_hex(8)}", secrets.token_urlsafe(32)
