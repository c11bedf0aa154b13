"""Random histories of the write-back: once they calm down, no edit is lost on either side, and none was sent twice.

Each test lives through several seeds; set SYNC_TEST_SEEDS for more of them, or run `scripts/simulate --write-back`.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import URL

from scripts.simulation.beginning import prepare
from scripts.simulation.ground import Ground, PostgresqlGround, SqliteGround
from scripts.simulation.outward import live, small_company

SEEDS = int(os.environ.get("SYNC_TEST_SEEDS", "300"))
AT_ONCE = 10  # seeds of one test


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A storm logs thousands of lines that nobody reads."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def sqlite_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder: Path = tmp_path_factory.mktemp("write-back")
    prepare(f"sqlite:///{folder / 'beginning.db'}", small_company)
    ground = SqliteGround(folder / "beginning.db", folder / "history.db")
    yield ground
    ground.close()


@pytest.fixture(scope="session")
def postgresql_ground(postgresql_server: URL, postgresql_template: Callable[[str], None]) -> Iterator[Ground]:
    postgresql_template("CREATE DATABASE written_back")
    url = postgresql_server.set(database="written_back").render_as_string(hide_password=False)
    prepare(url, small_company)
    ground = PostgresqlGround(url)
    yield ground
    ground.close()
    postgresql_template("DROP DATABASE written_back WITH (FORCE)")


def wrong_after(seed: int, ground: Ground) -> list[str]:
    """What is wrong at the end of one history, and how to live through it again."""
    wrong = live(seed, ground).problems
    return [f"again: scripts/simulate --write-back --seeds 1 --first {seed}", *wrong[:10]] if wrong else []


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_after_any_history_no_edit_is_lost_on_either_side(sqlite_ground: Ground, first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        assert wrong_after(seed, sqlite_ground) == []


@pytest.mark.parametrize("first", range(SEEDS, 2 * SEEDS, AT_ONCE))
def test_on_postgresql_too(postgresql_ground: Ground, first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        assert wrong_after(seed, postgresql_ground) == []
