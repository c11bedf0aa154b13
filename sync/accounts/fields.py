"""The fields of an account that can be edited: their types, whose value wins, and what people call them.

What a field may hold comes from Pipedrive's definitions; who wins, and which fields privacy keeps out, from the
settings.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from sync.accounts.kinds import OF_USERS, STANDARD, FieldKind, FieldType, custom
from sync.accounts.overlay import OWN
from sync.accounts.own_fields import sources_of
from sync.accounts.planner import Policy, Rule
from sync.accounts.queries import load_users
from sync.accounts.readable import custom_fields
from sync.errors import SyncError
from sync.pipedrive.entities import ORGANIZATIONS
from sync.settings import OwnField, Settings, SettingsError
from sync.store.custom_fields import load_definitions
from sync.store.filled import load_filled_fields

_OPTIONAL = frozenset(column.name for column in ORGANIZATIONS.columns if column.optional)


class NoSuchField(SyncError):
    """No field of an account fits a name, or several do, or it can't be edited."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The editable fields of a company's accounts, by attribute or code."""

    rules: Mapping[str, Rule]
    names: Mapping[str, str]  # what people call them; custom fields have unique names
    hidden: frozenset[str] = frozenset()  # kept out by privacy
    own: Mapping[str, OwnField] = field(default_factory=lambda: MappingProxyType({}))  # under `fields.` and their name
    users: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, text: str) -> str:
        """The attribute or code that a text means: itself, or a name in any case. Raises `NoSuchField`."""
        wanted = text.strip()
        if wanted in self.rules or wanted in self.own:
            return wanted
        if wanted in self.hidden:
            raise NoSuchField(f"{wanted} is kept out of the database by the privacy settings, so it can't be edited.")
        named = {**self.names, **{own: own.removeprefix(OWN) for own in self.own}}
        found = [code for code, name in named.items() if name.casefold() == wanted.casefold()]
        if len(found) == 1:
            return found[0]
        alike = [name for name in named.values() if name.casefold().startswith(f"{wanted.casefold()} [")]
        if alike:  # custom fields of one name
            raise NoSuchField(f"Several fields are called {wanted!r}.", f"Say which: {', '.join(sorted(alike))}.")
        known = ", ".join(sorted(named.values(), key=str.casefold))
        raise NoSuchField(f"{wanted!r} is no field of an account that can be edited.", f"There are: {known}.")

    def readable(self, code: str, value: Any) -> Any:
        """A value with labels and names in place of ids; what has none stays as it is."""
        if isinstance(value, list):
            return [self.readable(code, one) for one in value]
        if code not in self.rules or type(value) is not int:
            return value
        kind = self.rules[code].field_type
        known = self.users if kind.kind in OF_USERS else kind.options or {}
        return known.get(value, value)

    def name_of(self, code: str) -> str:
        """What people call a field; one that is gone keeps its code."""
        return self.names.get(code, code.removeprefix(OWN))


def load_fields(connection: Connection, company_id: int, settings: Settings) -> Fields:
    """The editable fields of a company's accounts. Raises `SettingsError` for a policy of a field that is not there."""
    definitions = {one.field_code: one for one in load_definitions(connection, company_id, ORGANIZATIONS.singular)}
    types = _types(definitions)
    names = {name: name for name in STANDARD if name in types}
    names |= {one.code: one.name for one in custom_fields(connection, company_id) if one.code in types}
    hidden = _hidden(settings, names)
    shown = {code: name for code, name in names.items() if code not in hidden}
    policies = _filled(connection, company_id, settings) | _policies(settings, names)
    default = Policy(settings.write_back.policy)
    rules = {code: Rule(types[code], policies.get(code, default)) for code in shown}
    own = {f"{OWN}{name}": one for name, one in settings.own_fields.items()}
    return Fields(
        MappingProxyType(rules),
        MappingProxyType(shown),
        frozenset(hidden),
        MappingProxyType(own),
        load_users(connection, company_id),
    )


def _filled(connection: Connection, company_id: int, settings: Settings) -> dict[str, Policy]:
    """Custom fields that accounts alone fill: whatever they hold at Pipedrive, the account wins."""
    sources = sources_of(settings)
    known = load_filled_fields(connection, company_id) if sources else {}
    one_way = [known[name].field_code for name, one in sources.items() if name in known and not one.two_way]
    return {code: Policy.ACCOUNT for code in one_way if code}


def _types(definitions: Mapping[str, Any]) -> Mapping[str, FieldType]:
    types: dict[str, FieldType] = {}
    for name, standard in STANDARD.items():
        if name not in _OPTIONAL or name in definitions:  # some plans only have them
            options = _options(definitions.get(name))
            has_options = standard.kind in (FieldKind.LABELS, FieldKind.ENUM)
            types[name] = FieldType(standard.kind, options) if has_options and options else standard
    for code, definition in definitions.items():
        if definition.is_custom and (known := custom(definition.field_type, _options(definition))):
            types[code] = known
    return types


def _options(definition: Any) -> Mapping[int, str] | None:
    """The labels of a field's options by id; None where it has none."""
    options = definition.options if definition is not None and isinstance(definition.options, list) else []
    known = {one["id"]: str(one["label"]) for one in options if isinstance(one, dict) and type(one.get("id")) is int}
    return known or None


def _hidden(settings: Settings, names: Mapping[str, str]) -> set[str]:
    prefix = f"{ORGANIZATIONS.name}."
    kept_out = [one.removeprefix(prefix) for one in (*settings.privacy.leave_out, *settings.privacy.hash)]
    return {code for one in kept_out for code in _called(one, names)}


def _policies(settings: Settings, names: Mapping[str, str]) -> dict[str, Policy]:
    policies: dict[str, Policy] = {}
    unknown: list[str] = []
    for name, policy in settings.write_back.fields.items():
        found = _called(name, names)
        policies |= dict.fromkeys(found, Policy(policy))
        if not found:
            unknown.append(name)
    if unknown:
        raise SettingsError(
            f"Wrong in [write_back.fields]: no field of an organization is called {', '.join(unknown)}.",
            "Give the name of a custom field, its 40-character code, or an attribute like owner_id.",
        )
    return policies


def _called(text: str, names: Mapping[str, str]) -> Collection[str]:
    found: Sequence[str] = [code for code, name in names.items() if name.casefold() == text.casefold()]
    return [text] if text in names else found
