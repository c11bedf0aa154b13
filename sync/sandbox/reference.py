"""The reference data of a generated company: users, currencies, activity types, pipelines and stages."""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sync.sandbox import names
from sync.sandbox.entities import ENTITIES
from sync.sandbox.records import Record
from sync.sandbox.stamps import DAY_SECONDS, v1_stamp, v2_stamp

USERS = 6
AGE_SECONDS = 5 * 365 * DAY_SECONDS


def reference_data(rng: random.Random, now: int) -> Iterator[tuple[str, Iterator[Record]]]:
    """Entity by entity, the records of a company founded five years before `now` (epoch seconds)."""
    founded = now - AGE_SECONDS
    yield "users", _users(rng, now, founded)
    yield "currencies", _currencies()
    yield "activity_types", _activity_types(founded)
    yield "pipelines", _pipelines(founded)
    yield "stages", _stages(founded)


def stage_ids() -> Sequence[tuple[int, int]]:
    """The pipeline and the id of every stage."""
    pipelines = [number for number, (_, stages) in enumerate(names.PIPELINES, 1) for _ in stages]
    return [(pipeline, number) for number, pipeline in enumerate(pipelines, 1)]


def _users(rng: random.Random, now: int, founded: int) -> Iterator[Record]:
    for user_id in range(1, USERS + 1):
        apps = ("sales", "global", "account_settings") if user_id == 1 else ("sales",)
        yield dict.fromkeys(ENTITIES["users"].attributes) | {
            "id": user_id,
            "name": f"{rng.choice(names.FIRST_NAMES)} {rng.choice(names.LAST_NAMES)}",
            "default_currency": "EUR" if user_id != 3 else "CHF",
            "locale": "de_DE",
            "lang": 1,
            "email": f"user{user_id}@nordlicht.example",
            "activated": True,
            "last_login": v1_stamp(now - rng.randrange(9 * DAY_SECONDS)),
            "created": v1_stamp(founded),
            "modified": v1_stamp(rng.randrange(founded, now)),
            "has_created_company": user_id == 1,
            "access": [{"app": app, "admin": user_id == 1, "permission_set_id": _uuid(rng)} for app in apps],
            "active_flag": user_id != USERS,
            "timezone_name": "Europe/Berlin",
            "timezone_offset": "+01:00",
            "role_id": 1,
            "is_deleted": False,
        }


def _currencies() -> Iterator[Record]:
    for number, (code, name, decimals, symbol) in enumerate(names.CURRENCIES, 1):
        values = {"id": number, "code": code, "name": name, "decimal_points": decimals, "symbol": symbol}
        yield values | {"active_flag": True, "is_custom_flag": False}


def _activity_types(founded: int) -> Iterator[Record]:
    stamp = v1_stamp(founded)
    for number, (name, key) in enumerate(names.ACTIVITY_TYPES, 1):
        values = {"id": number, "order_nr": number, "name": name, "key_string": key, "icon_key": key}
        fixed = {"active_flag": number != 6, "color": "FFFFFF", "is_custom_flag": False}
        yield values | fixed | {"add_time": stamp, "update_time": stamp}


def _pipelines(founded: int) -> Iterator[Record]:
    stamp = v2_stamp(founded)
    for number, (name, _) in enumerate(names.PIPELINES, 1):
        values = {"id": number, "name": name, "order_nr": number, "is_deleted": False}
        yield values | {"is_deal_probability_enabled": number == 1, "add_time": stamp, "update_time": stamp}


def _stages(founded: int) -> Iterator[Record]:
    stamp = v2_stamp(founded)
    labels = [(order, len(stages), name) for _, stages in names.PIPELINES for order, name in enumerate(stages, 1)]
    for (pipeline_id, stage_id), (order, count, name) in zip(stage_ids(), labels, strict=True):
        yield {
            "id": stage_id,
            "order_nr": order,
            "name": name,
            "is_deleted": False,
            "deal_probability": 100 * order // count,
            "pipeline_id": pipeline_id,
            "is_deal_rot_enabled": order == 1,
            "days_to_rotten": 30 if order == 1 else None,
            "add_time": stamp,
            "update_time": stamp,
        }


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join(digits[start:end] for start, end in pairwise((0, 8, 12, 16, 20, 32)))
