"""Where a page of a list ended, as an opaque text, and how a page is made from one row more than it shows."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from sync.errors import SyncError

MOST = 500  # on a page
PROPER = 2**53 - 1  # the largest number that every program reads the same way

Cursor = Annotated[
    str | None,
    Query(description="Where to read on: the `next_cursor` of the page before.", max_length=200),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many to answer at most.")]

T = TypeVar("T")


class WrongCursor(SyncError):
    """A cursor that no page of this list has handed out."""

    def __init__(self) -> None:
        super().__init__("That is no cursor of this list.", "Take the `next_cursor` of the page before, as it is.")


def write_cursor(what: str, last: int) -> str:
    """The cursor behind one row of a list."""
    return base64.urlsafe_b64encode(f"{what}:{last}".encode()).decode().rstrip("=")


def read_cursor(what: str, cursor: str | None) -> int | None:
    """The row behind which a page begins; None for the first. Raises `WrongCursor`."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        kind, _, last = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeError):
        raise WrongCursor from None
    if kind != what or not (last.isdigit() and len(last) < 20 and int(last) <= PROPER):
        raise WrongCursor
    return int(last)


def page(what: str, rows: Sequence[T], limit: int, key: Callable[[T], int]) -> tuple[Sequence[T], str | None]:
    """The rows of a page, and the cursor of the next; `rows` are one more than the page takes, where there are."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], write_cursor(what, key(rows[limit - 1]))
