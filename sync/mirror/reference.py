"""The small lists that are read whole: users, pipelines, stages, currencies, … and the field definitions.

What such a list no longer shows is deleted at Pipedrive. A custom field that is gone leaves the rows; the views follow
the definitions.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from sync.accounts.views import refresh_views
from sync.mirror.asking import ask_for
from sync.mirror.brake import brake
from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, delete, ingest
from sync.mirror.privacy import Definition, Privacy, resolve_privacy
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES, FIELDS, ORGANIZATIONS, Entity, Listing, Lookup
from sync.pipedrive.listing import Page, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.records import Key, Unstorable, key_of, to_row
from sync.settings import Privacy as PrivacySettings
from sync.store.checkpoints import load_checkpoint, save_checkpoint
from sync.store.custom_fields import load_definitions, remove_custom_field
from sync.store.database import Database
from sync.store.edits import park_field
from sync.store.erasing import erase
from sync.store.mirror import live_keys
from sync.store.tokens import save_budget
from sync.store.views import ViewsInUse

_log = structlog.get_logger(__name__)

REFERENCE: tuple[Entity, ...] = tuple(entity for entity in ENTITIES if entity.is_reference)


def read_reference(
    mirror: Mirror, refusals: Refusals, *, only_due: bool, accept_deletions: bool = False
) -> tuple[Mirror, Ingested]:
    """Read the reference lists, definitions first; with `only_due`, those whose interval has passed.

    Returns the mirror with its privacy rules resolved by the definitions. Raises `SettingsError` where a rule names a
    field that does not exist, `PipedriveError`, `DatabaseError`.
    """
    total = Ingested()
    for entity in REFERENCE:
        for listing in entity.listings:
            if not only_due or is_due(mirror, listing, mirror.settings.poll.reference_interval):
                with refusals.of(entity):
                    total += _read_whole(mirror, entity, listing, accept_deletions)
        if entity is FIELDS:
            mirror = resolved(mirror)
    return mirror, total


def resolved(mirror: Mirror, *, complete: bool = True) -> Mirror:
    """The mirror with its privacy rules resolved by the stored definitions, which may be none yet unless `complete`.

    What was stored of an entity before it was left out is removed. Raises `SettingsError`.
    """
    privacy = privacy_of(mirror.database, mirror.company_id, mirror.settings.privacy, complete=complete)
    if privacy.entities:
        with mirror.database.writing() as connection:
            for entity in ENTITIES:
                if not privacy.keeps(entity):
                    erase(connection, mirror.company_id, entity)
    return replace(mirror, privacy=privacy)


def privacy_of(database: Database, company_id: int, settings: PrivacySettings, *, complete: bool = True) -> Privacy:
    """The privacy rules resolved by a company's stored definitions, which may be none yet unless they are `complete`.

    Raises `SettingsError`, `DatabaseError`.
    """
    if not (settings.leave_out or settings.hash):
        return Privacy()
    with database.reading() as connection:
        definitions = {
            entity.name: {
                definition.field_code: Definition(definition.field_name, definition.is_custom)
                # A rule on a field that is gone still means that field.
                for definition in load_definitions(connection, company_id, entity.singular, and_deleted=True)
            }
            for entity in ENTITIES
        }
    return resolve_privacy(settings, definitions, complete=complete)


def is_due(mirror: Mirror, listing: Listing, interval: int) -> bool:
    """Whether a list was last looked at so many seconds ago, or never."""
    with mirror.database.reading() as connection:
        last_run: datetime | None = load_checkpoint(connection, mirror.company_id, listing.name)["last_run_at"]
    return last_run is None or mirror.clock.now() >= last_run + timedelta(seconds=interval)


def _read_whole(mirror: Mirror, entity: Entity, listing: Listing, accept_deletions: bool) -> Ingested:
    pages = [fetch_page(mirror.client, listing, purpose=Purpose.REFERENCE)]
    while pages[-1].following:
        pages.append(fetch_page(mirror.client, listing, pages[-1].following, purpose=Purpose.REFERENCE))
    total = Ingested()
    with mirror.database.writing() as connection:
        for page in pages:
            total += ingest(connection, mirror, entity, listing, page)
        gone, live = _gone(connection, mirror, entity, listing, pages)
        save_budget(connection, mirror.company_id, mirror.budget)
    held = brake(mirror.settings.sweep, entity, listing, vanishing=len(gone), live=live)
    if held is not None and not accept_deletions:
        gone = set()
    elif gone and listing.lookup is not Lookup.NONE:
        asked, found = ask_for(mirror, entity, {one for (one,) in gone if isinstance(one, int)})
        total, gone = total + asked, gone - {(one,) for one in found}
    with mirror.database.writing() as connection:
        total += delete(connection, mirror, entity, gone, read_at=pages[0].began_at)
        if entity is FIELDS:
            _remove_custom_fields(connection, mirror, gone)
            keep_views_in_step(connection)
        save_checkpoint(
            connection,
            mirror.company_id,
            listing.name,
            last_run_at=mirror.clock.now(),
            held_deletions=None if held is None or accept_deletions else held.rows,
        )
    return total


def keep_views_in_step(connection: Connection) -> None:
    """Make the readable views follow the definitions; where others' views hang on them, say so and go on."""
    try:
        refresh_views(connection)
    except ViewsInUse as error:
        _log.warning("views_not_refreshed", words=error.message, remedy=error.remedy)


def _gone(
    connection: Connection, mirror: Mirror, entity: Entity, listing: Listing, pages: list[Page]
) -> tuple[set[Key], int]:
    """Rows that the list does not show any more, and how many it is held to show."""
    live = live_keys(connection, mirror.company_id, entity, listing.constants)
    shown = {_key(entity, listing.constants, record) for page in pages for record in page.records}
    return live - shown, len(live)


def _key(entity: Entity, constants: Mapping[str, str], record: object) -> Key | None:
    if not isinstance(record, dict):
        return None
    try:
        return key_of(entity, to_row(entity, {**record, **constants}))
    except Unstorable:
        return None


def _remove_custom_fields(connection: Connection, mirror: Mirror, definitions: set[Key]) -> None:
    owners = {entity.singular: entity for entity in ENTITIES if entity.has_custom_fields}
    for singular, code in definitions:
        if str(singular) in owners:
            if singular == ORGANIZATIONS.singular:
                reason = "the field was deleted at Pipedrive"
                park_field(connection, mirror.company_id, str(code), reason, mirror.clock.now())
            remove_custom_field(connection, mirror.company_id, owners[str(singular)], str(code))
