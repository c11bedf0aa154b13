"""What people have asked for and Pipedrive has not done yet, laid over what the mirror holds.

Until an errand is carried out, pages show the account as it will be, and say that this is being waited for; so nothing
jumps back after it was dropped somewhere. A pure function of cards and errands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sync.accounts.lists.board import Card, Column
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.listing import Next
from sync.pipedrive.entities import ACTIVITIES
from sync.store.journal import Action, State, Write

NOT_THERE = 0  # the id of an activity that is still to be made


class Wish(StrEnum):
    """What is being waited for."""

    PLANNED = "planned"
    MOVED = "moved"
    DONE = "done"
    NOT_DONE = "not_done"
    DELETED = "deleted"


Planned = Mapping[int, Sequence[Next]]  # the activities that the mirror has as planned, by organization


@dataclass(frozen=True, slots=True)
class Expected:
    """A card as it will be. `wish` is what was asked for last, `refused` how much of it Pipedrive did not take."""

    card: Card
    wish: Wish | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedColumn:
    """A column of the board as it will be, as far as its cards are known."""

    bucket: Bucket
    count: int
    won_value: Decimal | None
    without_value: int
    cards: Sequence[Expected]


def expected_board(
    columns: Sequence[Column], errands: Iterable[Write], planned: Planned, calendar: Calendar
) -> Sequence[ExpectedColumn]:
    """The board with each card in the column where it will be once everything is done that was asked for."""
    by_account: dict[int, list[Write]] = defaultdict(list)
    for errand in errands:
        by_account[errand.organization_id].append(errand)
    moves = []
    for column in columns:
        for card in column.cards:
            its = by_account.get(card.organization_id, ())
            one = expected(card, its, planned.get(card.organization_id, ()))
            moves.append((column.bucket, _target(one, column.bucket, calendar), one))
    return [_with_moves(column, moves) for column in columns]


def expected(card: Card, errands: Iterable[Write], planned: Sequence[Next]) -> Expected:
    """A card once these errands are done, in the order in which they were asked for."""
    open_ones = [one for one in errands if one.entity == ACTIVITIES.name and one.state is not State.FAILED]
    refused = sum(one.entity == ACTIVITIES.name and one.state is State.FAILED for one in errands)
    if not open_ones:
        return Expected(card, refused=refused)
    known = planned or ([card.next_activity] if card.next_activity else [])
    upcoming = next_activity(open_ones, known)
    return Expected(replace(card, next_activity=upcoming), _wish(open_ones[-1]), refused)


def next_activity(errands: Iterable[Write], planned: Sequence[Next]) -> Next | None:
    """What is next for an account once these errands are done."""
    undone = {one.id: one for one in planned}
    for errand in errands:
        if errand.entity == ACTIVITIES.name and errand.state is not State.FAILED:
            _carry_out(undone, errand)
    return min(undone.values(), key=_due_order, default=None)


def with_open_errands(record: Mapping[str, Any], errands: Iterable[Write]) -> Mapping[str, Any]:
    """The record of an activity as it will be once the errands are done that change it."""
    changes: dict[str, Any] = {}
    for one in errands:
        is_its = one.entity == ACTIVITIES.name and one.record_id == record["id"]
        if is_its and one.action is Action.CHANGE and one.state is not State.FAILED:
            changes |= one.body
    if "due_date" in changes:
        changes["due_date"] = date.fromisoformat(changes["due_date"])
    return {**record, **changes}


def _carry_out(undone: dict[int, Next], errand: Write) -> None:
    body, record_id = errand.body or {}, errand.record_id
    if errand.action is Action.CREATE:
        made = Next(NOT_THERE, body.get("type"), body.get("subject"), _day(body), body.get("due_time"))
        undone[-errand.id] = made  # no activity has such an id
    elif record_id in undone:
        if errand.action is Action.DELETE or body.get("done"):
            del undone[record_id]
        elif "due_date" in body:
            held = undone[record_id]
            undone[record_id] = replace(held, due_date=_day(body), due_time=body.get("due_time", held.due_time))


def _wish(errand: Write) -> Wish:
    if errand.action is not Action.CHANGE:
        return Wish.PLANNED if errand.action is Action.CREATE else Wish.DELETED
    done = (errand.body or {}).get("done")
    return Wish.MOVED if done is None else Wish.DONE if done else Wish.NOT_DONE


def _day(body: Mapping[str, Any]) -> date | None:
    return date.fromisoformat(body["due_date"]) if body.get("due_date") else None


def _due_order(one: Next) -> tuple[date, str, bool, int]:
    """As the builder of the accounts has it: what is due all day before all times of it, the undated last."""
    time = f"{one.due_time}:00"[:8] if one.due_time else ""
    return one.due_date or date.max, time, one.id == NOT_THERE, one.id


def _target(one: Expected, source: Bucket, calendar: Calendar) -> Bucket:
    if one.wish is None:
        return source
    upcoming = one.card.next_activity
    return calendar.bucket(upcoming.due_date, upcoming.due_time) if upcoming else Bucket.NONE


def _with_moves(column: Column, moves: Sequence[tuple[Bucket, Bucket, Expected]]) -> ExpectedColumn:
    its = column.bucket
    cards = [one for _, target, one in moves if target is its]
    came = [one.card for source, target, one in moves if target is its and source is not its]
    gone = [one.card for source, target, one in moves if source is its and target is not its]
    if came:
        cards.sort(key=_by_value if its is Bucket.NONE else _by_due)
    amounts = [card.won_value for card in came] + [-card.won_value if card.won_value else None for card in gone]
    added = [amount for amount in amounts if amount is not None]
    return ExpectedColumn(
        its,
        column.count + len(came) - len(gone),
        sum(added, column.won_value or Decimal(0)) if added else column.won_value,
        column.without_value + sum(one.won_value is None for one in came) - sum(one.won_value is None for one in gone),
        cards,
    )


def _by_due(one: Expected) -> Any:
    upcoming = one.card.next_activity
    return (*_due_order(upcoming)[:2], one.card.organization_id) if upcoming else ()


def _by_value(one: Expected) -> Any:
    card = one.card
    return card.won_value is None, -(card.won_value or 0), card.organization_id
