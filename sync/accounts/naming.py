"""Column names of the views for custom fields: as in Pipedrive, and never two alike. Pure functions.

Names are decided by the set of definitions alone, whatever order they come in. Where two would be alike (upper and
lower case are alike in SQLite), none of them gets the plain name: a tag from the field's code tells them apart.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

MAX_BYTES = 63  # of a name in PostgreSQL; the same on SQLite, so that a query works on both
_TAGS = (0, 6, 12, 40)  # characters of the code, as many as it takes
_NAMELESS = "field"


@dataclass(frozen=True, slots=True)
class NamedField:
    """A custom field, as far as its columns' names go; `parts` are the columns beside the main one: "currency"."""

    code: str
    name: str
    parts: tuple[str, ...] = ()


def column_names(fields: Collection[NamedField], reserved: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """The names of each field's columns, by code: the main one, then one per part. None is like a reserved one."""
    taken = Counter({folded(name): 1 for name in reserved})
    levels = dict.fromkeys((field.code for field in fields), 0)
    while True:
        names = {field.code: _names(field, _TAGS[levels[field.code]]) for field in fields}
        uses = taken + Counter(folded(name) for own in names.values() for name in own)
        clashing = [code for code, own in names.items() if any(uses[folded(name)] > 1 for name in own)]
        raised = [code for code in clashing if levels[code] < len(_TAGS) - 1]
        if not raised:
            return names
        for code in raised:
            levels[code] += 1


def folded(name: str) -> str:
    """What of a name has to differ: more than databases ask for, so that people can tell them apart as well."""
    return name.casefold()


def printable(text: str) -> str:
    """A text as SQL can hold it: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _names(field: NamedField, tag_length: int) -> tuple[str, ...]:
    tag = f" [{_tag(field.code)[:tag_length]}]" if tag_length else ""
    base = printable(field.name).strip() or _NAMELESS
    return tuple(_fitted(base, tag + ending) for ending in ("", *(f" ({part})" for part in field.parts)))


def _tag(code: str) -> str:
    return code if code.isascii() and len(code) == _TAGS[-1] else hashlib.sha1(code.encode()).hexdigest()


def _fitted(base: str, ending: str) -> str:
    """The base, cut between characters so that it fits with the ending."""
    room = MAX_BYTES - len(ending.encode())
    return (
        base.encode()[:room].decode(errors="ignore").rstrip() + ending if len(base.encode()) > room else base + ending
    )
