"""`webhooks`: the subscriptions at Pipedrive that bring changes within a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import structlog
import typer

from sync.cli.output import Json, print_json, print_table
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.mirror.company import Mirror, open_mirror
from sync.mirror.reference import resolved
from sync.mirror.subscriptions import RECEIVER_PATH, install, is_ours, receiver_url, remove
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.webhooks import Webhook, fetch_webhooks
from sync.settings import Settings, require_credentials
from sync.store.tokens import save_budget
from sync.store.webhooks import load_subscriptions


def install_command(json: Json = False) -> None:
    """Subscribe to what is mirrored, as far as that is not done yet, at WEBHOOK_PUBLIC_URL."""
    settings = start()
    url = receiver_url(settings)
    with opened_beside(settings) as mirror:
        done = install(mirror, url)
    if json:
        print_json(asdict(done))
        return
    typer.echo(f"Pipedrive delivers to {done.url}.")
    for what, objects in (("Subscribed to", done.created), ("Subscribed already:", done.kept)):
        if objects:
            typer.echo(f"{what} {', '.join(objects)}.")
    if done.removed:
        typer.echo(f"Ended {len(done.removed):,} old subscriptions of ours.")
    if done.created and not settings.webhook_user:
        typer.echo("Pipedrive signs in with a password made up for it; the database holds only its hash.")


def list_command(json: Json = False) -> None:
    """Show every subscription of the token's user, and which are ours."""
    settings = start()
    with opened_beside(settings) as mirror:
        there = fetch_webhooks(mirror.client, purpose=Purpose.CHECK)
        with mirror.database.reading() as connection:
            known = {one.webhook_id for one in load_subscriptions(connection, mirror.company_id)}
    shown = [(one, one.webhook_id in known or _at_our_address(one, settings)) for one in there]
    if json:
        print_json([asdict(one) | {"ours": ours} for one, ours in shown])
        return
    if not shown:
        typer.echo("There are no webhooks: `pipedrive-sync webhooks install` makes them.")
        return
    rows = [
        (
            one.webhook_id,
            "yes" if ours else "",
            one.event_object,
            one.event_action,
            one.subscription_url,
            "active" if one.is_active else f"inactive {one.remove_reason or ''}".strip(),
            one.last_delivery_time or "never",
            one.last_http_status or "",
        )
        for one, ours in shown
    ]
    columns = ("id", "ours", "of", "action", "address", "state", "last delivery", "answered")
    print_table("", columns, rows, right=("id",))


def remove_command(json: Json = False) -> None:
    """End every subscription of ours; changes are then found by polling alone."""
    settings = start()
    with opened_beside(settings) as mirror:
        ended = remove(mirror)
    if json:
        print_json({"removed": ended})
    else:
        typer.echo(f"Ended {len(ended):,} subscriptions." if ended else "There were none of ours.")


def _at_our_address(webhook: Webhook, settings: Settings) -> bool:
    base = settings.webhook_public_url
    return base is not None and is_ours(webhook, base + RECEIVER_PATH)


@contextmanager
def opened_beside(settings: Settings) -> Iterator[Mirror]:
    """The mirror, beside whoever else works on it."""
    require_credentials(settings)
    clock, budget = SystemClock(), token_budget(settings)
    with migrated_database(settings) as database, connect(settings, clock, budget) as client:
        mirror = resolved(open_mirror(client, database, clock, settings, budget), complete=False)
        try:
            with structlog.contextvars.bound_contextvars(company=mirror.company_id):
                yield mirror
        finally:
            with database.writing() as connection:
                save_budget(connection, mirror.company_id, budget)
