"""How results are printed: tables for people, one JSON document for programs."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def print_json(document: Any) -> None:
    """Print a document as JSON: times in RFC 3339 UTC, exact numbers as numbers where that loses nothing."""
    with reader_may_leave():
        print(json_text(document, indent=True), flush=True)


def json_text(value: Any, *, indent: bool = False) -> str:
    """A value as JSON, on one line unless indented: the API's shapes, times in RFC 3339, exact numbers."""
    try:
        option = orjson.OPT_UTC_Z | (orjson.OPT_INDENT_2 if indent else 0)
        return orjson.dumps(value, default=_plain, option=option).decode()
    except TypeError:  # integers beyond 64 bits and lone surrogates are JSON, though not orjson's
        return json.dumps(value, default=_plain, indent=2 if indent else None)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def plain_number(value: Decimal) -> int | float | str:
    """A decimal as JSON can carry it: a number, or text where a number would lose digits."""
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()
) -> None:
    """Print a table; the columns named in `right` are aligned right."""
    table = Table(title=title or None, title_justify="left", show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(shown(value) for value in row))
    with reader_may_leave():
        console().print(table)


def console() -> Console:
    """Standard output, as wide as the terminal; wide enough not to fold where there is none."""
    plain = _Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    return plain if plain.is_terminal else _Console(highlight=False, markup=False, emoji=False, width=240)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # and not an exit: it is no failure


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Take it as the end when whoever reads our standard output goes away (`| head`)."""
    try:
        yield
    except BrokenPipeError:
        # Nothing more may be written, not even by the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return str(value)
    return _harmless(str(value))


def _harmless(text: str) -> str:
    """Without control characters: what Pipedrive holds must not steer anyone's terminal."""
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)
