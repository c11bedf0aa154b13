"""Column types that mean the same on SQLite and on PostgreSQL.

SQLite has no type for instants, dates or exact decimals. Instants and dates are kept there as RFC 3339 text, which
sorts and compares as it should; numbers as its own integers and doubles, whose shortest text is exact to 15 digits.
Values come out alike everywhere: aware datetimes in UTC, dates, `Decimal`.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import INTEGER, JSON, BigInteger, Date, DateTime, Dialect, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

# 64 bits on both; SQLite gives its row id only to a primary key declared plainly INTEGER, which no table here needs.
Integer = BigInteger
RowId = INTEGER


class Timestamp(TypeDecorator[datetime]):
    """An instant in UTC; `digits` of a second are kept (0 for what Pipedrive says, 6 for our own clock)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def __init__(self, digits: int = 0) -> None:
        super().__init__()
        self.digits = digits

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | str | None, dialect: Dialect) -> Any:
        if value is None or isinstance(value, str):  # canonical text, from a record
            return value
        return timestamp_text(value, self.digits) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


def timestamp_text(moment: datetime, digits: int = 0) -> str:
    """Canonical RFC 3339 text of an instant, in UTC, cut to so many digits of a second (0, 3 or 6)."""
    precision = {0: "seconds", 3: "milliseconds", 6: "microseconds"}[digits]
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


class Day(TypeDecorator[date]):
    """A calendar date."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Date())

    def process_bind_param(self, value: date | str | None, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        return date.fromisoformat(value) if isinstance(value, str) else value


class Number(TypeDecorator[Decimal]):
    """An exact decimal. On SQLite at most 15 significant digits, which is what a double holds exactly."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric())

    def bind_processor(self, dialect: Dialect) -> Any:
        return to_sqlite_number if dialect.name == "sqlite" else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return to_decimal

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self


def to_sqlite_number(value: Decimal | int | float | None) -> int | float | None:
    """A number as SQLite keeps it: an integer where it is one that fits, else a double."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    return value


def to_decimal(value: Any) -> Decimal | None:
    """The exact decimal of a number as a database hands it out."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(repr(value) if isinstance(value, float) else value)


# SQL NULL means absent; a JSON null inside a document stays one.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

# A value of any kind on its own, where null is a value like others.
Document = JSON().with_variant(JSONB(), "postgresql")
