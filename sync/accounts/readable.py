"""Custom fields as people know them: unique names instead of codes, labels and names instead of ids.

A value that fits nothing (an option that is gone, a hash) stays as it is: nothing is lost for being unknown. The API's
own shapes stay in the mirror; this is for showing. Pure functions but for one lookup of names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from sync.accounts.naming import NamedField, column_names
from sync.accounts.queries import account_columns, names_of
from sync.pipedrive.entities import ORGANIZATIONS
from sync.store.custom_fields import StoredDefinition, load_definitions

# Pipedrive API: the types of custom fields whose values are ids of records, and the tables that hold those.
_REFERS_TO: Mapping[str, str] = MappingProxyType({"user": "users", "org": "organizations", "people": "persons"})

# Names by table and id.
References = Mapping[str, Mapping[int, str]]


# Readable columns that stand beside an account's own in `v_accounts` and in exports: no custom field takes their names.
COMPANIONS = ("owner", "labels", "visibility", "industry_label", "next_activity", "created_by_deal")

# Pipedrive API: the types of custom fields whose values have a second part, and which.
_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"monetary": ("currency",), "daterange": ("until",), "timerange": ("until",)}
)


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field: its 40-character code, a name that no other one has, its type, its options' labels by id.

    `parts` are the second parts of its values, and `columns` the names of all its columns: the name, then the parts'.
    """

    code: str
    name: str
    type: str
    options: Mapping[Any, str]
    parts: Sequence[str]
    columns: Sequence[str]


def custom_fields(connection: Connection, company_id: int) -> Sequence[CustomField]:
    """The organizations' custom fields, which accounts share, by name: named as the columns of `v_accounts` are."""
    definitions = [one for one in load_definitions(connection, company_id, ORGANIZATIONS.singular) if one.is_custom]
    fields = [NamedField(one.field_code, one.field_name, _PARTS.get(one.field_type, ())) for one in definitions]
    columns = column_names(fields, [*account_columns(), *COMPANIONS])
    found = [
        CustomField(of.code, columns[of.code][0], one.field_type, options_of(one), of.parts, columns[of.code])
        for one, of in zip(definitions, fields, strict=True)
    ]
    return sorted(found, key=lambda field: (field.name.casefold(), field.code))


def labels(connection: Connection, company_id: int) -> Mapping[Any, str]:
    """What the ids in an account's `label_ids` stand for."""
    definitions = load_definitions(connection, company_id, ORGANIZATIONS.singular)
    return next((options_of(one) for one in definitions if one.field_code == "label_ids"), {})


def options_of(definition: StoredDefinition) -> Mapping[Any, str]:
    """The labels of a field's options by their ids."""
    options = definition.options if isinstance(definition.options, list) else []
    return {
        option["id"]: str(option["label"])
        for option in options
        if isinstance(option, dict) and isinstance(option.get("id"), int | str) and "label" in option
    }


def load_references(
    connection: Connection, company_id: int, fields: Sequence[CustomField], documents: Sequence[Any]
) -> References:
    """The names of all records that the `custom_fields` of some accounts refer to: one query per table."""
    wanted: dict[str, set[int]] = {}
    for field in fields:
        if field.type in _REFERS_TO:
            values = (document.get(field.code) for document in documents if isinstance(document, dict))
            wanted.setdefault(_REFERS_TO[field.type], set()).update(one for one in values if type(one) is int)
    return {table: names_of(connection, company_id, table, sorted(ids)) for table, ids in wanted.items()}


def readable(field: CustomField, value: Any, references: References) -> Any:
    """A value with labels and names in place of ids; everything else as the API has it."""
    if isinstance(value, list):
        return [readable(field, one, references) for one in value]
    if not isinstance(value, int | str) or isinstance(value, bool):
        return value
    if field.type in _REFERS_TO and isinstance(value, int):
        return references.get(_REFERS_TO[field.type], {}).get(value, value)
    return field.options.get(value, value) if field.options else value
