"""What the tests of the accounts share."""

import pytest

from sync.store.database import Database
from tests.accounts.mirrored import Mirrored


@pytest.fixture
def mirrored(database: Database) -> Mirrored:
    """A company with nothing in it yet."""
    return Mirrored(database)
