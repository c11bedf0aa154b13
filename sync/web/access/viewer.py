"""Who looks at a page or calls the API, and how a route asks for him."""

from dataclasses import dataclass
from enum import StrEnum

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope

from sync.store.logins import Role
from sync.web.words import message

__all__ = ["LOCAL", "How", "Role", "Viewer", "editor", "viewer", "viewer_of"]


class How(StrEnum):
    """How it is known who somebody is."""

    LOCAL = "local"  # nobody signs in here
    SESSION = "session"
    PROXY = "proxy"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is let in. `name` goes into the history; `login` is what his preferences are kept under."""

    name: str
    role: Role
    login: str
    how: How

    @property
    def can_edit(self) -> bool:
        """Whether he may change anything."""
        return self.role is Role.EDITOR


LOCAL = Viewer("page", Role.EDITOR, "", How.LOCAL)


def viewer_of(scope: Scope) -> Viewer:
    """Who makes this request. Raises `HTTPException` where nobody was let in."""
    found = scope.get("state", {}).get("viewer")
    if not isinstance(found, Viewer):
        raise HTTPException(401, message("Nobody is signed in."))
    return found


def viewer(request: Request) -> Viewer:
    """Who makes this request: a dependency of routes."""
    return viewer_of(request.scope)


def editor(request: Request) -> Viewer:
    """Who makes this request, and may change something: a dependency of routes. Raises `HTTPException`."""
    found = viewer_of(request.scope)
    if not found.can_edit:
        raise HTTPException(403, message("You may look, but not change anything."))
    return found
