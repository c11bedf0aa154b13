"""How the views show a value: SQL expressions over JSON documents, for SQLite and for PostgreSQL.

Both classes speak of the same things: a `Place` is a JSON column, or one key of the document in it. A value of a
surprising type never makes a query fail: it is shown as text, or not at all where a number was due.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Options = Mapping[str, str]  # labels by option id, as text

_PLAIN_CODE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: a column with a JSON document, or a key of that document."""

    column: str
    code: str | None = None


def is_addressable(code: str) -> bool:
    """That a JSON path can name a field code. Pipedrive API: a code is a hash of 40 characters."""
    return _PLAIN_CODE.fullmatch(code) is not None


def identifier(name: str) -> str:
    """A name in SQL, with any characters."""
    return '"' + name.replace('"', '""') + '"'


def string(text: str) -> str:
    """A text in SQL, with any characters."""
    return "'" + text.replace("'", "''") + "'"


def labelled(value: str, options: Options) -> str:
    """The label of an option id; an id without one shows itself."""
    if not options:
        return value
    cases = " ".join(f"WHEN {string(option)} THEN {string(label)}" for option, label in sorted(options.items()))
    return f"CASE {value} {cases} ELSE {value} END"


class Renderer(Protocol):
    """Expressions in one database's SQL."""

    def text(self, place: Place, part: str | None = None) -> str:
        """The value as text; of an object, the part."""
        ...

    def number(self, place: Place) -> str:
        """The value as a number; of an object, its `value`."""
        ...

    def items(self, place: Place, options: Options) -> str:
        """The items of a list, or the one value, labelled and separated by commas."""
        ...

    def reference(self, place: Place) -> str:
        """The value as an id, or null."""
        ...


class SqliteRenderer:
    """Expressions in SQLite's SQL, with its JSON functions of any age."""

    def text(self, place: Place, part: str | None = None) -> str:
        if part is None:
            return f"CAST({self._extract(place)} AS TEXT)"
        of_object = f"CAST({self._extract(place, part)} AS TEXT)"
        if part != "value":
            return of_object
        return f"CASE {self._type(place)} WHEN 'object' THEN {of_object} ELSE {self.text(place)} END"

    def number(self, place: Place) -> str:
        own, inner = (
            f"CASE WHEN {self._type(place, part)} IN ('integer', 'real') THEN {self._extract(place, part)} END"
            for part in (None, "value")
        )
        return f"CASE {self._type(place)} WHEN 'object' THEN {inner} ELSE {own} END"

    def items(self, place: Place, options: Options) -> str:
        item = "CASE i.type WHEN 'object' THEN json_extract(i.value, '$.value') ELSE i.value END"
        each = f"json_each({place.column}, {self._path(place)}) AS i"
        listed = f"(SELECT group_concat({labelled(f'CAST({item} AS TEXT)', options)}, ', ') FROM {each})"
        return f"CASE {self._type(place)} WHEN 'array' THEN {listed} ELSE {labelled(self.text(place), options)} END"

    def reference(self, place: Place) -> str:
        return f"CASE {self._type(place)} WHEN 'integer' THEN {self._extract(place)} END"

    def _extract(self, place: Place, part: str | None = None) -> str:
        return f"json_extract({place.column}, {self._path(place, part)})"

    def _type(self, place: Place, part: str | None = None) -> str:
        return f"json_type({place.column}, {self._path(place, part)})"

    def _path(self, place: Place, part: str | None = None) -> str:
        return string("$" + "".join(f'."{step}"' for step in (place.code, part) if step is not None))


class PostgresqlRenderer:
    """Expressions in PostgreSQL's SQL, over jsonb."""

    def text(self, place: Place, part: str | None = None) -> str:
        value = self._value(place)
        if part is None:
            return f"({value} #>> '{{}}')"
        of_object = f"({value} ->> {string(part)})"
        if part != "value":
            return of_object
        return f"CASE jsonb_typeof({value}) WHEN 'object' THEN {of_object} ELSE {self.text(place)} END"

    def number(self, place: Place) -> str:
        value = self._value(place)
        found = f"CASE jsonb_typeof({value}) WHEN 'object' THEN {value} -> 'value' ELSE {value} END"
        return f"CASE jsonb_typeof({found}) WHEN 'number' THEN (({found}) #>> '{{}}')::numeric END"

    def items(self, place: Place, options: Options) -> str:
        value = self._value(place)
        item = "CASE jsonb_typeof(i.item) WHEN 'object' THEN i.item ->> 'value' ELSE i.item #>> '{}' END"
        each = f"jsonb_array_elements({value}) WITH ORDINALITY AS i(item, place)"
        listed = f"(SELECT string_agg({labelled(f'({item})', options)}, ', ' ORDER BY i.place) FROM {each})"
        single = labelled(self.text(place), options)
        return f"CASE jsonb_typeof({value}) WHEN 'array' THEN {listed} ELSE {single} END"

    def reference(self, place: Place) -> str:
        text = self.text(place)
        return f"CASE WHEN {text} ~ '^[0-9]{{1,18}}$' THEN {text}::bigint END"

    def _value(self, place: Place) -> str:
        return place.column if place.code is None else f"({place.column} -> {string(place.code)})"


def renderer_for(dialect: str) -> Renderer:
    """The expressions of a database, by SQLAlchemy's name for it."""
    return PostgresqlRenderer() if dialect == "postgresql" else SqliteRenderer()
