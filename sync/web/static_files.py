"""Style sheets, scripts and the icon: from memory, compressed, and for good, as their address holds their version."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PREFIX = "/static/"

_FOLDER = files("sync.web") / "static"
_FOR_GOOD = "public, max-age=31536000, immutable"
_KINDS: Mapping[str, str] = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes
    kind: str


def static(name: str) -> str:
    """The address of a static file."""
    return f"{PREFIX}{version()}/{name}"


@cache
def version() -> str:
    """What all static files together are."""
    digest = sha256()
    for name, file in sorted(_files().items()):
        digest.update(name.encode() + file.content)
    return digest.hexdigest()[:12]


def static_route() -> Route:
    """Where they are served."""
    return Route(PREFIX + "{version}/{name}", _serve)


async def _serve(request: Request) -> Response:
    file = _files().get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, 200, {**headers, "Content-Encoding": "gzip"}, file.kind)
    return Response(file.content, 200, headers, file.kind)


@cache
def _files() -> Mapping[str, _File]:
    found = {}
    for file in _FOLDER.iterdir():
        content = file.read_bytes()
        suffix = "." + file.name.rpartition(".")[2]
        kind = _KINDS.get(suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        found[file.name] = _File(content, gzip.compress(content, mtime=0), kind)
    return found
