"""Why the service of this process can't do something for somebody at present."""

from sync.errors import SyncError


class NotActive(SyncError):
    """This instance is only starting, or stands by: it does not talk to Pipedrive."""
