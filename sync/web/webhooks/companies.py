"""Which companies events are taken for, and what of them may be stored.

Looked up when a company's first event comes, and again a minute later at the earliest: custom fields come and go.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from sync.clock import Clock
from sync.mirror.privacy import Privacy
from sync.mirror.reference import privacy_of
from sync.settings import Settings
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.web.background import in_background

GOOD_FOR = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class _Held:
    privacy: Privacy
    looked_up_at: float  # by the monotonic clock


class Companies:
    """The companies in the database with their privacy rules."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._held: dict[int, _Held] = {}
        self._looking_up = asyncio.Lock()

    async def privacy_of(self, company_id: int) -> Privacy | None:
        """A company's privacy rules; None for one that the database does not know.

        Raises `DatabaseError`, and `SettingsError` where a rule names what does not exist.
        """
        held = self._fresh(company_id)
        if held is None:
            async with self._looking_up:
                held = self._fresh(company_id) or await in_background(partial(self._look_up, company_id))
        return held

    def _fresh(self, company_id: int) -> Privacy | None:
        held = self._held.get(company_id)
        return held.privacy if held and self._clock.monotonic() < held.looked_up_at + GOOD_FOR else None

    def _look_up(self, company_id: int) -> Privacy | None:
        with self._database.reading() as connection:
            known = {company["company_id"] for company in load_companies(connection)}
        if company_id not in known:
            return None
        privacy = privacy_of(self._database, company_id, self._settings.privacy, complete=False)
        self._held[company_id] = _Held(privacy, self._clock.monotonic())
        return privacy
