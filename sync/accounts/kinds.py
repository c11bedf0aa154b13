"""What kinds of values the fields of an account have: the attributes every account shares, and Pipedrive's types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class FieldKind(StrEnum):
    """What sort of value a field holds. Those from `varchar` on are Pipedrive's types of custom fields."""

    NAME = "name"
    OWNER = "owner"
    LABELS = "labels"
    VISIBILITY = "visibility"
    WHOLE = "whole"
    VARCHAR = "varchar"
    VARCHAR_AUTO = "varchar_auto"
    TEXT = "text"
    DOUBLE = "double"
    MONETARY = "monetary"
    ENUM = "enum"
    SET = "set"
    USER = "user"
    ORG = "org"
    PEOPLE = "people"
    PHONE = "phone"
    DATE = "date"
    DATERANGE = "daterange"
    TIME = "time"
    TIMERANGE = "timerange"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class FieldType:
    """A kind, and the labels of its options by id. None: the options aren't known here, and Pipedrive has to judge."""

    kind: FieldKind
    options: Mapping[int, str] | None = field(default=None, hash=False)


STANDARD: Mapping[str, FieldType] = MappingProxyType(
    {
        "name": FieldType(FieldKind.NAME),
        "owner_id": FieldType(FieldKind.OWNER),
        "address": FieldType(FieldKind.ADDRESS),
        "label_ids": FieldType(FieldKind.LABELS),
        "visible_to": FieldType(FieldKind.VISIBILITY),
        "website": FieldType(FieldKind.VARCHAR),
        "linkedin": FieldType(FieldKind.VARCHAR),
        "industry": FieldType(FieldKind.ENUM),
        "annual_revenue": FieldType(FieldKind.DOUBLE),
        "employee_count": FieldType(FieldKind.WHOLE),
    }
)
"""The attributes every account shares with its organization. The options of labels and industry differ by company."""

OF_USERS = frozenset({FieldKind.OWNER, FieldKind.USER})

_OF_ATTRIBUTES = ("name", "owner", "labels", "visibility", "whole")


def custom(field_type: str, options: Mapping[int, str] | None = None) -> FieldType | None:
    """The type of a custom field, by Pipedrive's name of it. None for one that is not known here."""
    if field_type in _OF_ATTRIBUTES or field_type not in list(FieldKind):
        return None
    return FieldType(FieldKind(field_type), options)
