"""The table of operations: every endpoint of the sandbox, its price in tokens, and its handler.

Prices are the vendor's `x-token-cost`. An operation that is not in this table does not exist.
"""

from collections.abc import Iterator, Sequence

from sync.sandbox import account, definitions, entities, lists, writes
from sync.sandbox.call import Route
from sync.sandbox.records import Entity

PREFIXES = (("/api/v2/", 2), ("/api/v1/", 1), ("/v1/", 1))
REMOVED_V1 = ("organizations", "deals", "persons", "activities", "pipelines", "stages", "products", "itemSearch")


def _records(path: str, entity: Entity, page_cost: int) -> Iterator[Route]:
    yield Route(2, "GET", path, page_cost, lists.list_v2, entity)
    yield Route(2, "POST", path, 5, writes.create, entity)
    yield Route(2, "GET", f"{path}/{{id}}", 1, lists.read_one, entity)
    yield Route(2, "PATCH", f"{path}/{{id}}", 5, writes.update, entity)
    yield Route(2, "DELETE", f"{path}/{{id}}", 3, writes.delete_v2, entity)


def _fields(path: str, entity: Entity) -> Iterator[Route]:
    one, options = f"{path}/{{field_code}}", f"{path}/{{field_code}}/options"
    yield Route(2, "GET", path, 10, definitions.list_fields, entity)
    yield Route(2, "GET", one, 1, definitions.read_field, entity)
    if not entity.custom_fields:
        return
    yield Route(2, "POST", path, 5, definitions.create_field, entity)
    yield Route(2, "PATCH", one, 5, definitions.update_field, entity)
    yield Route(2, "DELETE", one, 3, definitions.delete_field, entity)
    yield Route(2, "POST", options, 5, definitions.add_options, entity)
    yield Route(2, "PATCH", options, 5, definitions.update_options, entity)
    yield Route(2, "DELETE", options, 3, definitions.delete_options, entity)


ROUTES: Sequence[Route] = (
    Route(2, "GET", "deals/archived", 20, lists.list_archived, entities.DEALS),
    *_records("organizations", entities.ORGANIZATIONS, 10),
    *_records("deals", entities.DEALS, 10),
    *_records("persons", entities.PERSONS, 10),
    *_records("activities", entities.ACTIVITIES, 10),
    *_records("pipelines", entities.PIPELINES, 5),
    *_records("stages", entities.STAGES, 5),
    *_fields("organizationFields", entities.ORGANIZATIONS),
    *_fields("dealFields", entities.DEALS),
    *_fields("personFields", entities.PERSONS),
    *_fields("activityFields", entities.ACTIVITIES),
    Route(2, "GET", "users/me", 2, account.read_me, entities.USERS),
    Route(1, "GET", "users/me", 2, account.read_me, entities.USERS),
    Route(1, "GET", "users", 20, lists.list_all, entities.USERS),
    Route(1, "GET", "users/{id}", 2, account.read_user, entities.USERS),
    Route(1, "GET", "currencies", 20, lists.list_all, entities.CURRENCIES),
    Route(1, "GET", "activityTypes", 20, lists.list_all, entities.ACTIVITY_TYPES),
    Route(1, "GET", "notes", 20, lists.list_v1, entities.NOTES),
    Route(1, "POST", "notes", 10, writes.create, entities.NOTES),
    Route(1, "GET", "notes/{id}", 2, lists.read_one, entities.NOTES),
    Route(1, "PUT", "notes/{id}", 10, writes.update, entities.NOTES),
    Route(1, "DELETE", "notes/{id}", 6, writes.delete_note, entities.NOTES),
    Route(1, "GET", "files", 20, lists.list_v1, entities.FILES),
    Route(1, "GET", "files/{id}", 2, lists.read_one, entities.FILES),
    Route(1, "GET", "files/{id}/download", 20, writes.download, entities.FILES),
    Route(1, "DELETE", "files/{id}", 6, writes.delete_v2, entities.FILES),
    Route(1, "GET", "organizations/{id}/files", 20, lists.list_organization_files, entities.FILES),
    Route(1, "PUT", "organizations/{id}/merge", 40, writes.merge_organizations, entities.ORGANIZATIONS),
    Route(1, "GET", "webhooks", 10, account.list_webhooks, entities.WEBHOOKS),
    Route(1, "POST", "webhooks", 10, account.create_webhook, entities.WEBHOOKS),
    Route(1, "DELETE", "webhooks/{id}", 6, account.delete_webhook, entities.WEBHOOKS),
)
