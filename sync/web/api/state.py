"""The state of everything: the document that `pipedrive-sync status --json` prints."""

from fastapi import APIRouter

from sync.service.overview import load_status, nothing_copied, status_document
from sync.store.companies import load_companies
from sync.web.api import models
from sync.web.api.calls import Operation, Reading

router = APIRouter(route_class=Operation, tags=["Status"])


@router.get("/status", summary="State of everything", response_model=models.State)
def show_status(call: Reading) -> models.State:
    """How far everything is copied, what it costs, what waits, and what needs attention."""
    company_id = call.site.company()
    with call.database.reading() as connection:
        held = [one for one in load_companies(connection) if one["company_id"] == company_id]
    if not held:
        return models.State(**nothing_copied(call.database))
    status = load_status(call.database, held[0], call.site.settings, call.now, call.site.counts)
    return models.State(**status_document(status))
