"""Fields that accounts have by themselves, and what of an account fills custom fields of its organization.

An own field holds what a person reads: labels, not ids. What fills a custom field is a `Source`: an own field that goes
to Pipedrive, or a computed value. Pure functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sync.accounts.kinds import FieldKind, FieldType
from sync.accounts.overlay import OWN
from sync.accounts.values import Unfit, check, parse
from sync.settings import OwnField, Settings

# Who edits where nobody does: computed values and defaults.
ENGINE = "pipedrive-sync"

_KINDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "text": FieldKind.VARCHAR,
        "number": FieldKind.DOUBLE,
        "date": FieldKind.DATE,
        "enum": FieldKind.ENUM,
        "set": FieldKind.SET,
    }
)
_COMPUTED: Mapping[str, FieldKind] = MappingProxyType(
    {
        "won_value": FieldKind.MONETARY,
        "won_deals_count": FieldKind.DOUBLE,
        "created_at": FieldKind.DATE,
        "last_won_time": FieldKind.DATE,
        "next_activity_due_date": FieldKind.DATE,
        "status": FieldKind.VARCHAR,
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """What fills a custom field of the organizations: its name, and the field's title, type and options there."""

    name: str  # `fields.` and an own field's name, or a computed column
    title: str
    kind: FieldKind
    options: tuple[str, ...] = ()
    two_way: bool = False

    @property
    def is_computed(self) -> bool:
        return not self.name.startswith(OWN)


def sources_of(settings: Settings) -> Mapping[str, Source]:
    """Everything that is to fill a custom field, by name."""
    found = [
        Source(f"{OWN}{name}", own.title or name, _KINDS[own.type], own.options, own.to == "two-way")
        for name, own in settings.own_fields.items()
        if own.to != "local"
    ]
    found += [Source(name, title, _COMPUTED[name]) for name, title in settings.computed_fields.items()]
    return MappingProxyType({one.name: one for one in found})


def fit_own(own: OwnField, value: Any) -> Any:
    """The value as an own field holds it: labels of options. Raises `Unfit`."""
    if own.type in ("enum", "set"):
        chosen = value if isinstance(value, list) else [] if value is None or value == "" else [value]
        fitting = [_label(own, one) for one in chosen]
        if own.type == "set":
            return fitting or None
        if len(fitting) > 1:
            raise Unfit("it must be one of its options")
        return fitting[0] if fitting else None
    return check(FieldType(_KINDS[own.type]), value)


def parse_own(own: OwnField, text: str) -> Any:
    """The value that a person typed for an own field; an empty text clears. Raises `Unfit`."""
    if own.type == "set":
        return fit_own(own, [part.strip() for part in text.split(",") if part.strip()])
    return fit_own(own, text.strip()) if own.type == "enum" else parse(FieldType(_KINDS[own.type]), text)


def _label(own: OwnField, value: Any) -> str:
    for option in own.options:
        if isinstance(value, str) and option.casefold() == value.strip().casefold():
            return option
    raise Unfit(f"it must be one of its options: {', '.join(own.options)}")


def to_api(source: Source, value: Any, options: Mapping[int, str] | None) -> Any:
    """An own field's value as the custom field holds it: ids of options. Raises `Unfit`."""
    if source.kind not in (FieldKind.ENUM, FieldKind.SET) or value is None:
        return value
    ids = {label.casefold(): one for one, label in (options or {}).items()}
    labels = value if isinstance(value, list) else [value]
    missing = [str(one) for one in labels if str(one).casefold() not in ids]
    if missing:
        raise Unfit(f"the field at Pipedrive has no option {', '.join(missing)}")
    chosen = [ids[str(one).casefold()] for one in labels]
    return chosen if source.kind is FieldKind.SET else chosen[0]


def from_api(source: Source, value: Any, options: Mapping[int, str] | None) -> Any:
    """A custom field's value as the own field holds it. What has no label stays as it is."""
    known = options or {}
    if source.kind is FieldKind.SET and isinstance(value, list):
        return [known.get(one, one) for one in value] or None
    return known.get(value, value) if source.kind is FieldKind.ENUM and isinstance(value, int) else value


def computed_value(source: Source, account: Mapping[str, Any]) -> Any:
    """A computed value of an account as the custom field is to hold it."""
    value = account[source.name]
    if value is None:
        return None
    match source.kind:
        case FieldKind.MONETARY:
            return {"value": _number(value), "currency": account["currency"]} if account["currency"] else None
        case FieldKind.DATE:
            return str(value)[:10]
        case FieldKind.DOUBLE:
            return _number(value)
        case _:
            return str(value)


def _number(value: Any) -> int | float:
    exact = Decimal(value)
    return int(exact) if exact == exact.to_integral_value() else float(exact)
