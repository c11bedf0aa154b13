"""The field definitions of a company: system fields, custom fields of every type, and their options.

Definitions are kept in the shape in which `GET /api/v2/{entity}Fields` answers. Deleting a field or an option here
touches the definition only; the company removes the values.
"""

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType

from sync.sandbox.entities import ENTITIES
from sync.sandbox.records import ADDRESS_PARTS, Record

FIELD_ENTITIES = ("organizations", "deals", "persons", "activities")
CUSTOM_TYPES = (
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "enum",
    "set",
    "user",
    "org",
    "people",
    "phone",
    "date",
    "daterange",
    "time",
    "timerange",
    "address",
)
_SYSTEM_TYPES: Mapping[str, str] = {
    "name": "varchar",
    "user": "user",
    "time": "date",
    "visibility": "visible_to",
    "labels": "set",
    "address": "address",
    "string": "text",
    "integer": "int",
    "number": "double",
    "person": "people",
    "organization": "org",
    "pipeline": "double",
    "stage": "stage",
    "currency": "varchar",
    "status": "status",
    "date": "date",
    "boolean": "boolean",
    "contacts": "phone",
    "activity_type": "varchar_options",
    "deal": "deal",
    "clock": "time",
    "participants": "json",
}
_SUBFIELDS: Mapping[str, Sequence[str]] = {
    "address": ADDRESS_PARTS,
    "monetary": ("value", "currency"),
    "daterange": ("value", "until"),
    "timerange": ("value", "until"),
    "time": ("value", "timezone_name"),
}
_VISIBILITIES = {1: "Item owner", 3: "Item owner’s visibility group", 5: "…and sub-groups", 7: "All users"}
_LABELS = ("Kunde", "Hot lead", "Lieferant", "VIP ⭐")


class Fields:
    """Field definitions by entity and code, in the order of their creation."""

    def __init__(self) -> None:
        self._last_option_id = 0
        self._last_place = 0
        self._fields: dict[str, dict[str, Record]] = {entity: {} for entity in FIELD_ENTITIES}
        self._places: dict[tuple[str, str], int] = {}
        for entity in FIELD_ENTITIES:
            for code, kind in ENTITIES[entity].attributes.items():
                if code != "custom_fields":
                    self._add(entity, system_field(entity, code, kind))
        for entity in ("organizations", "deals", "persons"):
            self._fields[entity]["label_ids"]["options"] = [self._option(label, "green") for label in _LABELS]

    def all(self, entity: str) -> list[Record]:
        """Copies of all definitions of an entity."""
        return deepcopy(list(self._fields[entity].values()))

    def page(self, entity: str, from_place: int, limit: int) -> tuple[list[Record], int | None]:
        """Definitions from a place on, and the place where the next page starts (None at the end)."""
        places = [(self._places[entity, code], field) for code, field in self._fields[entity].items()]
        rest = [(place, field) for place, field in places if place >= from_place]
        following = rest[limit][0] if len(rest) > limit else None
        return deepcopy([field for _, field in rest[:limit]]), following

    def get(self, entity: str, code: str) -> Record:
        """A copy of the definition. Raises KeyError if there is none."""
        return deepcopy(self._fields[entity][code])

    def custom(self, entity: str) -> Mapping[str, Record]:
        """The custom fields of an entity by code. Not copies: for reading only."""
        own = self._fields.get(entity, {})
        return MappingProxyType({code: field for code, field in own.items() if field["is_custom_field"]})

    def option_ids(self, entity: str, code: str) -> set[int]:
        """The ids of a field's options."""
        return {option["id"] for option in self._fields[entity][code]["options"] or ()}

    def add(
        self, entity: str, name: str, field_type: str, options: Sequence[str] = (), *, code: str | None = None
    ) -> Record:
        """Create a custom field and return its definition; `field_code` is its 40-character key."""
        if field_type not in CUSTOM_TYPES:
            raise ValueError(f"Pipedrive has no custom fields of type {field_type}")
        seed = f"{entity}/{name}/{self._last_place}"
        definition = _definition(code or hashlib.sha1(seed.encode()).hexdigest(), name, field_type, custom=True)
        if field_type in ("enum", "set"):
            definition["options"] = [self._option(label) for label in options]
        self._add(entity, definition)
        return deepcopy(definition)

    def rename(self, entity: str, code: str, name: str) -> Record:
        """Give a field another name; its code stays."""
        self._fields[entity][code]["field_name"] = name
        return self.get(entity, code)

    def delete(self, entity: str, code: str) -> Record:
        """Remove a definition and return it. Raises KeyError if there is none."""
        del self._places[entity, code]
        return self._fields[entity].pop(code)

    def add_options(self, entity: str, code: str, labels: Sequence[str]) -> list[Record]:
        """Add options to an enum or set field; returns the new ones."""
        added = [self._option(label) for label in labels]
        self._fields[entity][code]["options"].extend(added)
        return deepcopy(added)

    def rename_options(self, entity: str, code: str, labels: Mapping[int, str]) -> list[Record]:
        """Change labels by option id; ids stay. Returns the options changed."""
        changed = [option for option in self._fields[entity][code]["options"] if option["id"] in labels]
        for option in changed:
            option["label"] = labels[option["id"]]
        return deepcopy(changed)

    def delete_options(self, entity: str, code: str, option_ids: set[int]) -> list[Record]:
        """Remove options by id; returns the ones removed."""
        field = self._fields[entity][code]
        removed = [option for option in field["options"] if option["id"] in option_ids]
        field["options"] = [option for option in field["options"] if option["id"] not in option_ids]
        return removed

    def snapshot(self) -> dict[str, list[Record]]:
        """All definitions of all entities."""
        return {entity: self.all(entity) for entity in FIELD_ENTITIES}

    def _option(self, label: str, color: str | None = None) -> Record:
        self._last_option_id += 1
        option: Record = {"id": self._last_option_id, "label": label}
        return option | {"color": color} if color else option

    def _add(self, entity: str, definition: Record) -> None:
        self._last_place += 1
        if entity in ("deals", "activities"):
            definition.setdefault("description", "")
        self._fields[entity][definition["field_code"]] = definition
        self._places[entity, definition["field_code"]] = self._last_place


def system_field(entity: str, code: str, kind: str | None) -> Record:
    """The definition of a built-in attribute."""
    field_type = {"id": "int", "value": "monetary"}.get(code) or _SYSTEM_TYPES.get(kind or "", "varchar")
    if code.endswith("_time") and field_type == "varchar":
        field_type = "date"
    name = {"name": "Name", "title": "Title"}.get(code, code.replace("_", " ").capitalize())
    definition = _definition(code, name, field_type, custom=False)
    if field_type == "visible_to":
        definition["options"] = [{"id": key, "label": label} for key, label in _VISIBILITIES.items()]
    if entity == "activities" and code == "busy":
        definition["field_name"] = "Free/busy"
    return definition


def _definition(code: str, name: str, field_type: str, *, custom: bool) -> Record:
    parts = _SUBFIELDS.get(field_type)
    return {
        "field_name": name,
        "field_code": code,
        "field_type": field_type,
        "options": None,
        "subfields": None if parts is None else [_subfield(part, name) for part in parts],
        "is_custom_field": custom,
        "is_optional_response_field": False,
    }


def _subfield(part: str, name: str) -> Record:
    label = part.replace("_", " ").capitalize()
    return {
        "field_code": part,
        "field_name": f"{label} of {name}",
        "field_type": "double" if name == "Value" and part == "value" else "varchar",
    }
