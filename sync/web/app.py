"""The web application: everything that is served, put together. Where it listens is `server`'s business."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fastapi import FastAPI
from starlette.routing import BaseRoute

from sync.clock import Clock
from sync.settings import Settings
from sync.store.database import Database
from sync.web.access.doorkeeper import Access
from sync.web.access.headers import SecurityHeaders
from sync.web.access.signing_in import signing_in_routes
from sync.web.api.routes import api_routes
from sync.web.errors import Refusals
from sync.web.health import Check, Health, health_routes
from sync.web.metrics import Metrics, metrics_routes
from sync.web.pages import activities, conflicts, contacts, everywhere, sync_state
from sync.web.pages.account import page as account
from sync.web.pages.board import page as board
from sync.web.pages.listing import page as listing
from sync.web.pages.routes import is_own, page_routes
from sync.web.pages.site import Site
from sync.web.static_files import PREFIX, static_route
from sync.web.webhooks.companies import Companies
from sync.web.webhooks.credentials import Credentials
from sync.web.webhooks.intake import Intake
from sync.web.webhooks.receiver import Receiver, receiver_routes

_NO_CHECKS: Mapping[str, Check] = MappingProxyType({})
_ROOMS = (everywhere, listing, board, account, contacts, activities, conflicts, sync_state)
_PAGES = tuple(page for room in _ROOMS for page in room.PAGES)


def create_app(
    settings: Settings,
    database: Database,
    clock: Clock,
    intake: Intake,
    checks: Mapping[str, Check] = _NO_CHECKS,
    site: Site | None = None,
) -> FastAPI:
    """The application. `checks` are asked for `/readyz`, besides the database's own.

    Without a `site` it is the receiver, health and metrics alone; with one, the pages and the JSON API as well.
    """
    receiver = Receiver(Credentials(settings, database, clock), Companies(settings, database, clock), intake, clock)
    for_machines = [
        *receiver_routes(receiver, settings.webhook_public_url),
        *health_routes(Health(database, checks)),
        *metrics_routes(Metrics(database, clock)),
    ]
    open_paths = frozenset(route.path for route in for_machines)
    refusals = Refusals(site, open_paths)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=dict(refusals.handlers()),
    )
    app.router.routes += for_machines
    if site is not None:
        app.router.routes += _for_people(site, refusals)
        app.add_middleware(
            Access,
            settings=settings,
            database=database,
            clock=clock,
            is_open=lambda path: path in open_paths or path.startswith(PREFIX),
            is_own=is_own(_PAGES),
            refuse=refusals.refuse,
        )
    app.add_middleware(SecurityHeaders)
    return app


def _for_people(site: Site, refusals: Refusals) -> Sequence[BaseRoute]:
    return [
        static_route(),
        *signing_in_routes(site.database, site.clock, refusals.render),
        *page_routes(site, _PAGES),
        *api_routes(site),
    ]
