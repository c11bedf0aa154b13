"""Sums of money over many rows, exact and fast: what lists, boards and overviews add up.

SQLite adds doubles, and the exact sum of the store takes long over tens of thousands of rows. So amounts are added as
whole numbers there, their decimals apart; those too large for that are few, and go the exact way.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func

from sync.store.exact import ExactSum
from sync.store.types import to_decimal

_DECIMALS = 6
_LARGE = 10**9  # from here on a double has no six decimals that are right
_NOTHING = Decimal(0)


def summing(dialect: str, amount: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """The columns of an aggregate from which `summed` makes the exact sum of amounts with up to six decimals."""
    if dialect == "postgresql":
        return [func.trim_scale(func.sum(amount))]
    is_small = func.abs(amount) < _LARGE
    whole = cast(amount, BigInteger)
    decimals = cast(func.round((amount - whole) * 10**_DECIMALS), BigInteger)
    return [
        func.sum(whole).filter(is_small),
        func.sum(decimals).filter(is_small),
        ExactSum(amount).filter(func.abs(amount) >= _LARGE),
    ]


def summed(parts: Sequence[Any]) -> Decimal | None:
    """The sum; None where there was nothing to add."""
    found = [to_decimal(part) for part in parts]
    if len(found) == 1 or all(part is None for part in found):
        return found[0]
    whole, decimals, large = (part or _NOTHING for part in found)
    total = whole + decimals.scaleb(-_DECIMALS) + large
    return total.to_integral_value() if total == total.to_integral_value() else total.normalize()
