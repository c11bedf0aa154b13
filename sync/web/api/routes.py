"""Where the API is: an application of its own below `/api`, so that it refuses everything in its own way."""

from collections.abc import Sequence
from functools import cache

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from sync.web.api import accounts, activities, conflicts, docs, state
from sync.web.api.problems import handlers
from sync.web.api.schema import SERVER, describe
from sync.web.pages.routes import page_routes
from sync.web.pages.site import Site


def api_routes(site: Site) -> Sequence[BaseRoute]:
    """The API of a site: `/api/v1`, its description at `/api/openapi.json`, and the same for people at `/api/docs`."""
    return [Mount(SERVER, create_api(site))]


def create_api(site: Site) -> FastAPI:
    """The API as an application; whoever serves it puts whoever asks into the scope."""
    api = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=dict(handlers()),
    )
    api.state.site = site
    for room in (accounts, activities, conflicts, state):
        api.include_router(room.router, prefix="/v1")
    description = cache(lambda: describe(api))

    async def show_description(_request: Request) -> Response:
        return Response(orjson.dumps(description()), media_type="application/json")

    api.router.routes.append(Route("/openapi.json", show_description))
    api.router.routes += page_routes(site, docs.pages(description))
    return api
