"""Against requests that a page of somebody else's makes in a visitor's name.

Twice: by what the browser says of where a request comes from, and by a token in every form. The token is made from a
secret in a cookie that no script can read: the session's, or, where nobody is signed in, one made for this alone.
"""

import hashlib
import hmac
import re

from starlette.datastructures import Headers

from sync.web.access.seen import plain_origin

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER, FIELD = "X-CSRF-Token", "csrf"

_SECRET = re.compile(r"[\w-]{43}", re.ASCII)


def is_from_us(headers: Headers, origin: str, *, bearer: bool) -> bool:
    """Whether a request comes from a page of ours, or from no browser at all.

    Programs say neither where they come from, nor can a page of somebody else's make a browser keep quiet about it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    given = headers.get("origin")
    if given is not None:
        return plain_origin(given) == origin
    return bearer or (_is_json(headers) and "cookie" not in headers)


def token_for(secret: str) -> str:
    """The token of forms, which tells nothing of the secret."""
    return hmac.digest(secret.encode(), b"csrf", hashlib.sha256).hex()


def is_token(given: object, secret: str) -> bool:
    """Whether this is the token of forms."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), token_for(secret).encode())


def is_secret(text: str) -> bool:
    """Whether this can be a secret that we once made."""
    return _SECRET.fullmatch(text) is not None


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
