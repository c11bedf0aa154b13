"""One entity's records, held encoded, with the sorted indexes that lists are read from.

A `Row` is an immutable snapshot: the few values that lists filter and sort by, and the encoded record itself.
A `Table` knows nothing of HTTP or of Pipedrive's rules; it only stores, orders and finds rows. Lists may be made to lag
behind the truth (`hold_back`), the way a real search replica does. Not thread-safe: the company's lock guards it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ID_BITS = 30
ID_MASK = (1 << ID_BITS) - 1
SMALL_RANGE = 20_000


class Row(NamedTuple):
    """What lists need of a record, and the record itself as encoded JSON. Times are epoch seconds, 0 for null.

    `rank` orders by something else than time: the due date of an activity, the place of a stage.
    """

    id: int
    updated: int
    added: int
    rank: int
    owner: int
    org: int
    deal: int
    person: int
    visible_to: int
    state: str
    deleted: bool
    archived: bool
    payload: bytes


SORT_VALUES: dict[str, Callable[[Row], int]] = {
    "id": lambda row: 0,
    "update_time": lambda row: row.updated,
    "add_time": lambda row: row.added,
    "due_date": lambda row: row.rank,
    "order_nr": lambda row: row.rank,
}
LINKS: dict[str, Callable[[Row], int]] = {
    "org_id": lambda row: row.org,
    "deal_id": lambda row: row.deal,
    "person_id": lambda row: row.person,
}


def sort_key(sort: str, row: Row) -> int:
    """A number that orders rows by the sort field, then by id."""
    return (SORT_VALUES[sort](row) << ID_BITS) | row.id


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows a list shows, in which order, from where on."""

    sort: str = "id"
    descending: bool = False
    archived: bool = False
    where: Callable[[Row], bool] = lambda row: True
    ids: tuple[int, ...] | None = None
    link: tuple[str, int] | None = None
    since: int | None = None
    until: int | None = None
    start_key: int | None = None
    skip: int = 0
    limit: int = 100


class Table:
    """Rows of one entity by id, and by every order that was ever asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[int, Row] = {}
        self.last_id = 0
        self._stale: dict[int, Row | None] = {}
        self._due: dict[int, float] = {}
        self._indexes: dict[tuple[str, bool], array[int]] = {}
        self._links: dict[str, dict[int, set[int]]] = {}

    def put(self, row: Row, listed_at: float | None = None) -> None:
        """Store the row; lists show it at once, or once `publish` is told a time not before `listed_at`."""
        old = self.rows.get(row.id)
        self.rows[row.id] = row
        self.last_id = max(self.last_id, row.id)
        self._relink(old, row)
        if listed_at is not None:
            self._stale.setdefault(row.id, old)
            self._due[row.id] = max(listed_at, self._due.get(row.id, listed_at))
        elif row.id in self._stale:
            del self._due[row.id]
            self._reindex(self._stale.pop(row.id), row)
        else:
            self._reindex(old, row)

    def remove(self, row_id: int) -> None:
        """Forget the row altogether."""
        old = self.rows.pop(row_id)
        self._due.pop(row_id, None)
        self._relink(old, None)
        self._reindex(self._stale.pop(row_id, old), None)

    def publish(self, now: float) -> None:
        """Let lists show everything held back until `now`."""
        for row_id in [row_id for row_id, due in self._due.items() if due <= now]:
            del self._due[row_id]
            self._reindex(self._stale.pop(row_id), self.rows[row_id])

    def listed(self, row_id: int) -> Row | None:
        """The row as lists show it, which may be older than the truth."""
        if row_id in self._stale:
            return self._stale[row_id]
        return self.rows.get(row_id)

    def linked(self, link: str, target: int) -> Sequence[int]:
        """The ids of the rows that point at that organization, deal or person, in ascending order."""
        return sorted(self._link_index(link).get(target, ()))

    def select(self, selection: Selection) -> tuple[list[Row], Row | None]:
        """The rows of one page, and the first row of the next page (None at the end)."""
        found: list[Row] = []
        skip = selection.skip
        for row in self._walk(selection):
            if skip:
                skip -= 1
            elif len(found) == selection.limit:
                return found, row
            else:
                found.append(row)
        return found, None

    def _walk(self, selection: Selection) -> Iterator[Row]:
        keys = self._keys(selection)
        low, high = 0, len(keys)
        if selection.sort == "update_time":
            low = bisect_left(keys, max(selection.since, 1) << ID_BITS) if selection.since is not None else low
            high = bisect_left(keys, selection.until << ID_BITS) if selection.until is not None else high
        if selection.start_key is not None:
            if selection.descending:
                high = min(high, bisect_left(keys, selection.start_key + 1))
            else:
                low = max(low, bisect_left(keys, selection.start_key))
        positions = range(high - 1, low - 1, -1) if selection.descending else range(low, high)
        rows, stale, where, matches = self.rows, self._stale, selection.where, self._matches(selection)
        for position in positions:
            row_id = keys[position] & ID_MASK
            row = stale[row_id] if row_id in stale else rows[row_id]
            if row is not None and where(row) and (matches is None or matches(row)):
                yield row

    def _matches(self, selection: Selection) -> Callable[[Row], bool] | None:
        """What the choice of keys does not settle already."""
        narrow = selection.ids is not None or selection.link is not None
        bounded = selection.since is not None or selection.until is not None
        if not narrow and not bounded:
            return None
        low, high = selection.since, selection.until

        def matches(row: Row) -> bool:
            if narrow and row.archived != selection.archived:
                return False
            if selection.link is not None and LINKS[selection.link[0]](row) != selection.link[1]:
                return False
            if bounded and row.updated == 0:
                return False
            return (low is None or row.updated >= low) and (high is None or row.updated < high)

        return matches

    def _keys(self, selection: Selection) -> Sequence[int]:
        if selection.ids is not None:
            return self._keys_of(selection.sort, selection.ids)
        if selection.link is not None:
            # What lists still show as it was may have pointed there.
            return self._keys_of(selection.sort, {*self.linked(*selection.link), *self._stale})
        bounded = selection.since is not None or selection.until is not None
        if bounded and selection.sort != "update_time":
            recent = self._index("update_time", selection.archived)
            low = bisect_left(recent, max(selection.since or 1, 1) << ID_BITS)
            high = len(recent) if selection.until is None else bisect_left(recent, selection.until << ID_BITS)
            if high - low < SMALL_RANGE:
                return self._keys_of(selection.sort, (key & ID_MASK for key in recent[low:high]))
        return self._index(selection.sort, selection.archived)

    def _keys_of(self, sort: str, ids: Iterable[int]) -> list[int]:
        listed = (self.listed(row_id) for row_id in set(ids))
        return sorted(sort_key(sort, row) for row in listed if row is not None)

    def _index(self, sort: str, archived: bool) -> "array[int]":
        index = self._indexes.get((sort, archived))
        if index is None:
            listed = (self.listed(row_id) for row_id in self.rows)
            index = array("q", sorted(sort_key(sort, r) for r in listed if r is not None and r.archived == archived))
            self._indexes[sort, archived] = index
        return index

    def _reindex(self, old: Row | None, new: Row | None) -> None:
        for (sort, archived), index in self._indexes.items():
            before = sort_key(sort, old) if old is not None and old.archived == archived else None
            after = sort_key(sort, new) if new is not None and new.archived == archived else None
            if before == after:
                continue
            if before is not None:
                del index[bisect_left(index, before)]
            if after is not None:
                index.insert(bisect_left(index, after), after)

    def _link_index(self, link: str) -> dict[int, set[int]]:
        if link not in self._links:
            index: dict[int, set[int]] = {}
            target_of = LINKS[link]
            for row in self.rows.values():
                index.setdefault(target_of(row), set()).add(row.id)
            self._links[link] = index
        return self._links[link]

    def _relink(self, old: Row | None, new: Row | None) -> None:
        for link, index in self._links.items():
            target_of = LINKS[link]
            if old is not None:
                index[target_of(old)].discard(old.id)
            if new is not None:
                index.setdefault(target_of(new), set()).add(new.id)
