"""Our subscriptions at Pipedrive as this database knows them, with the hash of what Pipedrive signs in with.

And the changes that no event told of, from which it shows that events are being missed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, literal, or_, select, type_coerce

from sync.pipedrive.entities import BY_NAME, Entity
from sync.store.dialect import among, insert_into, put, whole_second
from sync.store.schema import TABLES, inbox, unannounced_changes, webhooks

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class Subscription:
    """One of our webhooks."""

    webhook_id: int
    event_object: str
    subscription_url: str
    auth_user: str
    password_hash: str
    is_active: bool
    created_at: datetime
    checked_at: datetime


_SUBSCRIPTIONS = (
    select(*(webhooks.c[name] for name in Subscription.__dataclass_fields__))
    .where(webhooks.c.company_id == bindparam("company"))
    .order_by(webhooks.c.event_object, webhooks.c.webhook_id)
)


def hash_password(password: str) -> str:
    """A salted hash that is slow to guess from."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT).hex()}"


def password_fits(password: str, password_hash: str) -> bool:
    """Whether a password is the one of the hash; takes as long either way."""
    _, salt, digest = password_hash.split("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return hmac.compare_digest(found, digest)


def load_subscriptions(connection: Connection, company_id: int) -> list[Subscription]:
    """Our webhooks, by what they tell of."""
    return [Subscription(*row) for row in connection.execute(_SUBSCRIPTIONS, {"company": company_id})]


def load_password_hashes(connection: Connection, auth_user: str) -> set[str]:
    """The hashes of what Pipedrive may sign in with under this name, for any company."""
    return set(connection.scalars(select(webhooks.c.password_hash).where(webhooks.c.auth_user == auth_user)))


def any_subscription(connection: Connection) -> bool:
    """Whether anything was ever subscribed to from this database."""
    return connection.execute(select(webhooks.c.webhook_id).limit(1)).first() is not None


def save_subscription(connection: Connection, company_id: int, subscription: Subscription) -> None:
    """Remember a webhook, or what has changed of it."""
    values = {name: getattr(subscription, name) for name in Subscription.__dataclass_fields__}
    put(connection, webhooks, {"company_id": company_id, "webhook_id": values.pop("webhook_id")}, values)


def forget_subscriptions(connection: Connection, company_id: int, webhook_ids: Collection[int]) -> None:
    """These webhooks are gone."""
    gone = among(connection, webhooks.c.webhook_id, webhook_ids)
    connection.execute(delete(webhooks).where(webhooks.c.company_id == company_id, gone))


# Changes that no event told of


@dataclass(frozen=True, slots=True)
class Missed:
    """Changes that a poll found, and no event told of in time."""

    count: int
    latest: datetime | None  # when the poll found the last of them


def note_unannounced(
    connection: Connection, company_id: int, entity: Entity, ids: Collection[int], *, read_at: datetime
) -> None:
    """Note which of the rows that a read at a moment has written no event has told of yet.

    Only what changed since its webhook was made counts. The rows are found by their `synced_at`.
    """
    table = TABLES[entity.name]
    written = and_(
        table.c.company_id == company_id,
        table.c.synced_at == type_coerce(read_at, table.c.synced_at.type),
        among(connection, table.c.id, ids),
    )
    subscribed = select(webhooks.c.webhook_id).where(
        webhooks.c.company_id == company_id,
        webhooks.c.event_object == entity.singular,
        whole_second(connection, webhooks.c.created_at) < table.c.update_time,
    )
    found = select(
        table.c.company_id,
        literal(entity.name),
        table.c.id,
        table.c.update_time,
        literal(read_at, unannounced_changes.c.found_at.type),
    ).where(written, subscribed.exists(), ~_told(connection, entity, table.c.id, table.c.update_time, company_id))
    insert = insert_into(unannounced_changes, connection.dialect.name).from_select(
        ["company_id", "entity", "id", "update_time", "found_at"], found
    )
    connection.execute(insert.on_conflict_do_nothing())


def forget_announced(connection: Connection, company_id: int, *, before: datetime) -> None:
    """Forget the changes that an event has told of meanwhile, and those found before a moment."""
    for name in connection.scalars(
        select(unannounced_changes.c.entity).where(unannounced_changes.c.company_id == company_id).distinct()
    ).all():
        columns = unannounced_changes.c
        told = _told(connection, BY_NAME[name], columns.id, columns.update_time, company_id)
        connection.execute(
            delete(unannounced_changes).where(
                columns.company_id == company_id, columns.entity == name, or_(told, columns.found_at < before)
            )
        )


_MISSED = select(func.count(), func.max(unannounced_changes.c.found_at)).where(
    unannounced_changes.c.company_id == bindparam("company"),
    unannounced_changes.c.found_at < bindparam("found_before"),
)


def count_missed(connection: Connection, company_id: int, *, found_before: datetime) -> Missed:
    """The changes that no event told of, though a poll found them before a moment."""
    return Missed(*connection.execute(_MISSED, {"company": company_id, "found_before": found_before}).one())


def _told(
    connection: Connection,
    entity: Entity,
    record_id: ColumnElement[int],
    update_time: ColumnElement[datetime],
    company_id: int,
) -> ColumnElement[bool]:
    """That an event of that time or later is there."""
    told = select(inbox.c.event_id).where(
        inbox.c.company_id == company_id,
        inbox.c.entity == entity.singular,
        inbox.c.entity_id == record_id,
        whole_second(connection, inbox.c.event_time) >= update_time,
    )
    return told.exists()
