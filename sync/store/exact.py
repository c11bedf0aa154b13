"""Exact decimal arithmetic inside SQLite, which has none.

PostgreSQL sums `numeric` exactly; SQLite sums doubles, where 0.1 + 0.2 is not 0.3. These functions give our own
connections an exact sum, product and rounding; plain programs that open the file never need them. `exact_sum` and
`exact_number` are the same for both databases as SQLAlchemy sees them.
"""

import sqlite3
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from sync.store.types import Number, to_decimal, to_sqlite_number

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)


class ExactSum(FunctionElement[Any]):
    """The exact sum of values, or of products of a value and a factor; null when there is no value.

    On SQLite it is a text, which only `ExactSum` and `ExactNumber` understand.
    """

    name = "exact_sum"
    type = Number()
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any], factor: Any = 1) -> None:
        super().__init__(value, factor)


class ExactNumber(FunctionElement[Any]):
    """An exact sum as a number to store, rounded half up (away from zero) to `digits` if they are given."""

    name = "exact_number"
    type = Number()
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any], digits: int | None = None) -> None:
        super().__init__(value, *(() if digits is None else (digits,)))


@compiles(ExactSum)
def _sum_anywhere(element: ExactSum, compiler: Any, **options: Any) -> str:
    value, factor = (compiler.process(clause, **options) for clause in element.clauses)
    return f"sum({value} * {factor})"


@compiles(ExactSum, "sqlite")
def _sum_on_sqlite(element: ExactSum, compiler: Any, **options: Any) -> str:
    return f"exact_sum({compiler.process(element.clauses, **options)})"


@compiles(ExactNumber)
def _number_anywhere(element: ExactNumber, compiler: Any, **options: Any) -> str:
    parts = [compiler.process(clause, **options) for clause in element.clauses]
    # Without trailing zeros, as SQLite has it.
    return f"trim_scale({parts[0] if len(parts) == 1 else f'round({parts[0]}, {parts[1]})'})"


@compiles(ExactNumber, "sqlite")
def _number_on_sqlite(element: ExactNumber, compiler: Any, **options: Any) -> str:
    parts = [compiler.process(clause, **options) for clause in element.clauses]
    return f"exact_number({', '.join([*parts, 'NULL'][:2])})"


class _ExactSum:
    """`exact_sum(value, factor)`: NULL values count as none; texts are exact decimals."""

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.any = False

    def step(self, value: Any, factor: Any) -> None:
        exact, times = to_decimal(value), to_decimal(factor)
        if exact is not None and times is not None:
            self.any = True
            self.total = _CONTEXT.add(self.total, _CONTEXT.multiply(exact, times))

    def finalize(self) -> str | None:
        return str(self.total) if self.any else None


def _exact_number(value: Any, digits: int | None) -> int | float | None:
    exact = to_decimal(value)
    if exact is None:
        return None
    if digits is not None:
        exact = exact.quantize(Decimal(1).scaleb(-digits), context=_CONTEXT)
    return to_sqlite_number(exact)


def register_exact_functions(connection: sqlite3.Connection) -> None:
    """Teach one connection `exact_sum(value, factor)` and `exact_number(value, digits)`."""
    connection.create_aggregate("exact_sum", 2, _ExactSum)  # type: ignore[arg-type]
    connection.create_function("exact_number", 2, _exact_number, deterministic=True)
