"""One API call on its way through the sandbox: what handlers are given, and how they are named in the route table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sync.sandbox.access import Access, Caller, Visibility
from sync.sandbox.company import Company
from sync.sandbox.messages import Request, Response, bad_request, not_found
from sync.sandbox.records import Entity
from sync.sandbox.tables import Row, Table


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated, admitted request, with the entity of its route and the values in its path."""

    request: Request
    company: Company
    access: Access
    caller: Caller
    entity: Entity
    path: Mapping[str, str]
    visible: Visibility | None

    @property
    def table(self) -> Table:
        return self.company.tables[self.entity.name]

    @property
    def record_id(self) -> int:
        """The id in the path. Raises a 400 if it is no number."""
        text = self.path["id"]
        if not text.isdecimal():
            raise bad_request("id must be an integer")
        return int(text)

    def sees(self, row: Row) -> bool:
        return self.visible is None or self.visible(self.entity.name, row)

    def row(self) -> Row:
        """The record the path names, deleted or not. Raises a 404 if it is not there or not visible."""
        row = self.table.rows.get(self.record_id)
        if row is None or not self.sees(row):
            raise not_found(self.entity.name.capitalize())
        return row

    def live_row(self) -> Row:
        """Like `row`, but deleted records are not found either."""
        row = self.row()
        if row.deleted:
            raise not_found(self.entity.name.capitalize())
        return row

    def json(self) -> Any:
        """The decoded body. Raises a 400 if it is not JSON."""
        try:
            return orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            raise bad_request("body is not valid JSON") from None


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: where it is, what it costs in tokens, who handles it."""

    version: int
    method: str
    template: str
    cost: int
    handler: Handler
    entity: Entity
