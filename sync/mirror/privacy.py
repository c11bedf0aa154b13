"""What never reaches the database, or only as a hash: applied to every record before anything else sees it.

The settings name entities, attributes, and custom fields by name or code; names are looked up in the field definitions,
which is why those are always read first. A name that fits nothing stops the run: a typing error must not leak.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from sync.pipedrive.entities import BY_NAME, ENTITIES, Entity
from sync.pipedrive.events import api_name
from sync.pipedrive.records import Record
from sync.settings import Privacy as PrivacySettings
from sync.settings import SettingsError
from sync.store.database import encode_json


class Treatment(Enum):
    """What happens to a value."""

    KEEP = "keep"
    HASH = "hash"
    LEAVE_OUT = "leave out"


@dataclass(frozen=True, slots=True)
class Definition:
    """What privacy needs to know of a field."""

    name: str
    is_custom: bool


# Per entity name, its field definitions by code.
Definitions = Mapping[str, Mapping[str, Definition]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What happens to the records of one entity."""

    left_out: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    custom: Mapping[str, Treatment] = field(default_factory=lambda: MappingProxyType({}))  # by code; others are unknown


@dataclass(frozen=True, slots=True)
class Privacy:
    """The rules, with every name resolved."""

    entities: frozenset[str] = frozenset()  # left out whole
    rules: Mapping[str, Rules] = field(default_factory=lambda: MappingProxyType({}))
    key: bytes = b""

    def keeps(self, entity: Entity) -> bool:
        """Whether the entity is mirrored at all."""
        return entity.name not in self.entities

    def apply(self, entity: Entity, record: Record) -> Record:
        """The record as it may be stored."""
        rules = self.rules.get(entity.name)
        if rules is None:
            return record
        kept = {name: self._shown(name, value, rules.left_out, rules.hashed) for name, value in record.items()}
        custom = kept.get("custom_fields")
        if custom is not None:
            custom = custom if isinstance(custom, dict) else {}  # what can't be told apart can't be kept apart
            kept["custom_fields"] = {
                code: self._hash(value) if rules.custom[code] is Treatment.HASH and value is not None else value
                for code, value in custom.items()
                # A field whose definition was not read yet may be one that must not be stored.
                if rules.custom.get(code, Treatment.LEAVE_OUT) is not Treatment.LEAVE_OUT
            }
        return kept

    def strip(self, entity: Entity, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A webhook's body as it may be stored: the same object where the entity has no rules.

        What is to be hashed goes too: a payload shows it in another shape than the record, which is read for it.
        """
        rules = self.rules.get(entity.name)
        if rules is None:
            return body
        told = {part: body.get(part) for part in ("data", "previous")}
        shown = {part: record and _stripped(entity, rules, record) for part, record in told.items()}
        return {"meta": body["meta"], **shown}

    def _shown(self, name: str, value: Any, left_out: frozenset[str], hashed: frozenset[str]) -> Any:
        if name in left_out:
            return None  # and not absent: what was stored before the setting goes too
        return self._hash(value) if name in hashed and value is not None else value

    def _hash(self, value: Any) -> str:
        digest = hmac.new(self.key, encode_json(value).encode(), hashlib.sha256).hexdigest()
        return f"hmac-sha256:{digest}"


def _stripped(entity: Entity, rules: Rules, payload: Mapping[str, Any]) -> Record:
    """What a payload tells of a record, without what the rules bear on, whatever the payload calls it."""
    hidden = rules.left_out | rules.hashed
    hidden |= {code for code, treatment in rules.custom.items() if treatment is not Treatment.KEEP}
    kept = {name: value for name, value in payload.items() if api_name(entity, name) not in hidden}
    custom = kept.pop("custom_fields", None)
    if isinstance(custom, dict):  # what can't be told apart can't be kept apart
        shown = rules.custom.keys() - hidden
        kept["custom_fields"] = {code: value for code, value in custom.items() if code in shown}
    return kept


# What other records repeat of an entity that is left out.
_ECHOES: Mapping[str, tuple[str, ...]] = MappingProxyType({"persons": ("notes.person", "files.person_name")})


def resolve_privacy(settings: PrivacySettings, definitions: Definitions, *, complete: bool = True) -> Privacy:
    """The rules with every name looked up.

    Unless the definitions are `complete`, an entity without any may have fields that nobody has read yet: where a name
    of its may be that of one, all its custom fields are dropped. Raises `SettingsError` that lists every name that fits
    nothing, or without which there is no mirror.
    """
    mistakes: list[str] = []
    entities = frozenset(name for name in settings.leave_out if "." not in name)
    mistakes += [message for name in sorted(entities) if (message := _mistake_in_entity(name))]
    treatments: dict[str, dict[str, Treatment]] = {}
    left_out = (*settings.leave_out, *(echo for name in sorted(entities) for echo in _ECHOES.get(name, ())))
    for treatment, names in ((Treatment.HASH, settings.hash), (Treatment.LEAVE_OUT, left_out)):
        for name in names:
            if name not in entities:
                entity_name, parts = _parts(name, definitions, complete, mistakes)
                treatments.setdefault(entity_name, {}).update(dict.fromkeys(parts, treatment))
    if mistakes:
        raise SettingsError("Wrong in [privacy]: " + "; ".join(mistakes) + ".", "Correct leave_out or hash.")
    rules = {name: _rules(parts, definitions.get(name, {})) for name, parts in treatments.items()}
    key = settings.hash_key.get_secret_value().encode() if settings.hash_key else b""
    return Privacy(entities, rules, key)


def _mistake_in_entity(name: str) -> str | None:
    if name not in BY_NAME:
        return (
            f"{name} is no entity ({', '.join(entity.name for entity in ENTITIES if entity.optional)} can be left out)"
        )
    return None if BY_NAME[name].optional else f"{name} can't be left out: accounts are made of it"


def _parts(name: str, definitions: Definitions, complete: bool, mistakes: list[str]) -> tuple[str, list[str]]:
    """The entity and the attributes or custom field codes that a name like `persons.phones` means."""
    entity_name, _, part = name.partition(".")
    entity = BY_NAME.get(entity_name)
    if entity is None:
        mistakes.append(f"{entity_name} (of {name}) is no entity")
        return entity_name, []
    if any(column.name == part and column.needed for column in entity.columns):
        mistakes.append(f"{name} can't be left out or hashed: the mirror needs it")
        return entity_name, []
    defined = definitions.get(entity_name, {})
    custom = {code: definition.name for code, definition in defined.items() if definition.is_custom}
    if part in entity.column_names or part in custom:
        return entity_name, [part]
    called = [code for code, name in custom.items() if name.casefold() == part.casefold()]
    if not called and (complete or defined or not entity.has_custom_fields):
        mistakes.append(f"{name} is neither an attribute nor a custom field")
    return entity_name, called


def _rules(parts: Mapping[str, Treatment], defined: Mapping[str, Definition]) -> Rules:
    custom = {code: parts.get(code, Treatment.KEEP) for code, definition in defined.items() if definition.is_custom}
    return Rules(
        left_out=frozenset(part for part, how in parts.items() if how is Treatment.LEAVE_OUT and part not in custom),
        hashed=frozenset(part for part, how in parts.items() if how is Treatment.HASH and part not in custom),
        custom=MappingProxyType(custom),
    )
