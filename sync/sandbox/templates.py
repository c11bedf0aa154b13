"""What a newly created record looks like before anybody fills it in: every attribute, with Pipedrive's defaults."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sync.sandbox.entities import ENTITIES
from sync.sandbox.records import Record
from sync.sandbox.rules import Moment

if TYPE_CHECKING:
    from sync.sandbox.company import Company

Template = Callable[["Company", Moment], Record]


def _blank(entity: str, moment: Moment) -> Record:
    record: Record = dict.fromkeys(ENTITIES[entity].attributes)
    stamp = ENTITIES[entity].timestamp(moment.now)
    return record | {key: stamp for key in ("add_time", "update_time") if key in record}


def _owned(entity: str, moment: Moment) -> Record:
    flags = {"owner_id": moment.user_id, "is_deleted": False, "visible_to": 3, "label_ids": [], "custom_fields": {}}
    return _blank(entity, moment) | flags


def _organization(company: "Company", moment: Moment) -> Record:
    del company
    return _owned("organizations", moment)


def _deal(company: "Company", moment: Moment) -> Record:
    stage = next((row for row in company.tables["stages"].rows.values() if not row.deleted), None)
    stage_record = company.find("stages", stage.id if stage else None) or {"pipeline_id": 1, "id": 1}
    return _owned("deals", moment) | {
        "creator_user_id": moment.user_id,
        "pipeline_id": stage_record["pipeline_id"],
        "stage_id": stage_record["id"],
        "value": 0,
        "currency": company.currency,
        "status": "open",
        "is_archived": False,
        "origin": "API",
    }


def _person(company: "Company", moment: Moment) -> Record:
    del company
    return _owned("persons", moment) | {"emails": [], "phones": [], "im": []}


def _activity(company: "Company", moment: Moment) -> Record:
    del company
    return _blank("activities", moment) | {
        "type": "call",
        "owner_id": moment.user_id,
        "creator_user_id": moment.user_id,
        "is_deleted": False,
        "busy": False,
        "done": False,
        "participants": [],
    }


def _pipeline(company: "Company", moment: Moment) -> Record:
    order = len(company.tables["pipelines"].rows) + 1
    return _blank("pipelines", moment) | {
        "order_nr": order,
        "is_deleted": False,
        "is_deal_probability_enabled": False,
    }


def _stage(company: "Company", moment: Moment) -> Record:
    return _blank("stages", moment) | {
        "order_nr": len(company.tables["stages"].rows) + 1,
        "is_deleted": False,
        "deal_probability": 100,
        "is_deal_rot_enabled": False,
    }


def _note(company: "Company", moment: Moment) -> Record:
    del company
    note = _blank("notes", moment) | {"user_id": moment.user_id, "active_flag": True, "content": ""}
    return note | {key: False for key in note if key.startswith("pinned_to_")}


def _file(company: "Company", moment: Moment) -> Record:
    record_id = company.tables["files"].last_id + 1
    empty = dict.fromkeys(("cid", "s3_bucket", "mail_message_id", "mail_template_id", "description"), "")
    return (
        _blank("files", moment)
        | empty
        | {
            "user_id": moment.user_id,
            "active_flag": True,
            "inline_flag": False,
            "file_type": "other",
            "remote_location": "s3",
            "url": f"https://{company.domain}.pipedrive.com/v1/files/{record_id}/download",
        }
    )


def _user(company: "Company", moment: Moment) -> Record:
    stamp = ENTITIES["users"].timestamp(moment.now)
    return _blank("users", moment) | {
        "default_currency": company.currency,
        "locale": "de_DE",
        "lang": 1,
        "activated": True,
        "last_login": stamp,
        "created": stamp,
        "modified": stamp,
        "has_created_company": False,
        "access": [{"app": "sales", "admin": False, "permission_set_id": "62cc4d7f-4038-4352-abf3-a8c1c822b631"}],
        "active_flag": True,
        "timezone_name": company.zone.key,
        "timezone_offset": "+01:00",
        "role_id": 1,
        "is_deleted": False,
    }


def _activity_type(company: "Company", moment: Moment) -> Record:
    order = len(company.tables["activity_types"].rows) + 1
    return _blank("activity_types", moment) | {
        "order_nr": order,
        "icon_key": "task",
        "active_flag": True,
        "color": "FFFFFF",
        "is_custom_flag": True,
    }


def _currency(company: "Company", moment: Moment) -> Record:
    del company
    return _blank("currencies", moment) | {"decimal_points": 2, "active_flag": True, "is_custom_flag": False}


def _webhook(company: "Company", moment: Moment) -> Record:
    record = _blank("webhooks", moment)
    return record | {
        "company_id": company.id,
        "owner_id": moment.user_id,
        "user_id": moment.user_id,
        "version": "2.0",
        "is_active": 1,
        "add_time": moment.now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "type": "general",
        "admin_id": moment.user_id,
    }


TEMPLATES: Mapping[str, Template] = {
    "organizations": _organization,
    "deals": _deal,
    "persons": _person,
    "activities": _activity,
    "pipelines": _pipeline,
    "stages": _stage,
    "notes": _note,
    "files": _file,
    "users": _user,
    "activity_types": _activity_type,
    "currencies": _currency,
    "webhooks": _webhook,
}
