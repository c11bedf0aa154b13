"""What must hold once a history of the write-back has calmed down, worked out from the diary and Pipedrive's own log.

Of the program only what people see of it is looked at: the accounts, what is parked, and the conflicts it recorded.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, select

from scripts.simulation.edits import Diary, Here, There, meant, names_in, value_of
from sync.sandbox import Sandbox
from sync.sandbox.api import ApiWrite
from sync.store.conflicts import Conflict, load_conflicts
from sync.store.database import Database
from sync.store.edits import Parked, load_parked
from sync.store.schema import accounts
from tests.truth import differences

Place = tuple[int, str]  # an organization and a field of it

_OWN = "fields."


@dataclass(frozen=True, slots=True)
class Sent:
    """A PATCH as it came in, the `number`-th write of all."""

    number: int
    organization: int
    body: Mapping[str, Any]  # by field
    write: ApiWrite


@dataclass(slots=True)
class Books:
    """Everything there is to go by at the end of a history."""

    sandbox: Sandbox
    database: Database
    diary: Diary
    heard: Collection[tuple[int, str]]
    accounts: Mapping[int, RowMapping] = field(init=False)
    parked: Mapping[Place, Parked] = field(init=False)
    conflicts: Mapping[Place, Sequence[Conflict]] = field(init=False)
    sent: Sequence[Sent] = field(init=False)

    def __post_init__(self) -> None:
        company = self.sandbox.company
        with self.database.reading() as connection:
            rows = connection.execute(select(accounts)).mappings().all()
            self.accounts = {row["organization_id"]: row for row in rows}
            parked = load_parked(connection, company.id)
            self.parked = {(one.organization_id, one.field): one for one in parked}
            conflicts: dict[Place, list[Conflict]] = {}
            for one in load_conflicts(connection, company.id):
                conflicts.setdefault((one.organization_id, one.field), []).append(one)
            self.conflicts = conflicts
        self.sent = list(_sent(self.sandbox.api.writes))

    def is_disputed(self, place: Place) -> bool:
        """Whether a person has to decide about a field."""
        return any(one.resolved_at is None for one in self.conflicts.get(place, ()))


def reckon(books: Books) -> list[str]:
    """Every way in which a history ended wrong."""
    return [
        *(f"mirror: {one}" for one in differences(books.database, books.sandbox.company)),
        *_both_sides_agree(books),
        *_every_edit_arrived(books),
        *_nothing_of_pipedrive_vanished(books),
        *_nothing_was_sent_twice(books),
        *_nothing_else_was_sent(books),
        *_every_conflict_is_one(books),
        *_nobody_made_values_up(books),
    ]


def _sent(writes: Sequence[ApiWrite]) -> Iterator[Sent]:
    for number, write in enumerate(writes):
        if write.method == "PATCH":
            body = json.loads(write.body)
            values = {**body, **body.pop("custom_fields", {})}
            values.pop("custom_fields", None)
            yield Sent(number, int(write.path.rpartition("/")[2]), values, write)


def _both_sides_agree(books: Books) -> Iterator[str]:
    """(a) On every shared field that is neither parked nor in an open conflict."""
    for record in books.sandbox.company.all("organizations"):
        account = books.accounts.get(record["id"])
        if account is None:
            continue
        for name in sorted(names_in(record) | names_in(account)):
            here, there = value_of(account, name), value_of(record, name)
            place = record["id"], name
            if here != there and place not in books.parked and not books.is_disputed(place):
                yield f"(a) {place}: {here!r} here, {there!r} at Pipedrive"


def _every_edit_arrived(books: Books) -> Iterator[str]:
    """(b) At Pipedrive, or it was superseded, agreed on anyway, parked, or kept in a conflict."""
    latest = {(one.organization, one.field): one for one in books.diary.here()}
    for place, edit in latest.items():
        if place[1].startswith(_OWN):
            own = (books.accounts[place[0]]["fields"] or {}).get(place[1].removeprefix(_OWN))
            if own != edit.new:
                yield f"(b) {place}: {own!r} is the account's own field, {edit.new!r} was the last edit"
        elif not (_was_sent(books, edit) or _was_there(books, edit) or _is_kept(books, edit)):
            yield f"(b) {place}: {edit} never arrived"


def _was_sent(books: Books, edit: Here) -> bool:
    return any(
        one.write.effective
        and one.number >= edit.writes
        and one.organization == edit.organization
        and edit.field in one.body
        and meant(one.body[edit.field]) == meant(edit.new)
        for one in books.sent
    )


def _was_there(books: Books, edit: Here) -> bool:
    """Whether Pipedrive held what was edited when it was, or later on."""
    entries = books.diary.entries
    place = next(number for number, one in enumerate(entries) if one is edit)
    later = [one for one in entries[place:] if isinstance(one, There) and one.change.id == edit.organization]
    held = [value for one in later for value in (one.value(edit.field, before=True), one.value(edit.field))]
    if not later:
        held = [value_of(books.sandbox.company.find("organizations", edit.organization), edit.field)]
    return any(meant(value) == meant(edit.new) for value in held)


def _is_kept(books: Books, edit: Here) -> bool:
    """Whether an edit is parked, or in a conflict, or waits behind one that is open."""
    place = edit.organization, edit.field
    parked = books.parked.get(place)
    if parked is not None and meant(parked.value) == meant(edit.new):
        return True
    if books.is_disputed(place) and meant(value_of(books.accounts[place[0]], place[1])) == meant(edit.new):
        return True
    return any(
        meant(one.account_value) == meant(edit.new) and one.detected_at >= edit.at
        for one in books.conflicts.get(place, ())
    )


def _nothing_of_pipedrive_vanished(books: Books) -> Iterator[str]:
    """(c) What somebody wrote there was overwritten only knowingly, or it is kept in a conflict."""
    for number, entry in enumerate(books.diary.entries):
        if isinstance(entry, There) and entry.is_ours:
            for name in sorted(entry.changed()):
                yield from _overwritten(books, number, entry, name)


def _overwritten(books: Books, number: int, write: There, name: str) -> Iterator[str]:
    place = write.change.id, name
    earlier = books.diary.entries[:number]
    value = meant(write.value(name, before=True))
    author = _author(earlier, place)
    if author is None or author.is_ours or value in _known_bases(earlier, place):
        return
    kept = any(meant(one.pipedrive_value) == value for one in books.conflicts.get(place, ()))
    if not kept and not _is_invisible(books, earlier, write, author, name):
        yield f"(c) {place}: {author.change.after and author.value(name)!r} of Pipedrive was overwritten by {write}"


def _author(earlier: Sequence[Here | There], place: Place) -> There | None:
    """The change that gave a field at Pipedrive the value it has; None if it had it from the beginning."""
    for one in reversed(earlier):
        if isinstance(one, There) and one.change.id == place[0] and place[1] in one.changed():
            return one
    return None


def _known_bases(earlier: Sequence[Here | There], place: Place) -> set[Any]:
    """What the people here knew the field to be at Pipedrive when they made the edits that waited last."""
    known: set[Any] = set()
    waits: Any = ...
    for one in earlier:
        if isinstance(one, Here) and (one.organization, one.field) == place:
            if waits is ... or meant(one.old) != waits:
                known = set()
            known.add(meant(one.old))
            waits = meant(one.new)
        elif isinstance(one, There) and one.is_ours and one.change.id == place[0] and place[1] in one.changed():
            known = {meant(one.value(place[1]))}
    return known


def _is_invisible(books: Books, earlier: Sequence[Here | There], write: There, author: There, name: str) -> bool:
    """Whether it was written after the program had read, and nothing told of it.

    That is so where the event of the write was never delivered, and where events don't tell the field: of labels only
    the first, of a time's zone only a number.
    """
    last = _last_look(books, earlier, write)
    if author.calls <= last:
        return False
    change = write.change
    stamp = change.exactly.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if (change.id, stamp) not in books.heard:
        return True
    read = next(one for one in earlier if isinstance(one, There) and one.change.id == change.id and one.calls > last)
    if name == "label_ids":
        overwritten, written, known = (
            (value or [None])[0]
            for value in (write.value(name, before=True), write.value(name), read.value(name, before=True))
        )
        return overwritten in (written, known)
    kinds = books.sandbox.company.fields.custom("organizations")
    is_time = name in kinds and kinds[name]["field_type"] == "time"
    return is_time and books.sandbox.company.switches.zones_in_events == "id"


def _last_look(books: Books, earlier: Sequence[Here | There], write: There) -> int:
    """When the program saw the organization last before a write: in a read, or in the answer to another write."""
    calls, path = books.sandbox.api.calls, f"/api/v2/organizations/{write.change.id}"
    looks = [
        number
        for number, call in enumerate(calls[: write.calls])
        if call.path == path and call.status == 200 and call.method in ("GET", "PATCH")
    ]
    return max(looks, default=-1)


def _nothing_was_sent_twice(books: Books) -> Iterator[str]:
    """(d) Each edit took effect once, and once more only where a conflict was decided for it."""
    made = Counter((one.organization, one.field, meant(one.new)) for one in books.diary.here())
    decided = Counter((*place, meant(one.account_value)) for place, some in books.conflicts.items() for one in some)
    effective = Counter(
        (one.organization, name, meant(value))
        for one in books.sent
        if one.write.effective
        for name, value in one.body.items()
    )
    for edit, times in effective.items():
        if times > made[edit] + decided[edit]:
            yield f"(d) {edit} took effect {times} times, was edited {made[edit]} and disputed {decided[edit]} times"


def _nothing_else_was_sent(books: Books) -> Iterator[str]:
    """(e) Only what somebody had edited here by then."""
    for sent in books.sent:
        for name, value in sent.body.items():
            if not any(
                one.writes <= sent.number
                and (one.organization, one.field) == (sent.organization, name)
                and meant(one.new) == meant(value)
                for one in books.diary.here()
            ):
                yield f"(e) {sent.organization} {name}: {value!r} was sent, which nobody had written here"


def _every_conflict_is_one(books: Books) -> Iterator[str]:
    """(f) Somebody at Pipedrive did write what stands in it as Pipedrive's."""
    for place, some in books.conflicts.items():
        written = {
            meant(one.value(place[1]))
            for one in books.diary.there()
            if one.change.id == place[0] and not one.is_ours and place[1] in one.changed()
        }
        for conflict in some:
            if meant(conflict.pipedrive_value) not in written:
                yield f"(f) {place}: nobody at Pipedrive wrote what is in {conflict}"


def _nobody_made_values_up(books: Books) -> Iterator[str]:
    """(g) Every value was there from the beginning, or somebody wrote it."""
    written: dict[Place, set[Any]] = {}
    for one in books.diary.entries:
        if isinstance(one, Here):
            written.setdefault((one.organization, one.field), set()).update((meant(one.old), meant(one.new)))
        else:
            for name in one.changed():
                values = (meant(one.value(name, before=True)), meant(one.value(name)))
                written.setdefault((one.change.id, name), set()).update(values)
    for one, account in books.accounts.items():
        record = books.sandbox.company.find("organizations", one)
        for name in sorted(names_in(account) | names_in(record)):
            for side, value in (("here", value_of(account, name)), ("at Pipedrive", value_of(record, name))):
                if (one, name) in written and meant(value) not in written[one, name]:
                    yield f"(g) {one} {name}: {value!r} {side}, which nobody wrote"
