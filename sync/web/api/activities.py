"""Activities and notes of accounts: those there are, and asking for new ones, which the service carries out.

What is asked for is an errand: it is noted at once (202), and sent to Pipedrive as soon as may be.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from sync.accounts.records import activities_after, notes_after
from sync.pipedrive.entities import ACTIVITIES
from sync.store.errands import load_errand, load_open_errands
from sync.store.journal import Write
from sync.store.mirror import load_record
from sync.web.api import models
from sync.web.api.accounts import OrganizationId, require_account
from sync.web.api.calls import Answer, Call, Editing, Operation, Reading
from sync.web.api.cursors import PROPER, Cursor, Limit, page, read_cursor
from sync.web.api.problems import Wrong
from sync.writeback.errands import (
    NoSuchErrand,
    NothingThere,
    UnfitErrand,
    ask_for_activity,
    ask_for_note,
    ask_to_complete,
    ask_to_delete,
    ask_to_reschedule,
    drop_errand,
    retry_errand,
)

router = APIRouter(route_class=Operation)

ActivityId = Annotated[int, Path(ge=1, le=PROPER, description="The id of the activity.")]
ErrandId = Annotated[int, Path(ge=1, le=PROPER, description="The number of the errand.")]
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "It is noted, and will be sent to Pipedrive.",
        "headers": {
            "Location": {
                "description": "Where the first of its errands is.",
                "schema": {"type": "string"},
                "required": True,
            }
        },
    },
    404: {},
}
_ACTIVITIES, _NOTES = "activity", "note"

# Notes an errand, given a connection and a company; its number.
_Ask = Callable[..., int]


@router.get(
    "/accounts/{organization_id}/activities",
    summary="List activities",
    tags=["Activities and notes"],
    response_model=models.Activities,
    responses={404: {}},
)
def list_activities(
    call: Reading,
    organization_id: OrganizationId,
    done: Annotated[bool | None, Query(description="Only those done, or only those planned.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> models.Activities:
    """The activities of an account and of its deals, planned and done, by id."""
    after = read_cursor(_ACTIVITIES, cursor)
    with call.database.reading() as connection:
        require_account(connection, call, organization_id)
        rows = activities_after(connection, call.company_id, organization_id, done=done, after=after, limit=limit + 1)
    rows, following = page(_ACTIVITIES, rows, limit, _id)
    data = [models.Activity(**{**row, "done": bool(row["done"])}) for row in rows]
    return models.Activities(data=data, next_cursor=following)


@router.post(
    "/accounts/{organization_id}/activities",
    summary="Plan an activity",
    tags=["Activities and notes"],
    status_code=202,
    response_model=models.Errands,
    responses=_ACCEPTED,
)
def plan_activity(call: Editing, organization_id: OrganizationId, activity: models.NewActivity) -> Answer:
    """Plan an activity for an account."""
    ask = partial(ask_for_activity, organization_id=organization_id, **activity.model_dump())
    return _noted_for(call, organization_id, ask)


@router.patch(
    "/activities/{activity_id}",
    summary="Change an activity",
    tags=["Activities and notes"],
    status_code=202,
    response_model=models.Errands,
    responses=_ACCEPTED,
)
def change_activity(call: Editing, activity_id: ActivityId, change: models.ActivityChange) -> Answer:
    """Mark an activity of an account as done or not, or move it to another day or time."""
    asks: list[_Ask] = []
    if change.due_date or change.due_time or change.duration:
        asks.append(partial(_reschedule, activity_id=activity_id, change=change))
    if change.done is not None:
        asks.append(partial(ask_to_complete, activity_id=activity_id, done=change.done))
    if not asks:
        raise Wrong({"done": "Say what is to change: done, due_date, due_time or duration."})
    return _noted(call, *asks)


def _reschedule(
    connection: Any, company_id: int, *, activity_id: int, change: models.ActivityChange, by: str, now: Any
) -> int:
    held = load_record(connection, company_id, ACTIVITIES, activity_id)
    due_date = change.due_date or (held["due_date"] if held else None)
    if held is not None and due_date is None:
        raise Wrong({"due_date": "The activity has no day yet: say which."})
    return ask_to_reschedule(
        connection,
        company_id,
        activity_id,
        due_date=due_date or "",
        due_time=change.due_time,
        duration=change.duration,
        by=by,
        now=now,
    )


@router.delete(
    "/activities/{activity_id}",
    summary="Delete an activity",
    tags=["Activities and notes"],
    status_code=202,
    response_model=models.Errands,
    responses=_ACCEPTED,
)
def delete_activity(call: Editing, activity_id: ActivityId) -> Answer:
    """Delete an activity at Pipedrive, for everyone."""
    return _noted(call, partial(ask_to_delete, activity_id=activity_id))


@router.get(
    "/accounts/{organization_id}/notes",
    summary="List notes",
    tags=["Activities and notes"],
    response_model=models.Notes,
    responses={404: {}},
)
def list_notes(
    call: Reading, organization_id: OrganizationId, cursor: Cursor = None, limit: Limit = 100
) -> models.Notes:
    """The notes of an account and of its deals, by id."""
    after = read_cursor(_NOTES, cursor)
    with call.database.reading() as connection:
        require_account(connection, call, organization_id)
        rows = notes_after(connection, call.company_id, organization_id, after=after, limit=limit + 1)
    rows, following = page(_NOTES, rows, limit, _id)
    return models.Notes(data=[models.Note(**row) for row in rows], next_cursor=following)


@router.post(
    "/accounts/{organization_id}/notes",
    summary="Add a note",
    tags=["Activities and notes"],
    status_code=202,
    response_model=models.Errands,
    responses=_ACCEPTED,
)
def add_note(call: Editing, organization_id: OrganizationId, note: models.NewNote) -> Answer:
    """Add a note to an account."""
    ask = partial(ask_for_note, organization_id=organization_id, content=note.content)
    return _noted_for(call, organization_id, ask)


@router.get("/errands", summary="List errands", tags=["Errands"], response_model=models.Errands)
def list_errands(call: Reading) -> models.Errands:
    """What is asked for and not done: errands that wait, have no answer yet, or were refused."""
    with call.database.reading() as connection:
        found = load_open_errands(connection, call.company_id)
    return _document(found)


@router.get(
    "/errands/{errand_id}",
    summary="Show an errand",
    tags=["Errands"],
    response_model=models.Errand,
    responses={404: {}},
)
def show_errand(call: Reading, errand_id: ErrandId) -> models.Errand:
    """What became of an errand."""
    with call.database.reading() as connection:
        found = load_errand(connection, call.company_id, errand_id)
    if found is None:
        raise NoSuchErrand(f"There is no errand {errand_id}.")
    return _errand(found)


@router.post(
    "/errands/{errand_id}/retry",
    summary="Try an errand again",
    tags=["Errands"],
    response_model=models.Errand,
    responses={404: {}},
)
def retry(call: Editing, errand_id: ErrandId) -> models.Errand:
    """Let an errand that was refused be sent again."""
    with call.database.writing() as connection:
        retry_errand(connection, call.company_id, errand_id)
        found = load_errand(connection, call.company_id, errand_id)
    assert found is not None
    return _errand(found)


@router.delete(
    "/errands/{errand_id}",
    summary="Forget an errand",
    tags=["Errands"],
    status_code=204,
    response_model=None,
    responses={404: {}},
)
def forget(call: Editing, errand_id: ErrandId) -> Answer:
    """Forget an errand that waits or was refused. What was sent already can't be taken back."""
    with call.database.writing() as connection:
        drop_errand(connection, call.company_id, errand_id)
    return Answer(None, 204)


def _noted_for(call: Call, organization_id: int, ask: _Ask) -> Answer:
    """Note an errand for an account. What else it names and is not there makes it unfit, and is nobody's address."""
    with call.database.reading() as connection:
        require_account(connection, call, organization_id)
    try:
        return _noted(call, ask)
    except NothingThere as error:
        raise UnfitErrand(error.message, error.remedy) from None


def _noted(call: Call, *asks: _Ask) -> Answer:
    """Note errands, all of them or none."""
    with call.database.writing() as connection:
        numbers = [ask(connection, call.company_id, by=call.hand, now=call.now) for ask in asks]
        found = [load_errand(connection, call.company_id, number) for number in numbers]
    document = _document([one for one in found if one is not None])
    return Answer(document, 202, {"Location": f"/api/v1/errands/{numbers[0]}"})


def _document(errands: Sequence[Write]) -> models.Errands:
    return models.Errands(data=[_errand(one) for one in errands])


def _errand(write: Write) -> models.Errand:
    return models.Errand.model_validate(write, from_attributes=True)


def _id(row: Mapping[str, Any]) -> int:
    return int(row["id"])
