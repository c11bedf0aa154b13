"""What every page is made from: the database, the company that is shown, the templates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import jinja2

from sync.accounts.reference import ReferenceCache
from sync.clock import Clock
from sync.settings import Settings
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.store.overview import RememberedCounts
from sync.web.pages.shown import FILTERS
from sync.web.static_files import static

# Hands out a file's content from Pipedrive, by its id there.
Download = Callable[[int], Any]


@dataclass(frozen=True)
class Site:
    """Everything that pages share. `serving` tells whose company the service works for, as soon as it knows."""

    settings: Settings
    database: Database
    clock: Clock
    serving: Callable[[], int | None] = lambda: None
    download: Download | None = None
    reference: ReferenceCache = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", ReferenceCache(self.database))

    def company(self) -> int | None:
        """The company whose accounts are shown; None as long as none is copied. Raises `DatabaseError`."""
        serving = self.serving()
        if serving is not None:
            return serving
        with self.database.reading() as connection:
            held = load_companies(connection)
        if len(held) == 1:
            return int(held[0]["company_id"])
        mine = [one["company_id"] for one in held if one["domain"] == self.settings.pipedrive_company_domain]
        return int(mine[0]) if len(mine) == 1 else None

    @cached_property
    def counts(self) -> RememberedCounts:
        """How many rows lists have, as of a while ago."""
        return RememberedCounts(self.clock)


@cache
def templates() -> jinja2.Environment:
    """The templates, compiled once for all sites; everything that is put into them is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sync.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.filters |= FILTERS
    environment.globals["static"] = static
    return environment
