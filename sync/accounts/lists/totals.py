"""Sums of money over many rows, exact and fast: what lists, boards and overviews add up.

SQLite adds doubles, PostgreSQL takes its time with decimals, and the exact sum of the store takes long over tens of
thousands of rows. So amounts are added as whole numbers, of ten-thousandths of the currency; those too large for that
are few, and go the exact way.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func

from sync.store.exact import ExactSum
from sync.store.types import to_decimal

_DECIMALS = 4  # more than these has no currency
_LARGE = 10**10  # so much times as many accounts as anybody has is still a whole number of 64 bits
_NOTHING = Decimal(0)


def summing(amount: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """The columns of an aggregate from which `summed` makes the exact sum of amounts with up to four decimals."""
    is_small = amount.between(-_LARGE, _LARGE)
    return summing_units(case((is_small, cast(func.round(amount * 10**_DECIMALS), BigInteger))), amount)


def summing_units(units: ColumnElement[Any], amount: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    """The same of amounts that are held in ten-thousandths, too, where they are not too large."""
    is_large = and_(units.is_(None), amount.is_not(None))
    return [func.sum(units), ExactSum(amount).filter(is_large)]


def summed(parts: Sequence[Any]) -> Decimal | None:
    """The sum; None where there was nothing to add."""
    found = [to_decimal(part) for part in parts]
    if all(part is None for part in found):
        return None
    units, large = (part or _NOTHING for part in found)
    total = units.scaleb(-_DECIMALS) + large
    return total.to_integral_value() if total == total.to_integral_value() else total.normalize()
