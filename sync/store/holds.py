"""What keeps writes back: a pause, and many edits at once that nobody has approved yet."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from sync.store.dialect import put
from sync.store.schema import accounts, write_back


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether writes are paused, and until when edits are approved."""

    paused_at: datetime | None = None
    paused_by: str | None = None
    approved_at: datetime | None = None
    approved_by: str | None = None
    events_seen_at: datetime | None = None


_HOLD = select(*(write_back.c[name] for name in Hold.__dataclass_fields__)).where(
    write_back.c.company_id == bindparam("company")
)


def load_hold(connection: Connection, company_id: int) -> Hold:
    """What keeps a company's writes back."""
    row = connection.execute(_HOLD, {"company": company_id}).one_or_none()
    return Hold() if row is None else Hold(*row)


def save_pause(connection: Connection, company_id: int, *, by: str | None, at: datetime | None) -> None:
    """Hold writes from now on, or release them (None)."""
    put(connection, write_back, {"company_id": company_id}, {"paused_at": at, "paused_by": by})


def save_approval(connection: Connection, company_id: int, *, by: str, at: datetime) -> None:
    """Edits made until a moment may be sent, however many."""
    put(connection, write_back, {"company_id": company_id}, {"approved_at": at, "approved_by": by})


def save_events_seen(connection: Connection, company_id: int, at: datetime) -> None:
    """Events received until a moment were searched for what writes have overwritten."""
    put(connection, write_back, {"company_id": company_id}, {"events_seen_at": at})


def switch_account(connection: Connection, company_id: int, organization_id: int, *, on: bool) -> bool:
    """Let one account's edits be sent, or hold them; whether there is such an account."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    return connection.execute(update(accounts).where(its_row).values(write_back=on)).rowcount > 0
