"""Timestamps written fast: a generator writes millions, and `strftime` is slow.

Everything here is a pure function of whole seconds since 1970, in UTC.
"""

from datetime import UTC, date, datetime
from functools import lru_cache

DAY_SECONDS = 86_400


@lru_cache(maxsize=10_000)
def iso_day(ordinal: int) -> str:
    """The day of that ordinal as YYYY-MM-DD."""
    return date.fromordinal(ordinal).isoformat()


@lru_cache(maxsize=100_000)
def _time_of_day(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


_EPOCH_ORDINAL = datetime.fromtimestamp(0, UTC).toordinal()


def v2_stamp(seconds: int) -> str:
    """Epoch seconds the way API v2 writes them."""
    return f"{iso_day(_EPOCH_ORDINAL + seconds // DAY_SECONDS)}T{_time_of_day(seconds % DAY_SECONDS)}Z"


def v1_stamp(seconds: int) -> str:
    """Epoch seconds the way API v1 writes them."""
    return f"{iso_day(_EPOCH_ORDINAL + seconds // DAY_SECONDS)} {_time_of_day(seconds % DAY_SECONDS)}"
