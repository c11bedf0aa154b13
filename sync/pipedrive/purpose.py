"""What a call is for: the name its tokens are booked under, and how urgent it is."""

from enum import Enum


class Purpose(Enum):
    """A purpose and its priority; a lower number goes first when calls wait in line."""

    CHECK = ("check", 0)
    POLL = ("poll", 2)
    REFERENCE = ("reference", 2)
    BACKFILL = ("backfill", 3)
    SWEEP = ("sweep", 4)

    def __init__(self, label: str, priority: int) -> None:
        self.label = label
        self.priority = priority
