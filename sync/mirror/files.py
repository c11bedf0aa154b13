"""What files hold: never kept here, only handed on when somebody asks for it."""

from sync.mirror.company import Mirror
from sync.pipedrive.content import Content
from sync.pipedrive.entities import FILES
from sync.pipedrive.purpose import Purpose

_COST = 20  # Pipedrive API: tokens of one download


def fetch_content(mirror: Mirror, file_id: int) -> Content:
    """The bytes of a file, as they come from Pipedrive. Raises `PipedriveError`."""
    path = f"{FILES.listings[0].path}/{file_id}/download"
    purpose = Purpose.DOWNLOAD
    return mirror.client.download(path, cost=_COST, purpose=purpose.label, priority=purpose.priority)
