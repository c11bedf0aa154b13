"""The optional response fields of `include_fields`: counters, and the next and last activity of a record."""

from collections.abc import Callable, Mapping, Sequence

from sync.sandbox.company import Company
from sync.sandbox.records import Record, decode
from sync.sandbox.tables import Row

_LINKS: Mapping[str, str] = {"organizations": "org_id", "deals": "deal_id", "persons": "person_id"}


class _Subject:
    """The record that is asked about, and what is linked to it."""

    def __init__(self, company: Company, entity: str, row: Row) -> None:
        self.company = company
        self.entity = entity
        self.row = row

    def linked(self, entity: str) -> list[Row]:
        table = self.company.tables[entity]
        ids = table.linked(_LINKS[self.entity], self.row.id)
        return [row for row in map(table.rows.__getitem__, ids) if not row.deleted]

    def deals(self, *states: str) -> int:
        return sum(row.state in states for row in self.linked("deals"))

    def activities(self, *states: str) -> int:
        return sum(row.state in states for row in self.linked("activities"))

    def next_activity_id(self) -> int | None:
        coming = [decode(row) for row in self.linked("activities") if row.state == "undone" and row.rank]
        return min(coming, key=lambda a: (a["due_date"], a["due_time"] or "", a["id"]))["id"] if coming else None

    def last_activity_id(self) -> int | None:
        done = [decode(row) for row in self.linked("activities") if row.state == "done"]
        return max(done, key=lambda a: (a["marked_as_done_time"] or "", a["id"]))["id"] if done else None

    def deal(self) -> Record:
        return decode(self.row)


def _not_simulated(subject: _Subject) -> int:
    del subject
    return 0


_COUNTERS: Mapping[str, Callable[[_Subject], object]] = {
    "next_activity_id": _Subject.next_activity_id,
    "last_activity_id": _Subject.last_activity_id,
    "activities_count": lambda subject: subject.activities("done", "undone"),
    "done_activities_count": lambda subject: subject.activities("done"),
    "undone_activities_count": lambda subject: subject.activities("undone"),
    "files_count": lambda subject: len(subject.linked("files")),
    "notes_count": lambda subject: len(subject.linked("notes")),
    "people_count": lambda subject: len(subject.linked("persons")),
    "open_deals_count": lambda subject: subject.deals("open"),
    "closed_deals_count": lambda subject: subject.deals("won", "lost"),
    "won_deals_count": lambda subject: subject.deals("won"),
    "lost_deals_count": lambda subject: subject.deals("lost"),
    "first_won_time": lambda subject: subject.company.first_won_times.get(subject.row.id),
    "source_lead_id": lambda subject: subject.deal()["source_lead_id"],
    "participants_count": lambda subject: int(bool(subject.row.person)),
    "smart_bcc_email": lambda subject: f"{subject.company.domain}+{subject.row.id}@pipedrivemail.com",
    "last_incoming_mail_time": lambda subject: None,
    "last_outgoing_mail_time": lambda subject: None,
    "marketing_status": lambda subject: "no_consent",
    "doi_status": lambda subject: 1,
    "attendees": lambda subject: [],
}


def extra_fields(company: Company, entity: str, row: Row, names: Sequence[str]) -> Record:
    """The values of the optional fields of that name; what the sandbox does not simulate counts 0."""
    if not names:
        return {}
    subject = _Subject(company, entity, row)
    return {name: _COUNTERS.get(name, _not_simulated)(subject) for name in names}
