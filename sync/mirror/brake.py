"""The brake: when so much would vanish at once that something else than deleting is the likelier cause."""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.errors import SyncError
from sync.pipedrive.entities import Entity, Listing
from sync.settings import Sweep

_TOO_FEW_TO_JUDGE = 10  # rows: a list this short may well have been emptied on purpose


@dataclass(frozen=True, slots=True)
class Held:
    """Deletions of one list that were not believed."""

    entity: str
    listing: str
    rows: int
    live: int


class DeletionsHeld(SyncError):
    """More would have been marked deleted than the settings allow; nothing was."""

    exit_code = 5

    def __init__(self, held: Sequence[Held]) -> None:
        what = ", ".join(f"{one.rows:,} of {one.live:,} {one.entity}" for one in held)
        super().__init__(
            f"Pipedrive no longer shows {what}: too many to believe, so none of them was marked deleted.",
            "If the token's user lost visibility, give it back. If they really were deleted, run "
            "`pipedrive-sync sync --accept-deletions`.",
        )
        self.held = tuple(held)


def brake(limits: Sweep, entity: Entity, listing: Listing, *, vanishing: int, live: int) -> Held | None:
    """What to hold when `vanishing` of `live` rows are no longer shown; None to go on."""
    too_many = vanishing > limits.max_rows and vanishing > limits.max_share * live
    empty = vanishing == live > _TOO_FEW_TO_JUDGE
    return Held(entity.name, listing.name, vanishing, live) if too_many or empty else None
