"""Entity tags (RFC 9110): strong ones, which change with every change of what is answered."""

from hashlib import sha256

from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sync.web.api.calls import encode

_WEAK = "W/"


def tag_of(document: BaseModel, *versions: int) -> str:
    """The tag of a document; `versions` count changes that lead back to the same document."""
    digest = sha256(encode(document) + repr(versions).encode()).hexdigest()
    return f'"{digest[:32]}"'


def is_held(if_none_match: str | None, tag: str) -> bool:
    """Whether whoever asks has this very state."""
    held = [one.removeprefix(_WEAK) for one in _tags(if_none_match)]
    return "*" in held or tag in held


def require_match(if_match: str | None, tag: str) -> None:
    """Go on only if a change is based on the present state. Refuses with 428, or 412."""
    if not (if_match or "").strip():
        raise HTTPException(428, "Say what your change is based on: send If-Match with the account's ETag, or *.")
    based_on = _tags(if_match)
    if "*" not in based_on and tag not in based_on:
        raise HTTPException(412, "The account has changed since: read it again, and decide anew.")


def _tags(header: str | None) -> list[str]:
    return [one.strip() for one in (header or "").split(",")]
