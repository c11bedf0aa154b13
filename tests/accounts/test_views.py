"""The readable views, on real rows."""

import random
from typing import Any

import pytest
from sqlalchemy import text

from sync.accounts.views import refresh_views
from sync.pipedrive.entities import (
    ACTIVITIES,
    ACTIVITY_TYPES,
    DEALS,
    FIELDS,
    FILES,
    NOTES,
    ORGANIZATIONS,
    PERSONS,
    PIPELINES,
    STAGES,
    USERS,
)
from sync.store.database import Database
from sync.store.views import ViewsInUse, drop_views
from tests.accounts.mirrored import Mirrored, a_deal, an_activity

_CODE = "{:040x}".format


def _refresh(mirrored: Mirrored) -> bool:
    with mirrored.database.writing() as connection:
        return refresh_views(connection)


def _rows(database: Database, view: str) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {view} ORDER BY 1, 2")).mappings()]


def _columns(database: Database, view: str) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text(f"SELECT * FROM {view}")).keys())


def _view(mirrored: Mirrored, view: str) -> list[dict[str, Any]]:
    _refresh(mirrored)
    return _rows(mirrored.database, view)


# Of what type, the value in the API, and what stands in the column and in those beside it.
_SHOWN: list[tuple[str, Any, dict[str, Any]]] = [
    ("varchar", 'x\' "y" %s :z', {"": 'x\' "y" %s :z'}),
    ("text", "", {"": ""}),
    ("varchar_auto", None, {"": None}),
    ("double", 5, {"": 5}),
    ("double", 0.5, {"": 0.5}),
    ("double", "five", {"": None}),
    ("monetary", {"value": 12.5, "currency": "EUR"}, {"": 12.5, " (currency)": "EUR"}),
    ("monetary", None, {"": None, " (currency)": None}),
    ("enum", 17, {"": "It's"}),
    ("enum", 404, {"": "404"}),
    ("set", [18, 17, 404], {"": "B, It's, 404"}),
    ("set", [], {"": None}),
    ("set", None, {"": None}),
    ("user", 5, {"": "Ada"}),
    ("user", 404, {"": "404"}),
    ("org", 1, {"": "Organization 1"}),
    ("people", 4, {"": "Zoë"}),
    ("phone", "+49 1", {"": "+49 1"}),
    ("phone", [{"value": "1"}, {"value": "2"}], {"": "1, 2"}),
    ("date", "2024-01-01", {"": "2024-01-01"}),
    ("daterange", {"value": "2024-01-01", "until": "2024-02-01"}, {"": "2024-01-01", " (until)": "2024-02-01"}),
    ("time", {"value": "09:00:00", "timezone_name": "Europe/Berlin"}, {"": "09:00:00"}),
    ("timerange", {"value": "09:00:00", "until": "10:00:00"}, {"": "09:00:00", " (until)": "10:00:00"}),
    ("address", {"value": "Main St 1", "country": None}, {"": "Main St 1"}),
    ("address", {"value": None, "formatted_address": "Main St 1, X"}, {"": "Main St 1, X"}),
    ("address", None, {"": None}),
    ("brand-new type", "x", {"": "x"}),
]


def test_ids_have_readable_companions(mirrored: Mirrored) -> None:
    mirrored.put(USERS, {"id": 5, "name": "Ada"}, {"id": 6, "name": "Grace"})
    mirrored.put(PIPELINES, {"id": 1, "name": "Sales"})
    mirrored.put(STAGES, {"id": 2, "name": "Won over", "pipeline_id": 1})
    mirrored.put(ACTIVITY_TYPES, {"id": 3, "name": "Phone call", "key_string": "call"})
    mirrored.put(PERSONS, {"id": 4, "name": "Zoë", "org_id": 1, "emails": [{"value": "a@b.c"}, {"value": "d@e.f"}]})
    mirrored.organization(owner_id=5, address={"value": "Main St 1", "country": "X"})
    mirrored.put(DEALS, a_deal(1, owner_id=6, person_id=4, pipeline_id=1, stage_id=2))
    mirrored.put(ACTIVITIES, an_activity(1, type="call", deal_id=1, owner_id=99))
    mirrored.put(NOTES, {"id": 1, "content": "<p>x</p>", "org_id": 1, "user_id": 5, "organization": {"name": "old"}})
    mirrored.put(FILES, {"id": 1, "name": "x.pdf", "deal_id": 1, "active_flag": True})
    _refresh(mirrored)

    (organization,) = _rows(mirrored.database, "v_organizations")
    assert (organization["owner_id"], organization["owner"], organization["address"]) == (5, "Ada", "Main St 1")
    (deal,) = _rows(mirrored.database, "v_deals")
    assert [deal[name] for name in ("owner", "organization", "person", "pipeline", "stage", "value")] == [
        "Grace",
        "Organization 1",
        "Zoë",
        "Sales",
        "Won over",
        100,
    ]
    (activity,) = _rows(mirrored.database, "v_activities")
    assert (activity["type"], activity["activity_type"], activity["deal"], activity["owner"]) == (
        "call",
        "Phone call",
        "Deal 1",
        None,
    )
    (person,) = _rows(mirrored.database, "v_persons")
    assert (person["organization"], person["emails"]) == ("Organization 1", "a@b.c, d@e.f")
    (note,) = _rows(mirrored.database, "v_notes")
    assert (note["organization"], note["user"]) == ("Organization 1", "Ada")
    (file,) = _rows(mirrored.database, "v_files")
    assert file["deal"] == "Deal 1"
    (account,) = _rows(mirrored.database, "v_accounts")
    assert (account["owner"], account["next_activity"], account["created_by_deal"]) == ("Ada", "Activity 1", "Deal 1")
    assert list(account)[:2] == ["company_id", "organization_id"]


def test_custom_fields_show_as_a_person_would_write_them(mirrored: Mirrored) -> None:
    mirrored.put(USERS, {"id": 5, "name": "Ada"})
    mirrored.put(PERSONS, {"id": 4, "name": "Zoë"})
    for place, (field_type, _, _) in enumerate(_SHOWN):
        options = [{"id": 17, "label": "It's"}, {"id": 18, "label": "B"}]
        mirrored.field(_CODE(place), f"F{place}", field_type, options=options)
    mirrored.organization(custom_fields={_CODE(place): value for place, (_, value, _) in enumerate(_SHOWN)})
    mirrored.deal()

    expected = {f"F{place}{part}": text for place, (_, _, shown) in enumerate(_SHOWN) for part, text in shown.items()}
    for view in ("v_organizations", "v_accounts"):
        (row,) = _view(mirrored, view)
        assert {name: row[name] for name in row if name.startswith("F")} == expected


def test_values_of_surprising_types_never_make_a_view_fail(mirrored: Mirrored) -> None:
    surprises = [10**30, -1, True, "1e999", [], [[1]], [None], {}, {"value": {"value": 1}}, {"until": []}, None]
    types = ["double", "monetary", "enum", "set", "user", "daterange", "address", "text"]
    for place, field_type in enumerate(types):
        mirrored.field(_CODE(place), f"F{place}", field_type)
    for one, value in enumerate(surprises):
        mirrored.organization(one + 1, custom_fields={_CODE(place): value for place in range(len(types))})
    mirrored.organization(99, custom_fields=None)

    assert len(_view(mirrored, "v_organizations")) == len(surprises) + 1


def test_labels_follow_the_options(mirrored: Mirrored) -> None:
    options = [{"id": 1, "label": "Kunde"}, {"id": 2, "label": "VIP ⭐"}]
    mirrored.field("label_ids", "Labels", "set", is_custom_field=False, options=options)
    mirrored.field("visible_to", "Visible to", "visible_to", is_custom_field=False, options=[{"id": 3, "label": "All"}])
    mirrored.organization(label_ids=[2, 1, 9], visible_to=3)
    (row,) = _view(mirrored, "v_organizations")
    assert (row["labels"], row["visibility"]) == ("VIP ⭐, Kunde, 9", "All")

    mirrored.field("label_ids", "Labels", "set", is_custom_field=False, options=[{"id": 1, "label": "Customer"}])
    (row,) = _view(mirrored, "v_organizations")
    assert row["labels"] == "2, Customer, 9"


def test_views_are_made_again_only_when_definitions_changed(mirrored: Mirrored) -> None:
    assert _refresh(mirrored) is True
    assert _refresh(mirrored) is False
    mirrored.organization(custom_fields={_CODE(1): "x"})
    assert _refresh(mirrored) is False

    mirrored.field(_CODE(1), "Tier", "varchar")
    assert _refresh(mirrored) is True
    assert _refresh(mirrored) is False
    assert "Tier" in _columns(mirrored.database, "v_organizations")

    mirrored.field(_CODE(1), "Level", "varchar")
    _refresh(mirrored)
    assert {"Tier", "Level"} & set(_columns(mirrored.database, "v_organizations")) == {"Level"}

    with mirrored.database.writing() as connection:
        connection.execute(text("UPDATE fields SET deleted_at = synced_at"))
    _refresh(mirrored)
    assert "Level" not in _columns(mirrored.database, "v_organizations")


def test_dropped_views_come_back(mirrored: Mirrored) -> None:
    _refresh(mirrored)
    with mirrored.database.writing() as connection:
        drop_views(connection)
        connection.execute(text("ALTER TABLE organizations DROP COLUMN linkedin"))
        connection.execute(text("ALTER TABLE organizations ADD COLUMN linkedin TEXT"))
        drop_views(connection)

    assert _refresh(mirrored) is True
    assert _rows(mirrored.database, "v_organizations") == []


def test_deleted_rows_are_left_out_and_former_accounts_are_not(mirrored: Mirrored) -> None:
    mirrored.organization()
    mirrored.deal()
    mirrored.delete(DEALS, 1)
    mirrored.delete(ORGANIZATIONS, 1)
    _refresh(mirrored)

    assert _rows(mirrored.database, "v_deals") == _rows(mirrored.database, "v_organizations") == []
    assert [row["status"] for row in _rows(mirrored.database, "v_accounts")] == ["former"]


def test_awkward_names_give_columns_that_differ_in_whatever_order_they_come(mirrored: Mirrored) -> None:
    long = "Ü" * 100
    names = [
        "Name",
        "Tier",
        "TIER",
        "Tier (currency)",
        "",
        "  ",
        'say "hi"',
        "100 %(x)s :y",
        long,
        long,
        "owner",
        "日本",
    ]
    fields = [
        {"entity": "organization", "field_code": _CODE(place), "field_name": name, "is_custom_field": True}
        | {"field_type": "monetary" if name == "Tier" else "varchar", "options": None}
        for place, name in enumerate(names)
    ]
    mirrored.put(FIELDS, *random.Random(1).sample(fields, len(fields)))
    values = {_CODE(place): f"value {place}" for place in range(len(names))}
    mirrored.organization(custom_fields={**values, _CODE(1): {"value": 5, "currency": "EUR"}})
    (row,) = _view(mirrored, "v_organizations")

    columns = list(row)
    assert len({column.casefold() for column in columns}) == len(columns)
    assert all(len(column.encode()) <= 63 for column in columns)
    for name in ('say "hi"', "100 %(x)s :y", "日本"):
        assert row[name] == f"value {names.index(name)}"
    assert row["name"] == "Organization 1"
    assert [row[f"Tier [{_CODE(1)[:6]}]"] if f"Tier [{_CODE(1)[:6]}]" in row else row[f"Tier [{_CODE(1)}]"]] == [5]
    shown = [value for value in row.values() if isinstance(value, str) and value.startswith("value ")]
    assert sorted(shown) == sorted(set(values.values()) - {"value 1"})


def test_companies_that_share_a_database_share_a_column_and_keep_their_labels(database: Database) -> None:
    one, two = Mirrored(database, 1), Mirrored(database, 2)
    one.field(_CODE(1), "Size", "enum", options=[{"id": 1, "label": "small"}])
    two.field(_CODE(2), "Size", "double")
    two.field("label_ids", "Label", "set", is_custom_field=False, options=[{"id": 1, "label": "hot"}])
    one.organization(custom_fields={_CODE(1): 1}, label_ids=[1])
    two.organization(custom_fields={_CODE(2): 12}, label_ids=[1])

    first, second = _view(one, "v_organizations")

    assert (first["Size"], second["Size"]) == ("small", "12")
    assert (first["labels"], second["labels"]) == ("1", "hot")
    assert _refresh(two) is False


def test_views_that_others_built_on_ours_are_not_torn_down(mirrored: Mirrored) -> None:
    mirrored.field(_CODE(1), "Tier", "varchar")
    _refresh(mirrored)
    with mirrored.database.writing() as connection:
        connection.execute(text('CREATE VIEW mine AS SELECT "Tier" FROM v_organizations'))

    mirrored.field(_CODE(2), "Area", "varchar")  # a new column harms nobody
    assert _refresh(mirrored) is True
    mirrored.organization(custom_fields={_CODE(1): "gold"})
    assert _rows(mirrored.database, "(SELECT 1, mine.* FROM mine) AS m")[0]["Tier"] == "gold"

    mirrored.field(_CODE(2), "Region", "varchar")
    if mirrored.database.is_sqlite:
        assert _refresh(mirrored) is True
        return
    with mirrored.database.writing() as connection:
        with pytest.raises(ViewsInUse, match="mine"):
            refresh_views(connection)
        connection.execute(text("DROP VIEW mine"))
        assert refresh_views(connection) is True
    assert "Region" in _columns(mirrored.database, "v_organizations")
