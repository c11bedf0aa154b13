"""What is shown before there are accounts: how far the first copy from Pipedrive is."""

from starlette.responses import Response

from sync.mirror.state import State, load_state
from sync.web.pages.visit import Visit


def show(visit: Visit) -> Response:
    """The progress of the first copy; the page looks for news by itself."""
    state = _state(visit) if visit.company_id else None
    entities = [one for one in state.entities if not one.left_out] if state else []
    lists = [listing for entity in entities for listing in entity.listings if listing.backfill]
    done = sum(one.backfill is not None and one.backfill.state == "complete" for one in lists)
    return visit.show("starting.html", lists=lists, done=done, attention=state.attention if state else [])


def _state(visit: Visit) -> State:
    site = visit.site
    with site.database.reading() as connection:
        return load_state(connection, visit.company_id, site.settings, visit.calendar.now, site.counts)
