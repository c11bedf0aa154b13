"""Sums of money over many rows, exact and fast: what lists, boards and overviews add up.

SQLite adds doubles, and the exact sum of the store takes long over tens of thousands of rows. So amounts are added as
whole numbers of the smallest unit there; those too large for that are few, and go the exact way.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, or_

from sync.store.exact import ExactSum
from sync.store.types import to_decimal

_DECIMALS = 4  # more than these has no currency
_LARGE = 10**10  # so much times as many accounts as anybody has is still a whole number of 64 bits
_NOTHING = Decimal(0)


def summing(dialect: str, amount: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """The columns of an aggregate from which `summed` makes the exact sum of amounts with up to four decimals."""
    if dialect == "postgresql":
        return [func.trim_scale(func.sum(amount))]
    is_large = or_(amount >= _LARGE, amount <= -_LARGE)
    units = cast(func.round(amount * 10**_DECIMALS), BigInteger)
    return [func.sum(case((is_large, None), else_=units)), ExactSum(amount).filter(is_large)]


def summing_again(dialect: str, parts: Sequence[ColumnElement[Any]]) -> Sequence[ColumnElement[Any]]:
    """The columns of an aggregate over aggregates, from which `summed` makes the same."""
    if dialect == "postgresql":
        return [func.trim_scale(func.sum(*parts))]
    units, large = parts
    return [func.sum(units), ExactSum(large).filter(large.is_not(None))]


def summed(parts: Sequence[Any]) -> Decimal | None:
    """The sum; None where there was nothing to add."""
    found = [to_decimal(part) for part in parts]
    if len(found) == 1 or all(part is None for part in found):
        return found[0]
    units, large = (part or _NOTHING for part in found)
    total = units.scaleb(-_DECIMALS) + large
    return total.to_integral_value() if total == total.to_integral_value() else total.normalize()
