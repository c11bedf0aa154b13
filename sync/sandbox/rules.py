"""Pipedrive's server-side rules on a record: what it fills in by itself when a record is created or changed.

Pure functions of the record before and after the change and of the moment; no state, no storage. `Switches` holds the
points that the vendor's documentation leaves open, each set to the behaviour that is harder to live with, and those in
which its examples stand alone, set to what is known of the API.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sync.sandbox.records import ADDRESS_PARTS, Record, rfc3339

LastPage = Literal["vary", "null", "no_cursor", "no_additional_data"]


@dataclass(slots=True)
class Switches:
    """Behaviours nobody has seen documented; tests may set them either way while the sandbox runs."""

    new_deals_have_no_update_time: bool = True
    """A deal created and never changed has `update_time: null`."""
    null_update_time_matches_time_filters: bool = False
    """Whether `updated_since`/`updated_until` lists show records whose `update_time` is null."""
    merge_bumps_children: bool = False
    """Whether records that a merge moved get a new `update_time`."""
    merge_survivor: Literal["merge_with", "path"] = "merge_with"
    """Which of the two organizations of a merge survives."""
    deleted_records_answer_200: bool = False
    """Whether GET of one deleted record answers 200 with `is_deleted` instead of 404 (deals always do)."""
    unchanged_update_bumps: bool = True
    """Whether an update that changes nothing moves `update_time`."""
    last_page: LastPage = "vary"
    """How the last page of an API v2 list says that it is the last."""
    empty_v1_list_is_null: bool = True
    """API v1 answers `data: null` for an empty list."""
    unchanged_update_sends: bool = True
    """Whether an update that changes nothing a webhook's payload shows is still told to webhooks."""
    address_in_events: Literal["text", "object"] = "text"
    """Whether an organization's own address comes as its text alone or with all its parts."""
    previous_tells_bookkeeping: bool = False
    """Whether `previous` of organizations, deals and persons tells `update_time` and `stage_change_time`."""
    ban_drops_retries: bool = True
    """Whether a retry that falls into a ban is lost, like the events of that time."""
    idle_webhooks_expire: bool = True
    """Whether three days without any event delete a webhook too, not only three days of failures."""
    zones_in_events: Literal["name", "id"] = "name"
    """Whether custom times carry `timezone_name` or, as in the vendor's examples, a number in `timezone_id`."""
    unset_clock_in_events: Literal["null", "empty"] = "null"
    """Whether an activity's unset time comes as null or, as in the vendor's examples, as an object of empty parts."""
    settings_in_events: Literal["v2", "v1"] = "v2"
    """Whether pipelines and stages come by their API v2 names or, as in the vendor's examples, by those of v1."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and by whom a change is made; `zone` is where the company's day begins and ends."""

    now: datetime
    user_id: int
    zone: ZoneInfo

    @property
    def text(self) -> str:
        return rfc3339(self.now)

    def local_date(self, text: str | None) -> str | None:
        if text is None:
            return None
        return datetime.fromisoformat(text).astimezone(self.zone).date().isoformat()


def settle(entity: str, before: Record | None, record: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    """Fill in what follows from the change; `before` is None on creation, `sent` what the writer set himself."""
    rule = _SETTLERS.get(entity)
    if rule is not None:
        rule(before, record, moment, sent)


def full_address(address: Mapping[str, Any]) -> Record:
    """An address with every part: those that were not sent are null (Pipedrive nulls them)."""
    return {part: address.get(part) for part in ADDRESS_PARTS}


def _settle_deal(before: Record | None, deal: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    status = deal["status"]
    previous = before["status"] if before else "open"
    if status != previous or (before is None and status != "open"):
        closing = {"won": "won_time", "lost": "lost_time"}.get(status)
        for key in ("won_time", "lost_time", "close_time"):
            if key not in sent:
                deal[key] = None
        if closing is not None:
            deal[closing] = deal[closing] or moment.text
            deal["close_time"] = deal["close_time"] or deal[closing]
        if status != "lost":
            deal["lost_reason"] = None
    deal["local_won_date"] = moment.local_date(deal["won_time"])
    deal["local_lost_date"] = moment.local_date(deal["lost_time"])
    deal["local_close_date"] = moment.local_date(deal["close_time"])
    if before is not None and before["stage_id"] != deal["stage_id"]:
        deal["stage_change_time"] = moment.text
    if not deal["is_archived"]:
        deal["archive_time"] = None
    elif deal["archive_time"] is None:
        deal["archive_time"] = moment.text


def _settle_person(before: Record | None, person: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    del moment, sent
    if before is None or before["name"] != person["name"]:
        first, _, last = person["name"].partition(" ")
        person["first_name"], person["last_name"] = first, last or None
    if person["postal_address"] is not None:
        person["postal_address"] = full_address(person["postal_address"])


def _settle_organization(before: Record | None, organization: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    del before, moment, sent
    if organization["address"] is not None:
        organization["address"] = full_address(organization["address"])


def _settle_activity(before: Record | None, activity: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    if "participants" in sent:
        participants = activity["participants"] or []
        primary = next((p for p in participants if p["primary"]), participants[0] if participants else None)
        activity["participants"] = [{"person_id": p["person_id"], "primary": p is primary} for p in participants]
        activity["person_id"] = primary["person_id"] if primary else None
    was_done = before is not None and before["done"]
    if activity["done"] != was_done:
        activity["marked_as_done_time"] = moment.text if activity["done"] else None
    if activity["location"] is not None:
        activity["location"] = full_address(activity["location"])


def _settle_note(before: Record | None, note: Record, moment: Moment, sent: Mapping[str, Any]) -> None:
    del before, sent
    note["last_update_user_id"] = moment.user_id


_SETTLERS: Mapping[str, Callable[[Record | None, Record, Moment, Mapping[str, Any]], None]] = {
    "deals": _settle_deal,
    "persons": _settle_person,
    "organizations": _settle_organization,
    "activities": _settle_activity,
    "notes": _settle_note,
}
