"""What must hold once a history of the write-back has calmed down, worked out from the diary and Pipedrive's own log.

Of the program only what people see of it is looked at: the accounts, what is parked, and the conflicts it recorded.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

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
    heard: Mapping[tuple[int, str], int]  # after how many calls it was heard of a change
    accounts: Mapping[int, Mapping[str, Any]] = field(init=False)
    parked: Mapping[Place, Parked] = field(init=False)
    conflicts: Mapping[Place, Sequence[Conflict]] = field(init=False)
    sent: Sequence[Sent] = field(init=False)

    def __post_init__(self) -> None:
        company = self.sandbox.company
        with self.database.reading() as connection:
            rows = connection.execute(select(accounts)).mappings().all()
            self.accounts = {row["organization_id"]: dict(row) for row in rows}
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
            inherited = {
                one.new for one in books.diary.here() if one.field == place[1] and _reaches(books, one, place[0])
            }
            if own != edit.new and own not in inherited:
                yield f"(b) {place}: {own!r} is the account's own field, {edit.new!r} was the last edit"
        elif not any(_arrived(books, replace(edit, organization=one)) for one in books.diary.heirs(place[0])):
            yield f"(b) {place}: {edit} never arrived"


def _reaches(books: Books, edit: Here, organization: int) -> bool:
    """Whether an edit of an account is one of this organization, also through a merge."""
    return organization in books.diary.heirs(edit.organization)


def _arrived(books: Books, edit: Here) -> bool:
    superseded = any(
        one.at >= edit.at and (one.organization, one.field) == (edit.organization, edit.field) and one.new != edit.new
        for one in books.diary.here()
    )
    return superseded or _was_sent(books, edit) or _was_there(books, edit) or _is_kept(books, edit)


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
    """Whether an edit only took back others that waited, or Pipedrive held it when it was made, or later on."""
    entries = books.diary.entries
    if meant(edit.new) == _waiting(entries[: edit.number + 1], (edit.organization, edit.field)).base:
        return True
    later = [one for one in entries[edit.number :] if isinstance(one, There) and one.change.id == edit.organization]
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
    known = {value for one in books.diary.lineage(place[0]) for value in _waiting(earlier, (one, name)).known}
    if author is None or author.is_ours or value in known:
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


@dataclass(slots=True)
class _Waiting:
    """Edits of a field that wait: what the account held before the first, and what was known of Pipedrive's side."""

    base: Any = None
    known: set[Any] = field(default_factory=set)
    value: Any = ...


def _waiting(earlier: Sequence[Here | There], place: Place) -> _Waiting:
    """What waited of a field, as those who edited it could know."""
    waiting = _Waiting()
    for one in earlier:
        if isinstance(one, Here) and (one.organization, one.field) == place:
            if meant(one.old) != waiting.value:
                waiting = _Waiting(meant(one.old))
            waiting.known.add(meant(one.old))
            waiting.value = meant(one.new)
        elif isinstance(one, There) and one.is_ours and one.change.id == place[0] and place[1] in one.changed():
            waiting = _Waiting(meant(one.value(place[1])), {meant(one.value(place[1]))}, waiting.value)
    return waiting


def _is_invisible(books: Books, earlier: Sequence[Here | There], write: There, author: There, name: str) -> bool:
    """Whether nothing could tell the program of what it overwrote.

    That is so where it was written after the program had read, and the event of the write never came, or does not tell
    the field: of labels only the first, of a time's zone only a number. And where it brought back what was there before
    an earlier write of which the program knew nothing: no answer had come by then, and no event.
    """
    last = _last_look(books, write)
    if author.calls <= last:
        return _brought_back(books, earlier, author, name, last)
    if _heard(books, write) is None:
        return True
    read = next(
        one for one in earlier if isinstance(one, There) and one.change.id == write.change.id and one.calls > last
    )
    if name == "label_ids":
        overwritten, written, known = (
            (value or [None])[0]
            for value in (write.value(name, before=True), write.value(name), read.value(name, before=True))
        )
        return overwritten in (written, known)
    kinds = books.sandbox.company.fields.custom("organizations")
    is_time = name in kinds and kinds[name]["field_type"] == "time"
    return is_time and books.sandbox.company.switches.zones_in_events == "id"


def _brought_back(books: Books, earlier: Sequence[Here | There], author: There, name: str, last: int) -> bool:
    """Whether a change undid a write of ours of which nobody had heard when the program looked."""
    ours = [one for one in earlier if isinstance(one, There) and one.is_ours and name in one.changed()]
    undone = [
        one
        for one in ours
        if one.change.id == author.change.id and meant(one.value(name, before=True)) == meant(author.value(name))
    ]
    heard = _heard(books, undone[-1]) if undone else None
    return bool(undone) and (heard is None or heard > last)


def _heard(books: Books, change: There) -> int | None:
    """After how many calls the receiver heard of a change; None if it never did."""
    stamp = change.change.exactly.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return books.heard.get((change.change.id, stamp))


def _last_look(books: Books, write: There) -> int:
    """When the program saw the organization last before a write: in a read, or in the answer to another write."""
    calls, path = books.sandbox.api.calls, f"/api/v2/organizations/{write.change.id}"
    looks = [
        number
        for number, call in enumerate(calls[: write.calls])
        if call.path == path and call.status == 200 and call.method in ("GET", "PATCH")
    ]
    return max(looks, default=-1)


def _nothing_was_sent_twice(books: Books) -> Iterator[str]:
    """(d) Each edit took effect once; once more only where a conflict was decided for it, or somebody undid it."""
    made = Counter(
        (one, edit.field, meant(edit.new))
        for edit in books.diary.here()
        for one in books.diary.heirs(edit.organization)
    )
    decided = Counter((*place, meant(one.account_value)) for place, some in books.conflicts.items() for one in some)
    effective = Counter(
        (one.organization, name, meant(value))
        for one in books.sent
        if one.write.effective
        for name, value in one.body.items()
    )
    undone = Counter(
        (one.change.id, name, meant(one.value(name, before=True)))
        for one in books.diary.there()
        if not one.is_ours
        for name in one.changed()
    )
    for edit, times in effective.items():
        if times > made[edit] + decided[edit] + undone[edit]:
            yield f"(d) {edit} took effect {times} times, was edited {made[edit]} and disputed {decided[edit]} times"


def _nothing_else_was_sent(books: Books) -> Iterator[str]:
    """(e) Only what somebody had edited here by then."""
    for sent in books.sent:
        for name, value in sent.body.items():
            if not any(
                one.writes <= sent.number
                and (one.field, meant(one.new)) == (name, meant(value))
                and _reaches(books, one, sent.organization)
                for one in books.diary.here()
            ):
                yield f"(e) {sent.organization} {name}: {value!r} was sent, which nobody had written here"


def _every_conflict_is_one(books: Books) -> Iterator[str]:
    """(f) Somebody at Pipedrive did write what stands in it as Pipedrive's, unless it came with a merge."""
    for place, some in books.conflicts.items():
        if len(books.diary.lineage(place[0])) > 1:
            continue
        written = {
            meant(one.value(place[1]))
            for one in books.diary.there()
            if one.change.id == place[0] and not one.is_ours and place[1] in one.changed()
        }
        if place[1] in books.diary.deleted_fields:
            written.add(None)
        for conflict in some:
            if meant(conflict.pipedrive_value) not in written:
                yield f"(f) {place}: nobody at Pipedrive wrote what is in {conflict}"


def _nobody_made_values_up(books: Books) -> Iterator[str]:
    """(g) Every value was there from the beginning, or somebody wrote it."""
    written: dict[Place, set[Any]] = {
        (number, name): {meant(value_of(record, name))}
        for number, record in books.diary.beginning.items()
        for name in names_in(record)
    }
    for one in books.diary.entries:
        if isinstance(one, Here):
            for heir in books.diary.heirs(one.organization):
                written.setdefault((heir, one.field), set()).update((meant(one.old), meant(one.new)))
        else:
            for name in one.changed():
                values = (meant(one.value(name, before=True)), meant(one.value(name)))
                written.setdefault((one.change.id, name), set()).update(values)
    for number, account in books.accounts.items():
        record = books.sandbox.company.find("organizations", number)
        for name in sorted((names_in(account) | names_in(record)) - books.diary.deleted_fields):
            for side, value in (("here", value_of(account, name)), ("at Pipedrive", value_of(record, name))):
                if meant(value) not in written.get((number, name), {None}):
                    yield f"(g) {number} {name}: {value!r} {side}, which nobody wrote"
