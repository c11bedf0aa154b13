"""What the API takes and answers, as documents. Amounts are texts, so that no program rounds them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from sync.web.api.cursors import PROPER

Amount = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["1250.50"]}),
]
"""An exact amount as a text."""

Id = Annotated[int, Field(ge=1, le=PROPER)]
_TimeOfDay = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", examples=["09:30"], max_length=8)
]


class _Body(BaseModel):
    """What is sent: nothing in it is passed over in silence."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What is wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    remedy: str | None = Field(None, description="What to do about it.")
    errors: list["FieldProblem"] | None = Field(None, description="What is wrong with each field or parameter.")


class FieldProblem(BaseModel):
    """What is wrong with one field of a body, or one parameter."""

    field: str = Field(description="Its name, or the way to it: `custom_fields.9dc5…`.")
    detail: str


class WonValue(BaseModel):
    """What was won in one currency; an empty one stands for deals without a currency."""

    currency: str
    value: Amount
    deals_count: int


class NextActivity(BaseModel):
    """The next activity of an account."""

    id: int
    type: str | None = Field(description="The key of its type.")
    subject: str | None
    due_date: date | None
    due_time: str | None = Field(description="In UTC; none means all day.")


class Account(BaseModel):
    """An account. Attributes and custom fields have the values of Pipedrive's API v2."""

    organization_id: int
    status: str = Field(description="`active` or `former`.")
    name: str | None
    owner_id: int | None
    address: Any = Field(description="An object whose `value` is its text.")
    label_ids: Any = Field(description="A list of ids.")
    visible_to: int | None
    website: str | None
    linkedin: str | None
    industry: int | None
    annual_revenue: Amount | None
    employee_count: int | None
    custom_fields: dict[str, Any] = Field(description="Custom fields by their 40-character codes.")
    fields: dict[str, Any] = Field(description="The account's own fields, by name.")
    won_deals_count: int
    open_deals_count: int
    won_value: Amount | None = Field(description="In `currency`; none where a rate is missing.")
    currency: str | None = Field(description="The company's.")
    won_values: list[WonValue]
    first_won_time: datetime | None
    last_won_time: datetime | None
    next_activity: NextActivity | None
    last_activity_time: datetime | None
    created_at: datetime = Field(description="Customer since.")
    created_by_deal_id: int | None
    updated_at: datetime
    write_back: bool = Field(description="Whether its edits are sent to Pipedrive.")
    waiting: int = Field(description="Edited fields that wait to be written.")
    parked: int = Field(description="Edited fields that Pipedrive does not take.")
    conflicts: int = Field(description="Fields that wait for somebody to decide.")


class Accounts(BaseModel):
    """A page of accounts, by the organization's id."""

    data: list[Account]
    next_cursor: str | None


class AccountChange(BaseModel):
    """Fields to change, by attribute; custom and own fields also by code or unique name. Null clears."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"name": "Acme & Co", "custom_fields": {"Customer number": "K-17"}}]},
    )

    name: Any = None
    owner_id: Any = None
    address: Any = None
    label_ids: Any = None
    visible_to: Any = None
    custom_fields: dict[str, Any] = Field({}, description="By code or unique name; those not named stay as they are.")
    fields: dict[str, Any] = Field({}, description="The account's own fields; those not named stay as they are.")


class Option(BaseModel):
    """An option of a field."""

    id: int | str
    label: str


class EditableField(BaseModel):
    """A field of an account that can be edited."""

    code: str = Field(description="An attribute, a 40-character code, or `fields.` and an own field's name.")
    name: str
    type: str
    options: list[Option] | None


class EditableFields(BaseModel):
    """The fields of accounts that can be edited."""

    data: list[EditableField]


class Activity(BaseModel):
    """An activity of an account or of one of its deals."""

    id: int
    subject: str | None
    type: str | None = Field(description="The key of its type.")
    due_date: date | None
    due_time: str | None = Field(description="In UTC; none means all day.")
    duration: str | None
    done: bool
    marked_as_done_time: datetime | None
    owner_id: int | None
    deal_id: int | None
    person_id: int | None
    note: str | None = Field(description="HTML from Pipedrive: clean it before you show it.")
    add_time: datetime | None
    update_time: datetime | None


class Activities(BaseModel):
    """A page of activities, by id."""

    data: list[Activity]
    next_cursor: str | None


class NewActivity(_Body):
    """An activity to plan."""

    subject: str = Field(min_length=1, max_length=255)
    type: str = Field(description="The key or the name of an activity type.", max_length=255, examples=["call"])
    due_date: date
    due_time: _TimeOfDay | None = Field(None, description="In UTC; without one it is due all day.")
    duration: _TimeOfDay | None = Field(None, description="Hours and minutes.")
    owner_id: Id | None = Field(None, description="Without one it is the token's user's.")
    deal_id: Id | None = None
    note: str | None = Field(None, description="HTML.", min_length=1, max_length=100_000)


class ActivityChange(_Body):
    """What is to become of an activity: done or not, another day, another time."""

    done: bool | None = None
    due_date: date | None = None
    due_time: _TimeOfDay | None = Field(None, description="In UTC. Without one the time stays.")
    duration: _TimeOfDay | None = None


class Note(BaseModel):
    """A note on an account or on one of its deals."""

    id: int
    content: str | None = Field(description="HTML from Pipedrive: clean it before you show it.")
    user_id: int | None
    deal_id: int | None
    person_id: int | None
    add_time: datetime | None
    update_time: datetime | None


class Notes(BaseModel):
    """A page of notes, by id."""

    data: list[Note]
    next_cursor: str | None


class NewNote(_Body):
    """A note to add."""

    content: str = Field(description="HTML.", min_length=1, max_length=100_000)


class Change(BaseModel):
    """One change of one field of an account, whoever made it."""

    id: int
    field: str
    field_name: str
    old_value: Any
    new_value: Any
    changed_at: datetime
    changed_by: str
    side: str = Field(description="Where it was made: `account` or `pipedrive`.")


class History(BaseModel):
    """A page of changes, the latest first."""

    data: list[Change]
    next_cursor: str | None


class Errand(BaseModel):
    """Work for an account that is to be done at Pipedrive."""

    id: int
    organization_id: int
    entity: str = Field(description="`activities` or `notes`.")
    action: str = Field(description="`create`, `change` or `delete`.")
    record_id: int | None = Field(description="Of the activity or note; none until it is created.")
    body: Any = Field(description="What is sent.")
    state: str = Field(description="`waiting`, `sent` (no answer yet), `done` or `failed`.")
    requested_at: datetime
    requested_by: str
    ended_at: datetime | None
    error: str | None = Field(description="Why it failed, in Pipedrive's words.")


class Errands(BaseModel):
    """Errands, in the order in which they were asked for."""

    data: list[Errand]


class Conflict(BaseModel):
    """A field that was changed on both sides; all values are kept."""

    id: int
    organization_id: int
    account_name: str | None
    field: str
    field_name: str
    base_value: Any = Field(description="What both sides agreed on before.")
    account_value: Any
    account_time: datetime | None
    account_by: str | None
    pipedrive_value: Any
    pipedrive_time: datetime | None
    pipedrive_by: str | None
    policy: str
    detected_at: datetime
    resolution: str | None = Field(description="`pipedrive`, `account` or `value`; none while it waits.")
    resolved_at: datetime | None
    resolved_by: str | None


class Conflicts(BaseModel):
    """A page of conflicts, the latest first."""

    data: list[Conflict]
    next_cursor: str | None


class Decision(_Body):
    """Which value of a conflict is kept."""

    keep: Literal["theirs", "ours", "value"] = Field(description="`theirs` is Pipedrive's, `ours` the account's.")
    value: Any = Field(None, description="The third value, with `keep: value`.")


class State(BaseModel):
    """How everything is doing: what `pipedrive-sync status --json` prints."""

    model_config = ConfigDict(extra="allow")

    company: dict[str, Any] | None
    database: dict[str, Any]
    entities: list[dict[str, Any]]
    accounts: dict[str, int] | None = None
    tokens: dict[str, Any] | None = None
    rejected: int | None = None
    plan: dict[str, Any] | None = None
    webhooks: dict[str, Any] | None = None
    jobs: list[dict[str, Any]] | None = None
    parked: int | None = None
    conflicts: int | None = None
    write_back: dict[str, Any] | None = None
    attention: list[str]
