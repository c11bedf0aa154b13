"""Random histories of the whole service: once they calm down, mirror and accounts are what Pipedrive has.

Each test lives through several seeds; set SYNC_TEST_SEEDS for more of them, or run `scripts/simulate`.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import URL

from scripts.simulation.beginning import prepare
from scripts.simulation.world import World
from tests.truth import problems

SEEDS = int(os.environ.get("SYNC_TEST_SEEDS", "200"))
ON_POSTGRESQL = SEEDS // 10
AT_ONCE = 10  # seeds of one test

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A storm logs thousands of lines that nobody reads."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def beginning(sqlite_template: Path) -> Path:
    """An SQLite file that holds the company as every history begins."""
    file = sqlite_template.with_name("beginning.db")
    prepare(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgresql_beginning(
    postgresql_server: URL, postgresql_template: Callable[[str], None]
) -> Iterator[Callable[[], str]]:
    """Makes PostgreSQL databases that hold the company as every history begins; gives their address."""
    postgresql_template("CREATE DATABASE beginning")
    prepare(_address(postgresql_server, "beginning"))
    names: list[str] = []

    def make() -> str:
        names.append(f"history_{next(_numbers)}")
        postgresql_template(f"CREATE DATABASE {names[-1]} TEMPLATE beginning")
        return _address(postgresql_server, names[-1])

    yield make
    for name in (*names, "beginning"):
        postgresql_template(f"DROP DATABASE {name} WITH (FORCE)")


def _address(server: URL, name: str) -> str:
    return server.set(database=name).render_as_string(hide_password=False)


def wrong_after(seed: int, database_url: str) -> list[str]:
    """What is wrong at the end of one history, and how to live through it again."""
    world = World(seed, database_url, problems)
    try:
        wrong = world.run().problems
    finally:
        world.close()
    return [f"again: scripts/simulate --seeds 1 --first {seed}", *wrong[:10]] if wrong else []


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_after_any_history_mirror_and_accounts_are_those_of_pipedrive(
    beginning: Path, tmp_path: Path, first: int
) -> None:
    for seed in range(first, first + AT_ONCE):
        shutil.copyfile(beginning, file := tmp_path / f"{seed}.db")
        assert wrong_after(seed, f"sqlite:///{file}") == []


@pytest.mark.parametrize("first", range(SEEDS, SEEDS + ON_POSTGRESQL, AT_ONCE))
def test_on_postgresql_too(postgresql_beginning: Callable[[], str], first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        assert wrong_after(seed, postgresql_beginning()) == []
