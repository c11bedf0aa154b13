"""Accounts: a list of them by filter, one with its entity tag, changing its fields, and the history of all changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from starlette.exceptions import HTTPException

from sync.accounts.fields import Fields, NoSuchField
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import Row, page_after
from sync.accounts.overlay import OWN
from sync.accounts.records import WonSum, version_of, won_sums
from sync.store.edits import load_history, lock_account
from sync.store.errands import account_exists
from sync.web.api import models
from sync.web.api.calls import Answer, Call, Editing, Operation, Reading
from sync.web.api.cursors import PROPER, Cursor, Limit, page, read_cursor
from sync.web.api.filters import OPTIONS, Wanted
from sync.web.api.problems import Wrong
from sync.web.api.tags import is_held, require_match, tag_of
from sync.writeback.editing import CannotEdit, edit_account, fitting

router = APIRouter(route_class=Operation, tags=["Accounts"])

OrganizationId = Annotated[int, Path(ge=1, le=PROPER, description="The id of the organization.")]
_TAG: dict[str, Any] = {
    "headers": {"ETag": {"description": "The account's entity tag.", "schema": {"type": "string"}, "required": True}}
}

_ACCOUNTS, _HISTORY = "account", "change"


@router.get(
    "/accounts", summary="List accounts", response_model=models.Accounts, openapi_extra={"parameters": [OPTIONS]}
)
def list_accounts(call: Reading, wanted: Wanted, cursor: Cursor = None, limit: Limit = 100) -> models.Accounts:
    """The accounts that the filter asks for, by the organization's id.

    All conditions hold together. An option field is filtered by `option.` and its code, with the id of an option; it
    may come several times, as may `owner`, `label` and `next`. Days are those of UTC.
    """
    after = read_cursor(_ACCOUNTS, cursor)
    company_id = call.company_id
    with call.database.reading() as connection:
        rows = page_after(connection, company_id, wanted, call.calendar, after=after, limit=limit + 1)
        rows, following = page(_ACCOUNTS, rows, limit, lambda row: int(row.account["organization_id"]))
        sums = won_sums(connection, company_id, [row.account["organization_id"] for row in rows])
    return models.Accounts(data=[_document(row, sums) for row in rows], next_cursor=following)


@router.get(
    "/accounts/{organization_id}",
    summary="Show an account",
    response_model=models.Account,
    responses={200: _TAG, 304: {"description": "You have this state already."}, 404: {}},
)
def show_account(
    call: Reading, organization_id: OrganizationId, if_none_match: Annotated[str | None, Header()] = None
) -> Answer:
    """One account, active or former, with its entity tag."""
    with call.database.reading() as connection:
        account, tag = _tagged(connection, call, organization_id)
    if is_held(if_none_match, tag):
        return Answer(None, 304, {"ETag": tag})
    return Answer(account, headers={"ETag": tag})


@router.patch(
    "/accounts/{organization_id}",
    summary="Change an account",
    response_model=models.Account,
    responses={200: _TAG, 404: {}, 412: {}, 428: {}},
)
def change_account(
    call: Editing,
    organization_id: OrganizationId,
    change: models.AccountChange,
    if_match: Annotated[str | None, Header(description="The ETag that the change is based on, or `*`.")] = None,
) -> Answer:
    """Change fields of an account; its organization at Pipedrive follows.

    Either all fields are changed or none. Values have the shapes of Pipedrive's API v2.
    """
    fields = call.fields
    values = _checked(fields, change)
    with call.database.writing() as connection:
        if not lock_account(connection, call.company_id, organization_id):
            raise _no_account(organization_id)
        require_match(if_match, _tagged(connection, call, organization_id)[1])
        edit_account(connection, call.company_id, fields, organization_id, values, by=call.hand, at=call.now)
        account, tag = _tagged(connection, call, organization_id)
    return Answer(account, headers={"ETag": tag})


@router.get(
    "/accounts/{organization_id}/history",
    summary="History of an account",
    response_model=models.History,
    responses={404: {}},
)
def show_history(
    call: Reading, organization_id: OrganizationId, cursor: Cursor = None, limit: Limit = 100
) -> models.History:
    """Every change of every field, here and at Pipedrive, the latest first."""
    before = read_cursor(_HISTORY, cursor)
    names = call.fields.name_of
    with call.database.reading() as connection:
        require_account(connection, call, organization_id)
        found = load_history(connection, call.company_id, organization_id, limit + 1, before=before)
    found, following = page(_HISTORY, found, limit, lambda one: one.id)
    data = [models.Change(**asdict(one), field_name=names(one.field)) for one in found]
    return models.History(data=data, next_cursor=following)


@router.get("/fields", summary="List editable fields", response_model=models.EditableFields)
def list_fields(call: Reading) -> models.EditableFields:
    """The fields of accounts that can be changed, with their codes, types and options."""
    fields = call.fields
    shared = [
        models.EditableField(
            code=code,
            name=fields.name_of(code),
            type=rule.field_type.kind,
            options=_options(rule.field_type.options),
        )
        for code, rule in fields.rules.items()
    ]
    own = [
        models.EditableField(
            code=code,
            name=fields.name_of(code),
            type=one.type,
            options=[models.Option(id=text, label=text) for text in one.options] or None,
        )
        for code, one in fields.own.items()
    ]
    return models.EditableFields(data=[*shared, *own])


def _options(options: Mapping[int, str] | None) -> list[models.Option] | None:
    return None if options is None else [models.Option(id=one, label=label) for one, label in options.items()]


def require_account(connection: Any, call: Call, organization_id: int) -> None:
    """Refuse with 404 what has no account."""
    if not account_exists(connection, call.company_id, organization_id):
        raise _no_account(organization_id)


def _no_account(organization_id: int) -> HTTPException:
    return HTTPException(404, f"Organization {organization_id} has no account.")


def _tagged(connection: Any, call: Call, organization_id: int) -> tuple[models.Account, str]:
    """An account with its entity tag. Refuses with 404."""
    everyone = Filter(status=Status.ALL)
    rows = page_after(connection, call.company_id, everyone, call.calendar, after=organization_id - 1, limit=1)
    version = version_of(connection, call.company_id, organization_id)
    if not rows or rows[0].account["organization_id"] != organization_id or version is None:
        raise _no_account(organization_id)
    account = _document(rows[0], won_sums(connection, call.company_id, [organization_id]))
    return account, tag_of(account, version.edits, version.revision)


def _document(row: Row, sums: Mapping[int, Sequence[WonSum]]) -> models.Account:
    account = row.account
    upcoming = row.next_activity
    return models.Account(
        **{
            **account,
            "custom_fields": _object(account["custom_fields"]),
            "fields": _object(account["fields"]),
            "won_values": [asdict(one) for one in sums.get(account["organization_id"], ())],
            "next_activity": None if upcoming is None else asdict(upcoming),
            "waiting": row.waiting,
            "parked": row.parked,
            "conflicts": row.conflicts,
        }
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _checked(fields: Fields, change: models.AccountChange) -> Mapping[str, Any]:
    """The values of a change by attribute and code. Raises `Wrong`, with every field that is."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, sought, value in _named(change):
        try:
            code = fields.find(sought)
            fitting(fields, code, value)
        except (NoSuchField, CannotEdit) as error:
            wrong[name] = error.message
            continue
        if code in values:
            wrong[name] = "This field is named twice."
        values[code] = value
    if wrong:
        raise Wrong(wrong)
    return values


def _named(change: models.AccountChange) -> Iterator[tuple[str, str, Any]]:
    """What is to be changed: as it was named, under what it is found, and to what."""
    for name, value in change.model_dump(exclude_unset=True).items():
        if name == "custom_fields":
            yield from ((f"{name}.{one}", one, what) for one, what in value.items())
        elif name == "fields":
            yield from ((f"{name}.{one}", OWN + one, what) for one, what in value.items())
        else:
            yield name, name, value
