"""How a request looks from here: by which name we were reached, how safely, and from where.

What a proxy says of the one before it counts only if the proxy is trusted: on this machine, or the one in the settings.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from sync.settings import Settings
from sync.web.access.binding import is_loopback

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s\[\]:@/]+))(?::[0-9]+)?")
_PORTS = {"http": ":80", "https": ":443"}
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a request before anything is known of who makes it."""

    scheme: str
    host: str  # as the Host header has it; empty where there is none, or several
    peer: str  # the address that is connected with us
    address: str  # the address of whoever asks, as far as it can be believed
    is_forwarded: bool

    @property
    def is_secure(self) -> bool:
        """Whether nobody can listen."""
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        """Our own origin."""
        return plain_origin(f"{self.scheme}://{self.host}")

    @property
    def name(self) -> str:
        """The name we were reached by, without a port; empty where it is none."""
        found = _HOST.fullmatch(self.host)
        return (found[1] or found[2]).lower().removesuffix(".") if found else ""


def seen(scope: Scope, settings: Settings) -> Seen:
    """How a request looks from here."""
    headers = Headers(scope=scope)
    peer = str((scope.get("client") or ("",))[0])
    scheme, address = str(scope.get("scheme", "http")), peer
    if is_loopback(peer) or is_proxy(peer, settings):
        scheme = "https" if _last(headers.getlist("x-forwarded-proto")).lower() == "https" else scheme
        address = _address(_last(headers.getlist("x-forwarded-for"))) or peer
    hosts = headers.getlist("host")
    is_forwarded = any(name in headers for name in _FORWARDED)
    return Seen(scheme, hosts[0] if len(hosts) == 1 else "", peer, address, is_forwarded)


def is_proxy(peer: str, settings: Settings) -> bool:
    """Whether this is the address of the proxy in the settings."""
    network = settings.web.proxy_network
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return network is not None and _unmapped(address) in network


def plain_origin(origin: str) -> str:
    """An origin in small letters, and without the port that goes without saying."""
    scheme, _, host = origin.lower().partition("://")
    return f"{scheme}://{host.removesuffix(_PORTS.get(scheme, ' '))}"


def _last(values: Sequence[str]) -> str:
    """The last of a header's values: the one that the nearest proxy has put there."""
    return values[-1].rpartition(",")[2].strip() if values else ""


def _address(text: str) -> str | None:
    try:
        return str(_unmapped(ipaddress.ip_address(text)))
    except ValueError:
        return None


def _unmapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address
