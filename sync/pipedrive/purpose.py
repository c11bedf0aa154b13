"""What a call is for: the name its tokens are booked under, and how urgent it is."""

from enum import Enum


class Purpose(Enum):
    """A purpose and its priority; a lower number goes first when calls wait in line.

    At 0 a person is waiting, or the reserve for changes pays: our own share of the day's tokens does not stop such a
    call, only Pipedrive does.
    """

    CHECK = ("check", 0)
    SUBSCRIBE = ("subscribe", 0)
    DOWNLOAD = ("download", 0)
    WRITE_BACK = ("write-back", 0)
    FILL = ("fill", 0)  # computed values, as many as the reserve for changes pays for
    FOLLOW_UP = ("follow-up", 1)
    POLL = ("poll", 2)
    REFERENCE = ("reference", 2)
    WEBHOOKS = ("webhooks", 2)
    BACKFILL = ("backfill", 3)
    SWEEP = ("sweep", 4)

    def __init__(self, label: str, priority: int) -> None:
        self.label = label
        self.priority = priority
