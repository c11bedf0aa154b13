"""Our two cookies. Both are for this host alone, and out of reach of scripts.

Behind TLS their names begin with `__Host-`: then no other host of the domain can plant one.
"""

from datetime import timedelta
from http.cookies import SimpleCookie

from sync.store.sessions import LONGEST
from sync.web.access.seen import Seen

SESSION, CSRF = "pipedrive-sync-session", "pipedrive-sync-forms"


def name(cookie: str, seen: Seen) -> str:
    """What a cookie is called, on the way that a request came."""
    return f"__Host-{cookie}" if seen.is_secure else cookie


def bake(cookie: str, value: str, seen: Seen, lasts: timedelta = LONGEST) -> str:
    """The header that sets a cookie."""
    baked: SimpleCookie = SimpleCookie()
    called = name(cookie, seen)
    baked[called] = value
    attributes = {"path": "/", "httponly": True, "samesite": "Lax", "secure": seen.is_secure}
    for attribute, given in {**attributes, "max-age": str(int(lasts.total_seconds()))}.items():
        baked[called][attribute] = given
    return baked[called].OutputString()


def remove(cookie: str, seen: Seen) -> str:
    """The header that removes a cookie."""
    return bake(cookie, "", seen, timedelta())
