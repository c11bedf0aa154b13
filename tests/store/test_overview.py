"""Counting rows costs what reading a table costs, so counts are remembered for as long as that is worth."""

from datetime import UTC, datetime

import pytest

from sync.clock import ManualClock
from sync.pipedrive.entities import USERS
from sync.store.database import Database
from sync.store.overview import Counted, RememberedCounts


def test_a_count_that_took_long_is_good_for_long(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(datetime(2026, 11, 2, tzinfo=UTC))
    counts = RememberedCounts(clock)
    made = []

    def slowly(*what: object) -> Counted:
        clock.advance(0.5)
        made.append(what)
        return Counted(len(made), 0)

    monkeypatch.setattr("sync.store.overview.count_listed", slowly)

    def rows(company_id: int = 7) -> int:
        with database.reading() as connection:
            return counts(connection, company_id, USERS, USERS.listings[0]).rows

    assert [rows(), rows(), rows()] == [1, 1, 1]
    assert rows(8) == 2
    clock.advance(51)
    assert rows() == 3
