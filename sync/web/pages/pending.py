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

from sync.accounts.board import Card, Column
from sync.accounts.calendar import Bucket, Calendar
from sync.accounts.listing import Next
from sync.pipedrive.entities import ACTIVITIES
from sync.store.journal import Action, State, Write

NOT_THERE = 0  # the id of an activity that is still to be made


class Wish(StrEnum):
    """What is being waited for."""

    PLANNED = "planned"
    MOVED = "moved"
    DONE = "done"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Expected:
    """A card as it will be. `refused` are the errands of its activities that Pipedrive did not take."""

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


def expected_board(columns: Sequence[Column], errands: Iterable[Write], calendar: Calendar) -> Sequence[ExpectedColumn]:
    """The board with each card in the column where it will be once everything is done that was asked for."""
    by_account: dict[int, list[Write]] = defaultdict(list)
    for one in errands:
        if one.entity == ACTIVITIES.name:
            by_account[one.organization_id].append(one)
    if not by_account:
        return [_column(column, [Expected(card) for card in column.cards]) for column in columns]
    held = [
        (column.bucket, expected(card, by_account.get(card.organization_id, ())))
        for column in columns
        for card in column.cards
    ]
    moves = [(source, _target(one, source, calendar), one) for source, one in held]
    return [_with_moves(column, moves) for column in columns]


def expected(card: Card, errands: Iterable[Write]) -> Expected:
    """A card once these errands are done, in the order in which they were asked for."""
    wish, refused = None, 0
    for errand in errands:
        if errand.state is State.FAILED:
            refused += 1
        elif (changed := _next_after(card.next_activity, errand)) is not None:
            upcoming, wish = changed
            card = replace(card, next_activity=upcoming)
    return Expected(card, wish, refused)


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


def _next_after(upcoming: Next | None, errand: Write) -> tuple[Next | None, Wish] | None:
    """The next activity after an errand, and what is waited for; None if it does not bear on it."""
    body = errand.body or {}
    if errand.action is Action.CREATE:
        made = Next(NOT_THERE, body.get("type"), body.get("subject"), _day(body), body.get("due_time"))
        return (made, Wish.PLANNED) if upcoming is None or _due_order(made) < _due_order(upcoming) else None
    if upcoming is None or errand.record_id != upcoming.id:
        return None
    if errand.action is Action.DELETE:
        return upcoming, Wish.DELETED
    if body.get("done"):
        return upcoming, Wish.DONE
    if "due_date" in body:
        time = body.get("due_time", upcoming.due_time)
        return replace(upcoming, due_date=_day(body), due_time=time), Wish.MOVED
    return None


def _day(body: Mapping[str, Any]) -> date | None:
    return date.fromisoformat(body["due_date"]) if body.get("due_date") else None


def _due_order(one: Next) -> tuple[date, str]:
    """As the builder of the accounts has it: what is due all day comes before all times of it."""
    return one.due_date or date.max, one.due_time or ""


def _target(one: Expected, source: Bucket, calendar: Calendar) -> Bucket:
    """Where a card will be. What follows an activity that is done or deleted is not known yet: it stays."""
    upcoming = one.card.next_activity
    if one.wish not in (Wish.PLANNED, Wish.MOVED) or upcoming is None:
        return source
    return calendar.bucket(upcoming.due_date, upcoming.due_time)


def _with_moves(column: Column, moves: Sequence[tuple[Bucket, Bucket, Expected]]) -> ExpectedColumn:
    its = column.bucket
    cards = [one for _, target, one in moves if target is its]
    came = [one.card for source, target, one in moves if target is its and source is not its]
    gone = [one.card for source, target, one in moves if source is its and target is not its]
    if came and its is not Bucket.NONE:
        cards.sort(key=_by_due)
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
    return (*_due_order(upcoming), one.card.organization_id) if upcoming else ()


def _column(column: Column, cards: Sequence[Expected]) -> ExpectedColumn:
    return ExpectedColumn(column.bucket, column.count, column.won_value, column.without_value, cards)
