"""Where a login is needed, by the address that is listened at, and where the service had better not start without one.

Pure: everything follows from the settings and from how many logins there are.
"""

import ipaddress
from urllib.parse import urlsplit

from sync.settings import Settings, SettingsError


def why_not_served(settings: Settings, logins: int) -> SettingsError | None:
    """Why the pages must not be served as the settings say; None where they may."""
    if not settings.web.enabled or is_loopback(settings.sync_host) or logins or settings.web.proxy_network:
        return None
    return SettingsError(
        f"The page would be open to whoever reaches {settings.sync_host}: nobody has to sign in.",
        "Make a login (`pipedrive-sync users add NAME`), or let a trusted proxy say who asks (SYNC_WEB__PROXY_ADDRESS "
        "and SYNC_WEB__PROXY_HEADER), or serve the receiver alone (SYNC_WEB__ENABLED=false), or listen on this machine "
        "alone (SYNC_HOST=127.0.0.1).",
    )


def needs_login(settings: Settings, logins: int) -> bool:
    """Whether the pages are for those alone who say who they are."""
    return bool(logins or settings.web.proxy_network or not is_loopback(settings.sync_host) or is_public(settings))


def is_public(settings: Settings) -> bool:
    """Whether something outside forwards to us: webhooks at least, and who knows what else."""
    url = settings.webhook_public_url
    return url is not None and not is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, and can't be another one."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
