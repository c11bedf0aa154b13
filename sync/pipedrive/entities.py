"""The table of everything that is mirrored: adding an entity is adding a row here.

Each `Entity` names its table, its columns under their API names, and the `Listing`s that show its records: path, way of
paging, cost in tokens and how changes are found. Code elsewhere asks this table instead of naming entities. Nothing in
here does I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Kind(Enum):
    """What a column holds."""

    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"  # exact decimal: money, percentages
    TIMESTAMP = "timestamp"  # an instant, whole seconds, UTC
    DATE = "date"
    JSON = "json"


class Paging(Enum):
    """How a list hands out its pages."""

    CURSOR = "cursor"  # API v2: `limit` and an opaque `cursor`
    OFFSET = "offset"  # API v1: `start` and `limit`
    WHOLE = "whole"  # one unpaginated answer


class Poll(Enum):
    """How changes since the last look are found in a list."""

    SINCE = "since"  # `updated_since`, ascending by update_time
    NEWEST = "newest"  # no filter on time: newest first, until something known
    WHOLE = "whole"  # read it all; what is not in it is gone


class Lookup(Enum):
    """How single records are asked for by id."""

    BATCH = "batch"  # `ids=1,2,3` on the list, 100 at most
    SINGLE = "single"  # `{path}/{id}`
    NONE = "none"  # the list is all there is


LOOKUP_BATCH = 100  # Pipedrive API: at most 100 ids in one `ids=` parameter


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute of a record, stored under its API name."""

    name: str
    kind: Kind
    optional: bool = False  # comes on some plans only: null and absent both mean "no value"
    needed: bool = False  # the mirror can't do without it: privacy settings may not leave it out


@dataclass(frozen=True, slots=True, eq=False)  # each is one of a kind
class Listing:
    """One list of the API that shows records of an entity."""

    name: str
    path: str
    paging: Paging
    poll: Poll
    cost: int
    page_size: int = 500
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    constants: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # put into every row
    lookup: Lookup = Lookup.BATCH
    lookup_cost: int = 10  # per call: a batch of ids, or one record
    shows: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))  # rows of the mirror it covers
    newest_ids: bool = False  # can hold records that no `updated_since` shows
    pace: int = 1  # polled so many times less often than the most pressing lists


@dataclass(frozen=True, slots=True, eq=False)  # each is one of a kind
class Entity:
    """One kind of mirrored record: its table, its columns, its lists."""

    name: str  # table and command-line name
    singular: str  # what the API and webhooks call one of them
    columns: tuple[Column, ...]
    listings: tuple[Listing, ...]
    key: tuple[str, ...] = ("id",)
    api_version: int = 2
    has_custom_fields: bool = False
    leads_to_organization: tuple[str, ...] = ()  # columns that tie a record to an organization's account
    deleted_when: tuple[str, bool] | None = ("is_deleted", True)  # how a record says that it is deleted
    optional: bool = False  # privacy settings may leave the whole entity out
    has_events: bool = False  # Pipedrive tells of its changes by webhook, under the singular name

    @property
    def column_names(self) -> frozenset[str]:
        return frozenset(column.name for column in self.columns)

    @property
    def is_reference(self) -> bool:
        """Small lists that change rarely and are always read whole."""
        return all(listing.poll is Poll.WHOLE for listing in self.listings)


def _columns(kind: Kind, names: str, *, optional: bool = False, needed: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, kind, optional, needed) for name in names.split())


def _integers(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.INTEGER, names, **flags)


def _texts(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.TEXT, names, **flags)


def _booleans(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.BOOLEAN, names, **flags)


def _numbers(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.NUMBER, names, **flags)


def _timestamps(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.TIMESTAMP, names, **flags)


def _dates(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.DATE, names, **flags)


def _jsons(names: str, **flags: bool) -> tuple[Column, ...]:
    return _columns(Kind.JSON, names, **flags)


_ID = _integers("id", needed=True)
_TIMES = _timestamps("add_time update_time", needed=True)
_DELETED = _booleans("is_deleted", needed=True)


def _v2(name: str, path: str, cost: int = 10, **more: object) -> Listing:
    return Listing(name, f"/api/v2/{path}", Paging.CURSOR, Poll.SINCE, cost, **more)  # type: ignore[arg-type]


def _reference(name: str, path: str, paging: Paging, cost: int, **more: object) -> Listing:
    return Listing(name, path, paging, Poll.WHOLE, cost, **more)  # type: ignore[arg-type]


def _fields_of(singular: str) -> Listing:
    return _reference(
        f"{singular}_fields",
        f"/api/v2/{singular}Fields",
        Paging.CURSOR,
        cost=10,
        constants=MappingProxyType({"entity": singular}),
        lookup=Lookup.NONE,
    )


# The v1 prefix stands here alone: the v1 resources left are notes, files, users, activityTypes, currencies.
_V1 = "/api/v1"

# Every status, or deleted deals and nothing tells of a deletion (Pipedrive API: `status` of GET /deals).
_DEAL_PARAMS = MappingProxyType({"status": "open,won,lost,deleted", "include_fields": "first_won_time"})

ORGANIZATIONS = Entity(
    name="organizations",
    singular="organization",
    columns=(
        *_ID,
        *_texts("name", needed=True),
        *_integers("owner_id visible_to"),
        *_TIMES,
        *_DELETED,
        *_jsons("label_ids address"),
        *_texts("website linkedin", optional=True),
        *_integers("industry employee_count", optional=True),
        *_numbers("annual_revenue", optional=True),
    ),
    listings=(_v2("organizations", "organizations"),),
    has_custom_fields=True,
    leads_to_organization=("id",),
    has_events=True,
)

DEALS = Entity(
    name="deals",
    singular="deal",
    columns=(
        *_ID,
        *_texts("title"),
        *_integers("owner_id creator_user_id person_id"),
        *_integers("org_id", needed=True),
        *_integers("pipeline_id stage_id"),
        *_numbers("value", needed=True),
        *_texts("currency status", needed=True),
        *_numbers("probability"),
        *_TIMES,
        *_timestamps("stage_change_time"),
        *_timestamps("won_time", needed=True),
        *_timestamps("lost_time close_time"),
        *_timestamps("first_won_time", optional=True),
        *_dates("local_won_date local_lost_date local_close_date", optional=True),
        *_dates("expected_close_date"),
        *_DELETED,
        *_booleans("is_archived", needed=True),
        *_timestamps("archive_time"),
        *_texts("lost_reason"),
        *_jsons("label_ids"),
        *_integers("visible_to"),
        *_texts("origin origin_id"),
        *_integers("channel"),
        *_texts("channel_id"),
        *_texts("source_lead_id", optional=True),
        *_numbers("arr mrr acv", optional=True),
    ),
    listings=(
        _v2(
            "deals",
            "deals",
            params=_DEAL_PARAMS,
            shows=MappingProxyType({"is_archived": False}),
            # Pipedrive API: update_time can be null on a deal never changed since its creation.
            newest_ids=True,
        ),
        _v2(
            "deals_archived",
            "deals/archived",
            cost=20,
            params=_DEAL_PARAMS,
            shows=MappingProxyType({"is_archived": True}),
            lookup_cost=20,
            pace=4,
        ),
    ),
    has_custom_fields=True,
    leads_to_organization=("org_id",),
    has_events=True,
)

PERSONS = Entity(
    name="persons",
    singular="person",
    columns=(
        *_ID,
        *_texts("name first_name last_name"),
        *_integers("owner_id"),
        *_integers("org_id", needed=True),
        *_TIMES,
        *_jsons("emails phones"),
        *_DELETED,
        *_integers("visible_to"),
        *_jsons("label_ids"),
        *_integers("picture_id"),
        *_jsons("postal_address im", optional=True),
        *_texts("notes job_title", optional=True),
        *_dates("birthday", optional=True),
    ),
    listings=(_v2("persons", "persons", pace=2),),
    has_custom_fields=True,
    optional=True,
    has_events=True,
)

ACTIVITIES = Entity(
    name="activities",
    singular="activity",
    columns=(
        *_ID,
        *_texts("subject type"),
        *_integers("owner_id creator_user_id"),
        *_DELETED,
        *_TIMES,
        *_integers("deal_id org_id", needed=True),
        *_texts("lead_id"),
        *_integers("person_id project_id"),
        *_dates("due_date", needed=True),
        *_texts("due_time", needed=True),
        *_texts("duration"),
        *_booleans("busy"),
        *_booleans("done", needed=True),
        *_timestamps("marked_as_done_time", needed=True),
        *_jsons("location participants"),
        *_jsons("attendees", optional=True),
        *_texts("conference_meeting_client conference_meeting_url conference_meeting_id public_description note"),
        *_integers("priority"),
    ),
    listings=(_v2("activities", "activities", params=MappingProxyType({"include_fields": "attendees"})),),
    leads_to_organization=("org_id", "deal_id"),
    optional=True,
    has_events=True,
)

NOTES = Entity(
    name="notes",
    singular="note",
    columns=(
        *_ID,
        *_booleans("active_flag", needed=True),
        *_TIMES,
        *_texts("content lead_id"),
        *_integers("deal_id org_id person_id project_id user_id last_update_user_id"),
        *_integers("task_id", optional=True),
        *_booleans(
            "pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag "
            "pinned_to_person_flag pinned_to_project_flag"
        ),
        *_booleans("pinned_to_task_flag", optional=True),
        # What hangs on the note, as the note shows it: names at the time of reading, kept as they came.
        *_jsons("deal organization person user"),
        *_jsons("project task", optional=True),
    ),
    listings=(
        Listing("notes", f"{_V1}/notes", Paging.OFFSET, Poll.SINCE, 20, lookup=Lookup.SINGLE, lookup_cost=2, pace=4),
    ),
    api_version=1,
    deleted_when=("active_flag", False),
    optional=True,
    has_events=True,
)

FILES = Entity(
    name="files",
    singular="file",
    columns=(
        *_ID,
        *_integers("user_id deal_id person_id org_id product_id activity_id log_id"),
        *_texts("lead_id"),
        *_TIMES,
        *_texts("name file_name file_type"),
        *_integers("file_size"),
        *_booleans("active_flag", needed=True),
        *_booleans("inline_flag"),
        *_texts("remote_location remote_id cid s3_bucket mail_message_id mail_template_id"),
        *_texts("deal_name person_name lead_name org_name product_name url description"),
    ),
    listings=(
        Listing(
            "files",
            f"{_V1}/files",
            Paging.OFFSET,
            Poll.NEWEST,
            cost=20,
            page_size=100,  # Pipedrive API: GET /files takes a `limit` of 100 at most
            lookup=Lookup.SINGLE,
            lookup_cost=2,
        ),
    ),
    api_version=1,
    deleted_when=("active_flag", False),
    optional=True,
)

USERS = Entity(
    name="users",
    singular="user",
    columns=(
        *_ID,
        *_texts("name email default_currency locale"),
        *_integers("lang"),
        *_texts("phone"),
        *_booleans("activated"),
        *_timestamps("last_login created modified"),
        *_booleans("has_created_company"),
        *_jsons("access"),
        *_booleans("active_flag"),
        *_texts("timezone_name timezone_offset"),
        *_integers("role_id"),
        *_texts("icon_url"),
        *_booleans("is_you is_deleted"),
    ),
    listings=(_reference("users", f"{_V1}/users", Paging.WHOLE, cost=20, lookup=Lookup.SINGLE, lookup_cost=2),),
    api_version=1,
    has_events=True,
)

PIPELINES = Entity(
    name="pipelines",
    singular="pipeline",
    columns=(
        *_ID,
        *_texts("name"),
        *_integers("order_nr"),
        *_DELETED,
        *_booleans("is_deal_probability_enabled"),
        *_TIMES,
    ),
    listings=(
        _reference("pipelines", "/api/v2/pipelines", Paging.CURSOR, cost=5, lookup=Lookup.SINGLE, lookup_cost=1),
    ),
    has_events=True,
)

STAGES = Entity(
    name="stages",
    singular="stage",
    columns=(
        *_ID,
        *_integers("order_nr"),
        *_texts("name"),
        *_DELETED,
        *_numbers("deal_probability"),
        *_integers("pipeline_id"),
        *_booleans("is_deal_rot_enabled"),
        *_integers("days_to_rotten"),
        *_TIMES,
    ),
    listings=(_reference("stages", "/api/v2/stages", Paging.CURSOR, cost=5, lookup=Lookup.SINGLE, lookup_cost=1),),
    has_events=True,
)

ACTIVITY_TYPES = Entity(
    name="activity_types",
    singular="activityType",
    deleted_when=None,
    columns=(
        *_ID,
        *_integers("order_nr"),
        *_texts("name key_string icon_key color"),
        *_booleans("active_flag is_custom_flag"),
        *_TIMES,
    ),
    listings=(_reference("activity_types", f"{_V1}/activityTypes", Paging.WHOLE, cost=20, lookup=Lookup.NONE),),
    api_version=1,
)

CURRENCIES = Entity(
    name="currencies",
    singular="currency",
    deleted_when=None,
    columns=(
        *_ID,
        *_texts("code name"),
        *_integers("decimal_points"),
        *_texts("symbol"),
        *_booleans("active_flag is_custom_flag"),
    ),
    listings=(_reference("currencies", f"{_V1}/currencies", Paging.WHOLE, cost=20, lookup=Lookup.NONE),),
    api_version=1,
)

FIELDS = Entity(
    name="fields",
    singular="field",
    deleted_when=None,
    columns=(
        *_texts("entity field_code", needed=True),
        *_texts("field_name field_type", needed=True),
        *_jsons("options subfields", needed=True),
        *_booleans("is_custom_field", needed=True),
        *_booleans("is_optional_response_field"),
        *_jsons("ui_visibility important_fields required_fields", optional=True),
    ),
    listings=tuple(_fields_of(singular) for singular in ("organization", "deal", "person", "activity")),
    key=("entity", "field_code"),
)

# In the order a reader needs them: definitions first, then what refers to them.
ENTITIES: tuple[Entity, ...] = (
    FIELDS,
    CURRENCIES,
    USERS,
    PIPELINES,
    STAGES,
    ACTIVITY_TYPES,
    DEALS,
    ORGANIZATIONS,
    PERSONS,
    ACTIVITIES,
    NOTES,
    FILES,
)

BY_NAME: Mapping[str, Entity] = MappingProxyType({entity.name: entity for entity in ENTITIES})

# By what webhooks call one of them.
BY_EVENT: Mapping[str, Entity] = MappingProxyType({entity.singular: entity for entity in ENTITIES if entity.has_events})
