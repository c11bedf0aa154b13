"""Where every history begins: a database that holds the company as it is at the start."""

import random
from collections.abc import Callable

from scripts.simulation.wire import connect_directly
from scripts.simulation.world import START, new_company
from sync.clock import ManualClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import open_mirror
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Company, Sandbox
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.upgrade import upgrade


def prepare(database_url: str, make_company: Callable[[ManualClock], Company] = new_company) -> None:
    """Copy the company that histories begin with into an empty database."""
    clock = ManualClock(START)
    sandbox = Sandbox(make_company(clock), clock=clock, burst=None, deliver=False)
    try:
        copy_everything(sandbox, clock, database_url)
    finally:
        sandbox.stop()


def copy_everything(sandbox: Sandbox, clock: ManualClock, database_url: str) -> None:
    """Copy a company into an empty database."""
    settings = load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token})
    budget = token_budget(settings)
    database = Database(database_url)
    try:
        upgrade(database)
        with connect(settings, clock, budget) as client:
            connect_directly(client, sandbox, random.Random(0))
            mirror = open_mirror(client, database, clock, settings, budget)
            mirror, _ = read_reference(mirror, Refusals(), only_due=False)
            copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())
    finally:
        database.close()
