"""Conflicts: fields that were changed on both sides, and deciding which value is kept."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException

from sync.accounts.queries import names_of
from sync.store.conflicts import Conflict, load_conflict, load_conflicts
from sync.web.api import models
from sync.web.api.calls import Call, Editing, Operation, Reading
from sync.web.api.cursors import PROPER, Cursor, Limit, page, read_cursor
from sync.web.api.problems import Wrong
from sync.writeback.editing import CannotEdit, resolve_conflict

router = APIRouter(route_class=Operation, tags=["Conflicts"])

_WHAT = "conflict"


@router.get("/conflicts", summary="List conflicts", response_model=models.Conflicts)
def list_conflicts(
    call: Reading,
    all: Annotated[bool, Query(description="Also those that are decided.")] = False,
    organization_id: Annotated[int | None, Query(ge=1, le=PROPER, description="Only of one account.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> models.Conflicts:
    """The conflicts that wait for somebody to decide, the latest first."""
    before = read_cursor(_WHAT, cursor)
    with call.database.reading() as connection:
        found = load_conflicts(
            connection,
            call.company_id,
            organization_id=organization_id,
            only_open=not all,
            before=before,
            limit=limit + 1,
        )
        found, following = page(_WHAT, found, limit, lambda one: one.id or 0)
        data = _documents(connection, call, found)
    return models.Conflicts(data=data, next_cursor=following)


@router.post(
    "/conflicts/{conflict_id}/resolve",
    summary="Decide a conflict",
    response_model=models.Conflict,
    responses={404: {}},
)
def resolve(
    call: Editing,
    conflict_id: Annotated[int, Path(ge=1, le=PROPER, description="The number of the conflict.")],
    decision: models.Decision,
) -> models.Conflict:
    """Keep Pipedrive's value, the account's, or a third one. One that is decided can be decided anew."""
    fields = call.fields
    with call.database.writing() as connection:
        if load_conflict(connection, call.company_id, conflict_id) is None:
            raise HTTPException(404, f"There is no conflict {conflict_id}.")
        try:
            resolve_conflict(
                connection,
                call.company_id,
                fields,
                conflict_id,
                decision.keep,
                value=decision.value,
                by=call.hand,
                at=call.now,
            )
        except CannotEdit as error:
            raise Wrong({"value" if decision.keep == "value" else "keep": error.message}) from None
        settled = load_conflict(connection, call.company_id, conflict_id)
        (document,) = _documents(connection, call, [settled] if settled else [])
    return document


def _documents(connection: Any, call: Call, found: Any) -> list[models.Conflict]:
    names = names_of(connection, call.company_id, "organizations", sorted({one.organization_id for one in found}))
    return [_document(call, one, names) for one in found]


def _document(call: Call, conflict: Conflict, names: Mapping[int, str]) -> models.Conflict:
    return models.Conflict(
        **asdict(conflict),
        field_name=call.fields.name_of(conflict.field),
        account_name=names.get(conflict.organization_id),
    )
