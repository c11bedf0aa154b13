"""What the mirror must hold, worked out from the simulated Pipedrive without any of the product's own logic."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from sync.pipedrive.entities import ENTITIES, Entity
from sync.pipedrive.records import to_record
from sync.sandbox import Company
from sync.store.database import Database
from sync.store.schema import TABLES, account_won_values, accounts

_Grouped = defaultdict[int | None, list[dict[str, Any]]]  # by organization


def problems(database: Database, company: Company) -> list[str]:
    """Every way in which mirror or accounts are not what they ought to be."""
    built, expected = built_accounts(database), expected_accounts(company)
    wrong = [
        f"account {one}: {built.get(one)!r} built, {expected.get(one)!r} expected"
        for one in sorted(built.keys() | expected.keys())
        if built.get(one) != expected.get(one)
    ]
    return [*differences(database, company), *wrong]


def differences(database: Database, company: Company) -> list[str]:
    """Every way in which the mirror is not what Pipedrive shows; empty when it is the same row by row."""
    return [line for entity in ENTITIES if entity.name != "fields" for line in _of_entity(database, company, entity)]


def _of_entity(database: Database, company: Company, entity: Entity) -> Iterator[str]:
    truth = {record["id"]: record for record in company.all(entity.name)}
    with database.reading() as connection:
        rows = [row._asdict() for row in connection.execute(select(TABLES[entity.name]))]
    live = {row["id"]: to_record(entity, row) for row in rows if row["deleted_at"] is None}
    for one in sorted(truth.keys() - live.keys()):
        yield f"{entity.name} {one}: at Pipedrive, not in the mirror"
    for one in sorted(live.keys() - truth.keys()):
        yield f"{entity.name} {one}: in the mirror, not at Pipedrive"
    for one in sorted(truth.keys() & live.keys()):
        for name, value in truth[one].items():
            if live[one].get(name) != value:
                yield f"{entity.name} {one}.{name}: {live[one].get(name)!r} in the mirror, {value!r} at Pipedrive"


def expected_accounts(company: Company) -> dict[int, dict[str, Any]]:
    """What each active account must show, in plain Python: counts, exact sums by currency, activities."""
    organization_of: dict[int, int | None] = {}
    deals, activities_of = _Grouped(list), _Grouped(list)
    for deal in company.all("deals"):
        organization_of[deal["id"]] = deal["org_id"]
        deals[deal["org_id"]].append(deal)
    for activity in company.all("activities"):
        for one in {activity["org_id"], organization_of.get(activity["deal_id"])}:
            activities_of[one].append(activity)
    expected: dict[int, dict[str, Any]] = {}
    for organization in company.all("organizations"):
        one = organization["id"]
        own, activities = deals[one], activities_of[one]
        won = [deal for deal in own if deal["status"] == "won"]
        if not won:
            continue
        values: dict[str, Decimal] = {}
        for deal in won:
            amount = Decimal(repr(deal["value"])) if deal["value"] is not None else Decimal(0)
            values[deal["currency"]] = values.get(deal["currency"], Decimal(0)) + amount
        planned = sorted((activity for activity in activities if not activity["done"]), key=_due)
        won_times = sorted(deal["won_time"] for deal in won if deal["won_time"])
        expected[one] = {
            "name": organization["name"],
            "owner_id": organization["owner_id"],
            "custom_fields": organization["custom_fields"],
            "won_deals_count": len(won),
            "open_deals_count": sum(deal["status"] == "open" for deal in own),
            "values": values,
            "first_won_time": _moment(won_times[0]) if won_times else None,
            "last_won_time": _moment(won_times[-1]) if won_times else None,
            "next_activity_id": planned[0]["id"] if planned else None,
            "next_activity_due_date": date.fromisoformat(planned[0]["due_date"])
            if planned and planned[0]["due_date"]
            else None,
            "next_activity_due_time": (planned[0]["due_time"] or None) if planned else None,
            "last_activity_time": max(
                (time for activity in activities if activity["done"] and (time := _done_time(activity))), default=None
            ),
        }
    return expected


def built_accounts(database: Database) -> dict[int, dict[str, Any]]:
    """The active accounts as the database holds them, in the same shape."""
    with database.reading() as connection:
        rows = [row._asdict() for row in connection.execute(select(accounts).where(accounts.c.status == "active"))]
        values: dict[int, dict[str, Decimal]] = {}
        for row in connection.execute(select(account_won_values)):
            values.setdefault(row.organization_id, {})[row.currency] = row.value
    names = [
        "name",
        "owner_id",
        "custom_fields",
        "won_deals_count",
        "open_deals_count",
        "first_won_time",
        "last_won_time",
        "next_activity_id",
        "next_activity_due_date",
        "next_activity_due_time",
        "last_activity_time",
    ]
    return {
        row["organization_id"]: {name: row[name] for name in names} | {"values": values.get(row["organization_id"], {})}
        for row in rows
    }


def _due(activity: dict[str, Any]) -> tuple[Any, ...]:
    return (
        activity["due_date"] is None,
        activity["due_date"] or "",
        bool(activity["due_time"]),
        activity["due_time"] or "",
        activity["id"],
    )


def _done_time(activity: dict[str, Any]) -> datetime | None:
    if activity["marked_as_done_time"]:
        return _moment(activity["marked_as_done_time"])
    if not activity["due_date"]:
        return None
    time = activity["due_time"] or "00:00:00"
    return _moment(f"{activity['due_date']}T{time if len(time) == 8 else time + ':00'}Z")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
