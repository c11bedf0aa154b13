"""Companies in a database: every call makes a new one, so that examples of a property test don't meet."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sync.store.database import Database
from sync.store.dialect import put
from sync.store.schema import companies

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

NewCompany = Callable[[], int]


@pytest.fixture
def new_company(database: Database) -> NewCompany:
    numbers = itertools.count(1)

    def create() -> int:
        number = next(numbers)
        with database.writing() as connection:
            put(connection, companies, {"company_id": number}, {"synced_at": NOON})
        return number

    return create


@pytest.fixture
def company(new_company: NewCompany) -> int:
    return new_company()
