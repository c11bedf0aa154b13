"""Filling custom fields of organizations from accounts: own fields that go to Pipedrive, and computed values.

All of it becomes edits of the account's custom field, which travel like any other. Nothing is filled, and no field is
made at Pipedrive, before somebody has approved it; and computed values keep to the reserve for changes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from sync.accounts.meanings import equal
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import (
    ENGINE,
    Source,
    computed_value,
    fit_own,
    from_api,
    sources_of,
    to_api,
)
from sync.accounts.values import Unfit
from sync.mirror.company import Mirror
from sync.mirror.ingest import ingest
from sync.mirror.state import token_state
from sync.pipedrive.entities import FIELDS, ORGANIZATIONS, Listing
from sync.pipedrive.listing import Page, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.settings import OwnField, Settings
from sync.store.custom_fields import StoredDefinition, load_definitions
from sync.store.edits import (
    Edit,
    count_edited_by,
    drop_edits,
    load_edits,
    load_own_edits,
    lock_account,
    move_base,
    park,
)
from sync.store.filled import (
    FilledField,
    accounts_without,
    approve_filled_fields,
    differing_accounts,
    edit_custom_field,
    keep_filled_fields,
    load_filled_fields,
    save_field_code,
    save_filled_value,
    set_own_field,
    stale_accounts,
)
from sync.store.tokens import save_budget

_AT_ONCE = 200  # accounts in a transaction
_MAKE_COST, _WRITE_COST = 5, 6  # tokens

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A source with the custom field that it fills."""

    source: Source
    code: str
    options: Mapping[int, str]


def fill_fields(mirror: Mirror) -> None:
    """Make or find the fields that are to be filled, give defaults, take over what changed at Pipedrive, compute.

    Raises `PipedriveError`, `DatabaseError`.
    """
    sources = sources_of(mirror.settings)
    with mirror.database.writing() as connection:
        keep_filled_fields(connection, mirror.company_id, list(sources))
    if sources:
        _find_or_make(mirror, sources)
    ready = _ready(mirror, sources)
    for filled in ready:
        if filled.source.two_way:
            _follow(mirror, filled)
    _give_defaults(mirror, {filled.source.name for filled in ready})
    if computed := [filled for filled in ready if filled.source.is_computed]:
        _compute(mirror, computed)


def approve_filling(connection: Connection, company_id: int, settings: Settings, at: datetime) -> int:
    """Let everything the settings name fill its field; how much of it is new."""
    keep_filled_fields(connection, company_id, list(sources_of(settings)))
    return approve_filled_fields(connection, company_id, at)


def unapproved_fields(connection: Connection, company_id: int, settings: Settings) -> Sequence[str]:
    """The titles of the fields that are to be filled, and wait for somebody's word."""
    sources = sources_of(settings)
    known = load_filled_fields(connection, company_id) if sources else {}
    return [one.title for name, one in sources.items() if name not in known or known[name].approved_at is None]


def take_up_own_edits(mirror: Mirror) -> None:
    """Let edits of own fields go where their field goes: nowhere, or on as edits of a custom field."""
    with mirror.database.reading() as connection:
        edits = load_own_edits(connection, mirror.company_id)
    if not edits:
        return
    ready = {one.source.name: one for one in _ready(mirror, sources_of(mirror.settings))}
    for edit in edits:
        own = mirror.settings.own_fields.get(edit.field.removeprefix(OWN))
        if own is None or own.to == "local" or edit.field in ready:  # else it waits until its field is approved
            with mirror.database.writing() as connection:
                _take_up(connection, mirror, edit, own, ready.get(edit.field))


def _take_up(connection: Connection, mirror: Mirror, edit: Edit, own: OwnField | None, filled: _Filled | None) -> None:
    company_id, now = mirror.company_id, mirror.clock.now()
    if not lock_account(connection, company_id, edit.organization_id):
        return
    held = {one.field: one for one in load_edits(connection, company_id, edit.organization_id)}
    if held.get(edit.field) != edit:  # edited again since it was read
        return
    try:
        value = None if own is None else fit_own(own, edit.value)
        if filled is None:  # it stays here
            drop_edits(connection, company_id, edit.organization_id, [edit.field])
            return
        sent = to_api(filled.source, value, filled.options)
    except Unfit as error:
        park(connection, company_id, edit.organization_id, edit.field, edit.value, str(error), now)
        return
    edit_custom_field(
        connection, company_id, edit.organization_id, filled.code, sent, by=edit.edited_by, at=edit.edited_at
    )
    if filled.source.two_way and filled.code not in held:
        _agree_on(connection, company_id, edit, filled)
    drop_edits(connection, company_id, edit.organization_id, [edit.field])


def _agree_on(connection: Connection, company_id: int, edit: Edit, filled: _Filled) -> None:
    """What both sides agreed on is what the own field held, not what the custom field has become since."""
    try:
        base = to_api(filled.source, edit.base_value, filled.options)
    except Unfit:
        return
    for made in load_edits(connection, company_id, edit.organization_id):
        if made.field == filled.code:
            move_base(connection, made, company_id, base)


def _ready(mirror: Mirror, sources: Mapping[str, Source]) -> list[_Filled]:
    """The sources whose field is approved and there."""
    if not sources:
        return []
    with mirror.database.reading() as connection:
        known = load_filled_fields(connection, mirror.company_id)
        defined = _definitions(connection, mirror)
    ready = []
    for name, source in sources.items():
        field = known.get(name)
        if field and field.approved_at and field.field_code in defined:
            ready.append(_Filled(source, str(field.field_code), _options(defined[field.field_code])))
    return ready


def _definitions(connection: Connection, mirror: Mirror) -> dict[str | None, StoredDefinition]:
    found = load_definitions(connection, mirror.company_id, ORGANIZATIONS.singular)
    return {one.field_code: one for one in found if one.is_custom}


def _options(definition: StoredDefinition) -> Mapping[int, str]:
    options = definition.options if isinstance(definition.options, list) else []
    return {one["id"]: str(one["label"]) for one in options if isinstance(one, dict) and isinstance(one.get("id"), int)}


# Fields at Pipedrive


def _find_or_make(mirror: Mirror, sources: Mapping[str, Source]) -> None:
    """A custom field for each approved source: the one it had, one of its title and type, or a new one."""
    with mirror.database.reading() as connection:
        known = load_filled_fields(connection, mirror.company_id)
        defined = _definitions(connection, mirror)
    lacking = {name: one for name, one in sources.items() if _lacks_field(known.get(name), defined)}
    for name, source in lacking.items():
        field = known.get(name)
        if field is None or field.approved_at is None:
            continue
        if field.field_code is not None:  # it was deleted there: nobody asked for it to be made again
            _log.warning("filled_field_deleted", source=name, title=source.title)
            with mirror.database.writing() as connection:
                save_field_code(connection, mirror.company_id, name, None)
        elif mirror.settings.write_back.sends:
            _find_or_make_one(mirror, source)


def _lacks_field(field: FilledField | None, defined: Mapping[str | None, StoredDefinition]) -> bool:
    return field is None or field.field_code not in defined


def _find_or_make_one(mirror: Mirror, source: Source) -> None:
    """Looked for in what Pipedrive shows now, so that one whose making got no answer is never made twice."""
    listing = next(one for one in FIELDS.listings if one.constants["entity"] == ORGANIZATIONS.singular)
    definition = _found(mirror, listing, source) or _made(mirror, listing, source)
    with mirror.database.writing() as connection:
        page = Page([definition], None, mirror.clock.now(), None)
        ingest(connection, mirror, FIELDS, listing, page)
        save_field_code(connection, mirror.company_id, source.name, definition["field_code"])
        save_budget(connection, mirror.company_id, mirror.budget)
    _log.info("filled_field_ready", source=source.name, title=source.title, code=definition["field_code"])


def _found(mirror: Mirror, listing: Listing, source: Source) -> Any:
    position = None
    while True:
        page = fetch_page(mirror.client, listing, position, purpose=Purpose.WRITE_BACK)
        for one in page.records:
            is_custom = isinstance(one, dict) and one.get("is_custom_field") is True
            if is_custom and (one.get("field_name"), one.get("field_type")) == (source.title, source.kind.value):
                return one
        if page.following is None:
            return None
        position = page.following


def _made(mirror: Mirror, listing: Listing, source: Source) -> Any:
    body: dict[str, Any] = {"field_name": source.title, "field_type": source.kind.value}
    if source.options:
        body["options"] = [{"label": option} for option in source.options]
    purpose = Purpose.WRITE_BACK
    answer = mirror.client.post(listing.path, body, cost=_MAKE_COST, purpose=purpose.label, priority=purpose.priority)
    return answer.data


# Values


def _give_defaults(mirror: Mirror, ready: Collection[str]) -> None:
    """Accounts that never had a value in an own field get its default, as if somebody had given it.

    What goes to Pipedrive waits until its field is there, as that may hold a value, and for what the reserve allows.
    """
    for name, own in mirror.settings.own_fields.items():
        stays = own.to == "local"
        if own.default is None or not (stays or f"{OWN}{name}" in ready):
            continue
        limit = _AT_ONCE
        while limit > 0:
            with mirror.database.writing() as connection:
                limit = _AT_ONCE if stays else min(_AT_ONCE, _allowed(connection, mirror))
                lacking = accounts_without(connection, mirror.company_id, name, limit)
                now = mirror.clock.now()
                for one in lacking:
                    set_own_field(connection, mirror.company_id, one, name, own.default, by=ENGINE, at=now)
            if len(lacking) < limit:
                break


def _follow(mirror: Mirror, filled: _Filled) -> None:
    """Own fields follow their custom field where that was changed at Pipedrive."""
    name = filled.source.name
    while True:
        with mirror.database.writing() as connection:
            now, company_id = mirror.clock.now(), mirror.company_id
            differing = list(differing_accounts(connection, company_id, name, filled.code, _AT_ONCE))
            for one, value in differing:
                own = from_api(filled.source, value, filled.options)
                set_own_field(connection, company_id, one, name.removeprefix(OWN), own, at=now)
                save_filled_value(connection, company_id, one, name, value, now)
        if len(differing) < _AT_ONCE:
            return


def _compute(mirror: Mirror, computed: Sequence[_Filled]) -> None:
    """Computed values that really changed become edits, as many as the reserve allows; those of an account together."""
    before = mirror.clock.now() - timedelta(seconds=mirror.settings.write_back.computed_interval)
    looked_at, limit = 1, 1
    while looked_at and limit:
        with mirror.database.writing() as connection:
            limit = min(_AT_ONCE, _allowed(connection, mirror))
            looked_at = sum(_fill_in(connection, mirror, filled, before, limit) for filled in computed)


def _fill_in(connection: Connection, mirror: Mirror, filled: _Filled, before: datetime, limit: int) -> int:
    """Fill in one source's values of some accounts that changed since before a moment; how many were looked at."""
    company_id, source, now = mirror.company_id, filled.source, mirror.clock.now()
    stale = stale_accounts(connection, company_id, source.name, written_before=before, limit=limit)
    for account, last in stale:
        one, value = account["organization_id"], computed_value(source, account)
        if not equal(last, value):
            edit_custom_field(connection, company_id, one, filled.code, value, by=ENGINE, at=now)
        save_filled_value(connection, company_id, one, source.name, value, now)
    return len(stale)


def _allowed(connection: Connection, mirror: Mirror) -> int:
    """How many more accounts may be filled with what is left of the day's reserve for changes."""
    tokens = token_state(mirror.budget, mirror.settings, mirror.clock.now())
    reserve = mirror.settings.budget.reserve * tokens.our_limit
    left = reserve - tokens.used_by_purpose.get(Purpose.FILL.label, 0)
    if tokens.available is not None:
        left = min(left, tokens.available)
    return max(int(left) // _WRITE_COST - count_edited_by(connection, mirror.company_id, ENGINE), 0)
