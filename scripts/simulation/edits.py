"""What people do to an account here and to its organization at Pipedrive, by chance; and the diary that tells of it.

The diary is the simulation's own: it holds what was done on either side in the order in which it happened, and knows
nothing of how the program keeps track of it.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from sync.clock import Clock
from sync.sandbox import Change, Sandbox
from sync.store.database import Database
from sync.store.edits import unpark
from sync.store.schema import accounts

ATTRIBUTES = ("name", "owner_id", "label_ids", "address", "visible_to")
_TYPES = ("varchar", "text", "double", "monetary", "enum", "set", "date", "time", "address")
_AT_ONCE = 5  # fields that a history is about
_OWN = ("tier", "note")
_WHO = ("alice", "import", None)

# What no field of a type can hold; Pipedrive is asked only about the owner.
_UNFIT: Mapping[str, Sequence[Any]] = {
    "name": ["  "],
    "owner_id": [999],
    "label_ids": [[4711]],
    "visible_to": [2],
    "varchar": [17],
    "double": ["much"],
    "monetary": [{"value": 5}],
    "enum": [4711, "Nord"],
    "set": [[4711]],
    "date": ["soon"],
    "time": [{"value": "noon"}],
}


def meant(value: Any) -> Any:
    """What a value means, in a form that can be compared: the spelling of a program or of Pipedrive aside."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list):
        return tuple(sorted(value, key=str)) or None
    if isinstance(value, dict):
        told = meant(value.get("value"))
        return (told, str(value["currency"]).upper()) if "currency" in value else told
    return value


@dataclass(frozen=True, slots=True)
class Here:
    """One field of one account, edited here: the `number`-th entry. `writes`: how many had come in there by then."""

    number: int
    organization: int
    field: str
    old: Any
    new: Any
    at: datetime
    writes: int


@dataclass(frozen=True, slots=True)
class There:
    """A change of an organization at Pipedrive; `writes` and `calls`: how many had come in by then."""

    change: Change
    writes: int
    calls: int

    @property
    def is_ours(self) -> bool:
        """Whether one of the program's own writes made it."""
        return self.change.source == "api"

    def value(self, name: str, *, before: bool = False) -> Any:
        """A field after it or before it."""
        return value_of(self.change.before if before else self.change.after, name)

    def changed(self) -> set[str]:
        """The fields whose values mean something else after it."""
        return {one for one in names_in(self.change.before) | names_in(self.change.after) if self._differs(one)}

    def _differs(self, name: str) -> bool:
        return bool(meant(self.value(name, before=True)) != meant(self.value(name)))


Entry = Here | There


@dataclass(slots=True)
class Diary:
    """All that happened, in its order."""

    beginning: Mapping[int, Mapping[str, Any]]  # the organizations as they were
    entries: list[Entry] = field(default_factory=list)
    deleted_fields: set[str] = field(default_factory=set)

    def lineage(self, organization: int) -> set[int]:
        """An organization, and all that were merged into it."""
        lineage = {organization}
        for one in reversed(self.there()):
            if one.change.id in lineage and one.change.merged_from_id is not None:
                lineage.add(one.change.merged_from_id)
        return lineage

    def heirs(self, organization: int) -> set[int]:
        """An organization, and those that it was merged into, one after the other."""
        heirs = {organization}
        for one in self.there():
            if one.change.id in heirs and one.change.merged_to_id is not None:
                heirs.add(one.change.merged_to_id)
        return heirs

    def here(self) -> list[Here]:
        return [one for one in self.entries if isinstance(one, Here)]

    def there(self) -> list[There]:
        return [one for one in self.entries if isinstance(one, There)]


def value_of(record: Mapping[str, Any] | None, name: str) -> Any:
    """A shared field of an organization or an account, whether it is an attribute or a custom field."""
    if record is None:
        return None
    return record[name] if name in ATTRIBUTES else (record["custom_fields"] or {}).get(name)


def names_in(record: Mapping[str, Any] | None) -> set[str]:
    """The shared fields that a record has."""
    return set() if record is None else {*ATTRIBUTES, *(record["custom_fields"] or {})}


class People:
    """Everybody who edits: here by SQL, there in Pipedrive's own pages and by its automations."""

    def __init__(self, sandbox: Sandbox, database: Database, clock: Clock, rng: random.Random) -> None:
        self.company = sandbox.company
        self.diary = Diary({record["id"]: record for record in self.company.all("organizations")})
        self.last: list[int] = []  # the organizations whose accounts were edited here last
        self._api = sandbox.api
        self._database = database
        self._clock = clock
        self._random = rng
        self._count = 0
        definitions = self.company.fields.custom("organizations")
        codes = {definitions[code]["field_type"]: code for code in sorted(definitions, reverse=True)}
        self.types = {name: name for name in ATTRIBUTES} | {codes[one]: one for one in _TYPES}
        self.fields = rng.sample(sorted(self.types), _AT_ONCE)
        option_ids = self.company.fields.option_ids
        self._options = {
            name: sorted(option_ids("organizations", name))
            for name, kind in self.types.items()
            if kind in ("enum", "set", "label_ids")
        }
        self.company.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        if change.entity == "organizations":
            self.diary.entries.append(There(change, len(self._api.writes), len(self._api.calls)))

    # Here

    def edit_here(self, organization: int | None = None) -> None:
        """One statement of SQL by some program."""
        ways: list[tuple[float, Callable[[int], None]]] = [
            (5, self._edit_some),
            (1, self._edit_unfit),
            (1, self._take_back),
            (1, self._say_the_same),
            (0.6, lambda _one: self._edit_many()),
            (0.6, self._edit_own),
        ]
        one = organization or self._account()
        if one is not None:
            self._random.choices([way for _, way in ways], [weight for weight, _ in ways])[0](one)

    def retry_parked(self) -> None:
        """Somebody asks for what is parked to be tried again."""
        with self._database.writing() as connection:
            unpark(connection, self.company.id)

    def _account(self) -> int | None:
        with self._database.reading() as connection:
            ids = sorted(connection.scalars(select(accounts.c.organization_id)))
        recent = [one for one in self.last if one in ids]
        if recent and self._random.random() < 0.5:
            return self._random.choice(recent)
        return self._random.choice(ids) if ids else None

    def _edit_some(self, organization: int) -> None:
        names = self._random.sample(self.fields, self._random.choice([1, 1, 1, 2, 3]))
        self._set([organization], {name: self._sloppy(name, self._value(name)) for name in names})

    def _edit_unfit(self, organization: int) -> None:
        name = self._random.choice(self.fields)
        self._set([organization], {name: self._random.choice(_UNFIT.get(self.types[name], [None]))})

    def _edit_many(self) -> None:
        """One statement over many accounts."""
        name = self._random.choice([one for one in self.fields if one in ATTRIBUTES] or ["owner_id"])
        with self._database.reading() as connection:
            ids = sorted(connection.scalars(select(accounts.c.organization_id)))
        self._set(self._random.sample(ids, (len(ids) + 1) // 2), {name: self._value(name)})

    def _take_back(self, organization: int) -> None:
        mine = [one for one in self.diary.here() if one.organization == organization and one.field in self.types]
        if mine:
            self._set([organization], {mine[-1].field: mine[-1].old})

    def _say_the_same(self, organization: int) -> None:
        """What Pipedrive has already."""
        if record := self.company.find("organizations", organization):
            name = self._random.choice(self.fields)
            self._set([organization], {name: value_of(record, name)})

    def _edit_own(self, organization: int) -> None:
        name = self._random.choice(_OWN)
        value = self._random.choice([None, self._text("own")])
        with self._database.writing() as connection:
            row = self._row(connection, organization)
            own = {**(row["fields"] or {}), name: value}
            self._update(connection, organization, fields=own)
        self._note(organization, f"fields.{name}", (row["fields"] or {}).get(name), value)

    def _set(self, organizations: Collection[int], values: Mapping[str, Any]) -> None:
        """Set fields of some accounts in one transaction; what changed anything is put into the diary."""
        attributes = {name: value for name, value in values.items() if name in ATTRIBUTES}
        custom = {name: value for name, value in values.items() if name not in ATTRIBUTES}
        whole = self._random.random() < 0.5
        with self._database.writing() as connection:
            shown = {one: dict(self._row(connection, one)) for one in organizations}
            for one in organizations:
                columns = dict(attributes)
                if custom:  # what is left out of them is unchanged
                    columns["custom_fields"] = {**(shown[one]["custom_fields"] or {}), **custom} if whole else custom
                self._update(connection, one, **columns)
        for one in organizations:
            for name, value in values.items():
                self._note(one, name, value_of(shown[one], name), value)

    def _row(self, connection: Connection, organization: int) -> RowMapping:
        query = select(accounts).where(accounts.c.organization_id == organization)
        return connection.execute(query.with_for_update()).mappings().one()

    def _update(self, connection: Connection, organization: int, **columns: Any) -> None:
        who = {"edited_at": self._clock.now(), "edited_by": self._random.choice(_WHO)}
        mine = accounts.c.organization_id == organization
        connection.execute(update(accounts).where(mine).values(**columns, **who))

    def _note(self, organization: int, name: str, old: Any, new: Any) -> None:
        if meant(old) != meant(new):
            number, writes = len(self.diary.entries), len(self._api.writes)
            self.diary.entries.append(Here(number, organization, name, old, new, self._clock.now(), writes))
            self.last = [*self.last, organization][-3:]

    # There

    def edit_there(self, organization: int | None = None) -> None:
        """Somebody edits an organization at Pipedrive; where one is given, mostly a field that was edited here too."""
        one = organization or self._organization()
        if one is None or self.company.get("organizations", one)["is_deleted"]:
            return
        values: dict[str, Any] = {}
        names = self._random.sample(self.fields, self._random.choice([1, 1, 1, 2]))
        if organization and self._random.random() < 0.6:
            edited = [it.field for it in self.diary.here() if it.organization == one and it.field in self.types]
            names = edited[-1:] or names
        for name in names:
            if name not in self.diary.deleted_fields:
                values[name] = self._there(one, name)
        custom = {name: values.pop(name) for name in list(values) if name not in ATTRIBUTES}
        body = {**values, "custom_fields": custom} if custom else values
        self.company.update("organizations", one, body, user_id=self._random.randint(1, 4))

    def edit_deal(self) -> None:
        """A deal is won or reopened: accounts come and go."""
        deal = self._random.choice([one["id"] for one in self.company.all("deals") if not one["is_archived"]])
        self._random.choice([self.company.win_deal, self.company.reopen_deal])(deal)

    def lose(self) -> None:
        """An organization is deleted or merged into another one, or a custom field is deleted."""
        live = [record["id"] for record in self.company.all("organizations")]
        one = self._organization()
        if one is None or one not in live or len(live) < 4:
            return
        custom = [name for name in self.fields if name not in ATTRIBUTES and name not in self.diary.deleted_fields]
        match self._random.choice(["delete", "merge", "merge", "field"]):
            case "delete":
                self.company.delete("organizations", one)
            case "merge":
                other = self._random.choice([it for it in live if it != one])
                self.company.merge_organizations(*self._random.sample([one, other], 2))
            case "field" if custom:
                name = self._random.choice(custom)
                self.company.delete_field("organizations", name)
                self.diary.deleted_fields.add(name)

    def _organization(self) -> int | None:
        if self.last and self._random.random() < 0.7:
            return self._random.choice(self.last)
        live: list[int] = [record["id"] for record in self.company.all("organizations")]
        return self._random.choice(live) if live else None

    def _there(self, organization: int, name: str) -> Any:
        """Mostly something new; now and then what was said here, or what was there before."""
        said = [one.new for one in self.diary.here() if (one.organization, one.field) == (organization, name)]
        had = [one.value(name, before=True) for one in self.diary.there() if one.change.id == organization]
        fitting = [value for value in (*said[-1:], *had[-1:]) if value not in _UNFIT.get(self.types[name], ())]
        if fitting and self._random.random() < 0.25:
            return self._spelled(name, self._random.choice(fitting))
        return self._value(name)

    # Values

    def _text(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix} {self._count} ü"

    def _value(self, name: str) -> Any:
        """A value that nobody has written yet, where there are enough of them."""
        chance, kind = self._random, self.types.get(name, name)
        options = self._options.get(name, [])
        if name not in ("name", "owner_id", "label_ids", "visible_to") and chance.random() < 0.15:
            return None
        match kind:
            case "owner_id":
                return chance.randint(1, 5)
            case "visible_to":
                return chance.choice([1, 3, 5, 7])
            case "label_ids":
                return chance.sample(options, chance.randint(0, 2))
            case "address":
                return {"value": self._text("Weg"), "locality": "Bonn"}
            case "double":
                return chance.choice([0, 1, 2.5, chance.randint(10, 10_000)])
            case "monetary":
                return {"value": chance.randint(10, 10_000), "currency": chance.choice(["EUR", "USD"])}
            case "enum":
                return chance.choice(options)
            case "set":
                return sorted(chance.sample(options, chance.randint(1, 2)))
            case "date":
                return f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
            case "time":
                return {"value": f"{chance.randint(10, 23)}:{chance.randint(10, 59)}:00", "timezone_name": "Etc/UTC"}
            case _:
                return self._text("name")

    def _sloppy(self, name: str, value: Any) -> Any:
        """As a program may spell it; Pipedrive makes something else of it."""
        if self._random.random() < 0.7:
            return value
        match self.types.get(name, name), value:
            case (("name" | "varchar"), str()):
                return f"  {value} "
            case "address", {"value": text} if name == "address":
                return text
            case "monetary", {"value": number, "currency": currency}:
                return {"value": float(number), "currency": currency.lower()}
            case (("set" | "label_ids"), list()):
                return value[::-1]
            case (("varchar" | "text"), None):
                return ""
        return value

    def _spelled(self, name: str, value: Any) -> Any:
        """As Pipedrive spells it."""
        match self.types.get(name, name), value:
            case "address", str():
                return {"value": value}
            case (("name" | "varchar" | "text"), str()):
                return value.strip() or None
            case "monetary", {"value": number, "currency": currency}:
                return {"value": number, "currency": currency.upper()}
            case "label_ids", None:
                return []
        return value
