"""`scripts/simulate --seeds 1000`: live through many histories on SQLite, and say which end wrong."""

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from scripts.simulation.beginning import prepare
from scripts.simulation.world import Outcome, World
from tests.truth import problems


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds, print those that end wrong; the exit code says whether any did."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Random histories on a virtual clock.")
    parser.add_argument("--seeds", type=int, default=200, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2, help="how many at once")
    options = parser.parse_args(arguments)
    _be_quiet()
    seeds = range(options.first, options.first + options.seeds)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        beginning = Path(folder) / "beginning.db"
        prepare(f"sqlite:///{beginning}")
        with ProcessPoolExecutor(options.processes) as pool:
            for seed, outcome in zip(seeds, pool.map(partial(_history, beginning), seeds), strict=True):
                wrong += _told(seed, outcome)
    print(f"{len(seeds):,} histories, {wrong:,} of them ended wrong.")
    return int(wrong > 0)


def _be_quiet() -> None:
    """A storm logs thousands of lines that nobody reads."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _history(beginning: Path, seed: int) -> Outcome:
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


def _told(seed: int, outcome: Outcome) -> bool:
    """Say how a history ended wrong, and how to live through it again."""
    if not outcome.problems:
        return False
    print(f"Seed {seed} ({outcome.edits} edits, {outcome.events} deliveries, {outcome.crashes} crashes):")
    for problem in outcome.problems[:10]:
        print(f"  {problem[:400]}")
    print(f"  again: scripts/simulate --seeds 1 --first {seed}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
