"""Files are fetched by the service that works, and by no other."""

import pytest

from sync.mirror.company import Mirror
from sync.pipedrive.purpose import Purpose
from sync.sandbox import Sandbox
from sync.service.daemon import Daemon
from sync.service.errors import NotActive
from sync.service.service import Service
from sync.settings import load_settings
from sync.store.database import Database


def test_the_service_hands_a_file_on_and_books_what_it_costs(
    service: Service, filled: Mirror, sandbox: Sandbox
) -> None:
    record = sandbox.company.add_file("offer.pdf", b"%PDF content", org_id=1)
    spent = sandbox.limits.spent

    content = service.download(record["id"])

    assert (content.size, b"".join(content.chunks())) == (12, b"%PDF content")
    assert sandbox.limits.spent - spent == 20
    assert Purpose.DOWNLOAD.priority == Purpose.WRITE_BACK.priority


def test_who_does_not_work_hands_nothing_on(sandbox: Sandbox, database: Database) -> None:
    settings = load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token})
    with pytest.raises(NotActive):
        Daemon(settings, database).download(1)
