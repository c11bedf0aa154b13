"""The table of entities agrees with itself, and with the vendor's description where that is at hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from sync.pipedrive.entities import BY_NAME, ENTITIES, Entity, Kind, Lookup, Paging, Poll

_SPECS = Path(__file__).parents[3] / "shared" / "pipedrive"
LISTINGS = [(entity, listing) for entity in ENTITIES for listing in entity.listings]


def test_names_of_entities_and_lists_are_unique() -> None:
    assert len(BY_NAME) == len(ENTITIES)
    assert len({entity.singular for entity in ENTITIES}) == len(ENTITIES)
    assert len({listing.name for _, listing in LISTINGS}) == len(LISTINGS)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_every_entity_is_consistent(entity: Entity) -> None:
    names = [column.name for column in entity.columns]
    assert len(names) == len(set(names))
    assert set(entity.key) <= set(names)
    assert set(entity.leads_to_organization) <= set(names)
    assert not {"company_id", "custom_fields", "extra", "synced_at", "deleted_at"} & set(names)
    if entity.deleted_when:
        kinds = {column.name: column.kind for column in entity.columns}
        assert kinds[entity.deleted_when[0]] is Kind.BOOLEAN
    for needed in (*entity.key, *entity.leads_to_organization):
        assert next(column for column in entity.columns if column.name == needed).needed


@pytest.mark.parametrize(("entity", "listing"), LISTINGS, ids=lambda each: each.name)
def test_every_list_is_consistent(entity: Entity, listing: Any) -> None:
    assert set(listing.constants) <= entity.column_names
    assert set(listing.shows) <= entity.column_names
    assert entity.is_reference or listing.lookup is not Lookup.NONE
    assert (listing.paging is Paging.WHOLE) <= (listing.poll is Poll.WHOLE)
    # What is asked for as an optional field needs no place in extra.
    for name in listing.params.get("include_fields", "").split(","):
        assert not name or name in entity.column_names


def test_every_list_exists_in_the_vendors_description_and_costs_what_it_says() -> None:
    """Where the vendor's files are not at hand, nothing is compared."""
    operations: dict[str, Any] = {}
    for prefix, file in (("/api/v2", "openapi-v2.json"), ("/api/v1", "openapi-v1.json")):
        if (_SPECS / file).exists():
            paths = json.loads((_SPECS / file).read_text())["paths"]
            operations |= {prefix + path: methods["get"] for path, methods in paths.items() if "get" in methods}
    for _, listing in LISTINGS:
        if operations:
            operation = operations[listing.path]
            assert operation.get("x-token-cost", listing.cost) == listing.cost, listing.name
            known = {parameter["name"] for parameter in operation.get("parameters", ())}
            assert set(listing.params) <= known | {"status"}, listing.name
