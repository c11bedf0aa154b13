"""Generates a believable company: the same seed and the same clock give the identical company.

Owns the proportions (how many deals are won, which activities are overdue, how much is unset); words come from `names`,
custom fields from `custom_values`. It writes ready-made records straight into the company, without rules or listeners.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sync.clock import Clock
from sync.sandbox import names
from sync.sandbox.company import Company
from sync.sandbox.custom_values import CustomFields
from sync.sandbox.entities import ENTITIES
from sync.sandbox.records import ADDRESS_PARTS, Record
from sync.sandbox.reference import USERS, reference_data, stage_ids
from sync.sandbox.stamps import DAY_SECONDS as DAY
from sync.sandbox.stamps import iso_day, v1_stamp, v2_stamp

T = TypeVar("T")

YEARS = 4
DECIMALS = {"JPY": 0, "KWD": 3}
BIG_NOTE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Proportions:
    """How many records of each kind there are for one organization, on average."""

    deals: float = 6.0
    persons: float = 2.0
    activities: float = 12.0
    notes: float = 1.0
    files: float = 0.3


def generate(
    seed: int,
    *,
    clock: Clock,
    organizations: int = 200,
    proportions: Proportions | None = None,
    big_note: bool = False,
) -> Company:
    """A company of that many organizations, with everything that belongs to them.

    `big_note` adds a note of about 5 MB to the first organization.
    """
    company = Company(clock)
    world = _World(random.Random(seed), company, organizations, proportions or Proportions())
    world.populate()
    if big_note:
        paragraph = "<p>" + "Protokoll der Sitzung, Seite für Seite. " * 25 + "</p>"
        company.create("notes", {"org_id": 1, "content": paragraph * (BIG_NOTE_BYTES // len(paragraph))})
    return company


class _World:
    def __init__(self, rng: random.Random, company: Company, organizations: int, proportions: Proportions) -> None:
        self.rng = rng
        self.random = rng.random
        self.company = company
        self.now = int(company.now().timestamp())
        self.today = company.now().astimezone(company.zone).date().toordinal()
        self.organizations = organizations
        self.deals = round(organizations * proportions.deals)
        self.persons = round(organizations * proportions.persons)
        self.activities = round(organizations * proportions.activities)
        self.notes = round(organizations * proportions.notes)
        self.files = round(organizations * proportions.files)
        self.stages = stage_ids()
        self.links: list[tuple[int | None, int | None]] = []
        self.custom = CustomFields(rng, company, organizations, self.persons, USERS, self.today)
        self.blank = {name: dict.fromkeys(entity.attributes) for name, entity in ENTITIES.items()}

    def populate(self) -> None:
        for entity, records in (
            *reference_data(self.rng, self.now),
            ("organizations", self._organizations()),
            ("persons", self._persons()),
            ("deals", self._deals()),
            ("activities", self._activities()),
            ("notes", self._notes()),
            ("files", self._files()),
        ):
            self.company.load(entity, records)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def below(self, end: int) -> int:
        return int(self.random() * end)

    def one_of(self, count: int) -> int:
        return int(self.random() * count) + 1

    def past(self, since: int) -> int:
        return since + int(self.random() * max(self.now - since, 1))

    def _span(self) -> tuple[int, int]:
        """When a record was added, and when it was last changed; a tenth changed during the last two days."""
        added = self.now - int(self.random() ** 1.5 * YEARS * 365 * DAY) - 60
        recent = self.random() < 0.1
        return added, self.past(max(added, self.now - 2 * DAY) if recent else added)

    def _organizations(self) -> Iterator[Record]:
        for record_id in range(1, self.organizations + 1):
            added, updated = self._span()
            yield self.blank["organizations"] | {
                "id": record_id,
                "name": self._company_name(),
                "owner_id": self.one_of(USERS),
                "add_time": v2_stamp(added),
                "update_time": v2_stamp(updated),
                "is_deleted": False,
                "visible_to": 1 if self.random() < 0.05 else 3,
                "label_ids": self._labels("organizations"),
                "address": self._address() if self.random() < 0.7 else None,
                "website": f"https://www{record_id}.example" if self.random() < 0.5 else None,
                "employee_count": self.below(5000) if self.random() < 0.4 else None,
                "annual_revenue": self.below(10**8) if self.random() < 0.3 else None,
                "custom_fields": self.custom.values("organizations"),
            }

    def _persons(self) -> Iterator[Record]:
        for record_id in range(1, self.persons + 1):
            added, updated = self._span()
            first, last = self.pick(names.FIRST_NAMES), self.pick(names.LAST_NAMES)
            yield self.blank["persons"] | {
                "id": record_id,
                "name": f"{first} {last}",
                "first_name": first,
                "last_name": last,
                "owner_id": self.one_of(USERS),
                "org_id": self.one_of(self.organizations) if self.random() < 0.9 else None,
                "add_time": v2_stamp(added),
                "update_time": v2_stamp(updated),
                "emails": self._contacts(f"person{record_id}@mail.example", "work"),
                "phones": self._contacts(f"+49 30 {record_id:07d}", "mobile"),
                "is_deleted": False,
                "visible_to": 3,
                "label_ids": self._labels("persons"),
                "im": [],
                "job_title": self.pick(names.JOB_TITLES),
                "custom_fields": self.custom.values("persons"),
            }

    def _deals(self) -> Iterator[Record]:
        for record_id in range(1, self.deals + 1):
            organization = self.one_of(self.organizations) if self.random() < 0.96 else None
            person = self.one_of(self.persons) if self.persons and self.random() < 0.7 else None
            self.links.append((organization, person))
            yield self._deal(record_id, *self.links[-1])

    def _deal(self, record_id: int, organization: int | None, person: int | None) -> Record:
        added, updated = self._span()
        fate = self.random()
        status = "won" if fate < 0.4 else "lost" if fate < 0.65 else "open"
        pipeline_id, stage_id = self.pick(self.stages)
        currency = self.pick(("EUR", "EUR", "EUR", "USD", "GBP", "CHF", "JPY", "KWD"))
        deleted, archived = self.random() < 0.02, self.random() < (0.12 if status != "open" else 0.03)
        if deleted:
            updated = self.past(max(added, self.now - 28 * DAY))
        never_changed = status == "open" and not deleted and not archived and self.random() < 0.1
        owner = self.one_of(USERS)
        return (
            self.blank["deals"]
            | self._closing(status, record_id, self.past(added))
            | {
                "id": record_id,
                "title": f"{self.pick(names.DEAL_SUBJECTS)} {record_id}",
                "owner_id": owner,
                "creator_user_id": owner,
                "person_id": person,
                "org_id": organization,
                "pipeline_id": pipeline_id,
                "stage_id": stage_id,
                "value": self._amount(currency),
                "currency": currency,
                "status": status,
                "probability": 50 if self.random() < 0.2 else None,
                "add_time": v2_stamp(added),
                "update_time": None if never_changed else v2_stamp(updated),
                "stage_change_time": None if never_changed else v2_stamp(self.past(added)),
                "expected_close_date": self._day(self.below(120) - 20) if status == "open" else None,
                "is_deleted": deleted,
                "is_archived": archived,
                "archive_time": v2_stamp(updated) if archived else None,
                "label_ids": self._labels("deals"),
                "visible_to": 1 if self.random() < 0.05 else 3,
                "origin": "ManuallyCreated",
                "custom_fields": self.custom.values("deals"),
            }
        )

    def _closing(self, status: str, record_id: int, closed: int) -> Record:
        if status == "open":
            return {}
        stamp, day = v2_stamp(closed), datetime.fromtimestamp(closed, self.company.zone).date().isoformat()
        times = {"close_time": stamp, "local_close_date": day}
        if status == "lost":
            return times | {"lost_time": stamp, "local_lost_date": day, "lost_reason": self.pick(names.LOST_REASONS)}
        self.company.first_won_times[record_id] = stamp
        return times | {"won_time": stamp, "local_won_date": day}

    def _activities(self) -> Iterator[Record]:
        for record_id in range(1, self.activities + 1):
            added, updated = self._span()
            organization, deal, person = self._attachment()
            done = self.random() < 0.6
            owner = self.one_of(USERS)
            due = -self.below(900) if done else self._due_offset()
            timed = due is not None and self.random() < 0.5
            yield self.blank["activities"] | {
                "id": record_id,
                "subject": self.pick(names.ACTIVITY_SUBJECTS),
                "type": self.pick(names.ACTIVITY_TYPES)[1],
                "owner_id": owner,
                "creator_user_id": owner,
                "is_deleted": False,
                "add_time": v2_stamp(added),
                "update_time": v2_stamp(updated),
                "deal_id": deal,
                "person_id": person,
                "org_id": organization,
                "due_date": None if due is None else self._day(due),
                "due_time": f"{7 + self.below(11):02d}:{self.pick(('00', '15', '30'))}:00" if timed else None,
                "duration": self.pick(("00:30:00", "01:00:00")) if timed else None,
                "busy": timed,
                "done": done,
                "marked_as_done_time": v2_stamp(self.past(added)) if done else None,
                "participants": [] if person is None else [{"person_id": person, "primary": True}],
                "note": self.pick(names.NOTE_TEXTS) if self.random() < 0.1 else None,
            }

    def _attachment(self) -> tuple[int | None, int | None, int | None]:
        """What an activity, note or file hangs on: a deal with its organization, a deal only, an organization only."""
        kind = self.random()
        if kind < 0.65 and self.links:
            deal = self.one_of(len(self.links))
            organization, person = self.links[deal - 1]
            return (organization if kind < 0.45 else None), deal, (person if kind < 0.55 else None)
        if kind < 0.88:
            return self.one_of(self.organizations), None, None
        return None, None, self.one_of(self.persons) if self.persons and kind < 0.97 else None

    def _due_offset(self) -> int | None:
        kind = self.random()
        for end, offset in ((0.25, -1 - self.below(60)), (0.4, 0), (0.5, 1), (0.65, 2 + self.below(5))):
            if kind < end:
                return offset
        return None if kind > 0.9 else 7 + self.below(90)

    def _notes(self) -> Iterator[Record]:
        for record_id in range(1, self.notes + 1):
            added, updated = self._span()
            organization, deal, person = self._attachment()
            user = self.one_of(USERS)
            pins = {key: False for key in self.blank["notes"] if key.startswith("pinned_to_")}
            yield (
                self.blank["notes"]
                | pins
                | {
                    "id": record_id,
                    "user_id": user,
                    "deal_id": deal,
                    "person_id": person,
                    "org_id": organization or (None if deal or person else self.one_of(self.organizations)),
                    "content": self.pick(names.NOTE_TEXTS),
                    "add_time": v1_stamp(added),
                    "update_time": v1_stamp(updated),
                    "active_flag": True,
                    "pinned_to_organization_flag": organization is not None and self.random() < 0.1,
                    "last_update_user_id": user,
                }
            )

    def _files(self) -> Iterator[Record]:
        empty = dict.fromkeys(("cid", "s3_bucket", "mail_message_id", "mail_template_id", "description"), "")
        for record_id in range(1, self.files + 1):
            added, updated = self._span()
            organization, deal, person = self._attachment()
            name = self.pick(names.FILE_NAMES)
            yield (
                self.blank["files"]
                | empty
                | {
                    "id": record_id,
                    "user_id": self.one_of(USERS),
                    "deal_id": deal,
                    "person_id": person,
                    "org_id": organization,
                    "add_time": v1_stamp(added),
                    "update_time": v1_stamp(updated),
                    "file_name": f"{record_id:08x}_{name}",
                    "file_type": name.rpartition(".")[2],
                    "file_size": self.below(3_000_000),
                    "active_flag": True,
                    "inline_flag": False,
                    "remote_location": "s3",
                    "url": f"https://{self.company.domain}.pipedrive.com/v1/files/{record_id}/download",
                    "name": name,
                }
            )

    def _company_name(self) -> str:
        return f"{self.pick(names.COMPANY_STEMS)} {self.pick(names.COMPANY_ENDINGS)}"

    def _address(self) -> Record:
        city, country, region, code = self.pick(names.CITIES)
        street, number = self.pick(names.STREETS), str(self.one_of(180))
        text = f"{street} {number}, {code} {city}, {country}"
        address: Record = dict.fromkeys(ADDRESS_PARTS)
        address["value"] = text
        if self.random() < 0.8:
            parts = {"country": country, "admin_area_level_1": region, "locality": city, "postal_code": code}
            address |= parts | {"route": street, "street_number": number, "formatted_address": text}
        return address

    def _contacts(self, value: str, label: str) -> list[Record]:
        found = [{"value": value, "primary": True, "label": label}]
        if self.random() < 0.15:
            found.append({"value": f"{value}.2", "primary": False, "label": "other"})
        return found if self.random() < 0.85 else []

    def _labels(self, entity: str) -> list[int]:
        return [self.pick(self.custom.labels[entity])] if self.random() < 0.25 else []

    def _amount(self, currency: str) -> float | None:
        kind = self.random()
        if kind < 0.08:
            return None if kind < 0.04 else 0
        decimals = DECIMALS.get(currency, 2)
        amount = self.random() * 10 ** (2 + 3 * self.random())
        return int(amount) if kind < 0.5 or decimals == 0 else round(amount, decimals)

    def _day(self, offset: int) -> str:
        return iso_day(self.today + offset)
