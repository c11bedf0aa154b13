"""Lists that Pipedrive refuses: they are set aside, so that the others are still read, and raised at the end.

What concerns every call (credentials, the day's tokens, the network, the database) is not held back here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from sync.pipedrive.entities import Entity
from sync.pipedrive.errors import BadRequest, FeatureUnavailable, Forbidden, Gone, NotFound, PipedriveError

_OF_ONE_LIST = (BadRequest, FeatureUnavailable, Forbidden, Gone, NotFound)

_log = structlog.get_logger(__name__)


class Refusals:
    """What was refused in one run."""

    def __init__(self) -> None:
        self._errors: list[PipedriveError] = []

    @contextmanager
    def of(self, entity: Entity) -> Iterator[None]:
        """Work on an entity: every line logged names it, and a refusal of its list ends this block only."""
        with structlog.contextvars.bound_contextvars(entity=entity.name):
            try:
                yield
            except _OF_ONE_LIST as error:
                self._errors.append(error)
                _log.warning("list_refused", endpoint=error.endpoint, words=error.words)

    def raise_first(self) -> None:
        """Raise the first refusal, if there was one."""
        if self._errors:
            raise self._errors[0]
