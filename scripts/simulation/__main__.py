"""`scripts/simulate --seeds 1000`: live through many histories on SQLite, and say which end wrong.

With `--write-back` they are those of edits on both sides, else those of the whole service reading.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import structlog

from scripts.simulation.beginning import prepare
from scripts.simulation.ground import SqliteGround
from scripts.simulation.outward import live, small_company
from scripts.simulation.world import Outcome, World, new_company
from tests.truth import problems

History = Callable[[Path, int], Outcome]


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds, print those that end wrong; the exit code says whether any did."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Random histories on a virtual clock.")
    parser.add_argument("--seeds", type=int, default=200, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2, help="how many at once")
    parser.add_argument("--write-back", action="store_true", help="histories of edits here and at Pipedrive")
    options = parser.parse_args(arguments)
    _be_quiet()
    make_company, history = (small_company, _edited) if options.write_back else (new_company, _read)
    again = "scripts/simulate --write-back" if options.write_back else "scripts/simulate"
    seeds = range(options.first, options.first + options.seeds)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        beginning = Path(folder) / "beginning.db"
        prepare(f"sqlite:///{beginning}", make_company)
        with ProcessPoolExecutor(options.processes) as pool:
            for seed, outcome in zip(seeds, pool.map(partial(history, beginning), seeds), strict=True):
                wrong += _told(seed, outcome, again)
    print(f"{len(seeds):,} histories, {wrong:,} of them ended wrong.")
    return int(wrong > 0)


def _be_quiet() -> None:
    """A storm logs thousands of lines that nobody reads."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _read(beginning: Path, seed: int) -> Outcome:
    _be_quiet()
    file = beginning.with_name(f"{seed}.db")
    shutil.copyfile(beginning, file)
    world = World(seed, f"sqlite:///{file}", problems)
    try:
        return world.run()
    finally:
        world.close()
        for rest in beginning.parent.glob(f"{seed}.db*"):
            rest.unlink()


def _edited(beginning: Path, seed: int) -> Outcome:
    _be_quiet()
    return live(seed, _ground(beginning))


@lru_cache
def _ground(beginning: Path) -> SqliteGround:
    """This process's own."""
    return SqliteGround(beginning, beginning.with_name(f"{os.getpid()}.db"))


def _told(seed: int, outcome: Outcome, again: str) -> bool:
    """Say how a history ended wrong, and how to live through it again."""
    if not outcome.problems:
        return False
    print(f"Seed {seed} ({outcome.edits} edits, {outcome.events} deliveries, {outcome.crashes} crashes):")
    for problem in outcome.problems[:10]:
        print(f"  {problem[:400]}")
    print(f"  again: {again} --seeds 1 --first {seed}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
