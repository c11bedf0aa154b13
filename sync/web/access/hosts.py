"""The names that the pages may be reached by.

Against DNS rebinding: a page of somebody else's, whose name suddenly means this machine, would else be of our own
origin in the eyes of a browser. Such a request has that name in its Host header.
"""

import ipaddress
from collections.abc import Set

from sync.settings import Settings
from sync.web.access.binding import is_loopback
from sync.web.access.seen import Seen


class Hosts:
    """The names that are ours."""

    def __init__(self, settings: Settings) -> None:
        self._names = _names(settings)

    def know(self, seen: Seen) -> bool:
        """Whether we were reached by a name of ours."""
        return is_loopback(seen.name) or seen.name in self._names


def _names(settings: Settings) -> Set[str]:
    return frozenset(name.lower() for name in (*settings.web.hosts, settings.sync_host) if name and not _is_any(name))


def _is_any(host: str) -> bool:
    """Whether a host stands for every address there is."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
