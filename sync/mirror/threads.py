"""Doing several things at once: lists side by side, and the next page of one while the last is stored.

All threads are daemons: a program that is told to stop leaves within a second, whatever an answer takes. What is not
committed by then is not there, and is read again.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from queue import SimpleQueue

from sync.errors import Interrupted, SyncError
from sync.pipedrive.listing import Page, Position


def read_ahead(fetch: Callable[[Position | None], Page], position: Position | None) -> Iterator[Page]:
    """The pages of a list from a position on; while the caller works on one, the next is being fetched."""
    coming = _begin(fetch, position)
    while True:
        page = coming()
        if page.following is None:
            yield page
            return
        coming = _begin(fetch, page.following)
        yield page


def _begin(fetch: Callable[[Position | None], Page], position: Position | None) -> Callable[[], Page]:
    """Start fetching a page; call what is returned to wait for it."""
    outcome: SimpleQueue[Page | BaseException] = SimpleQueue()
    context = copy_context()

    def run() -> None:
        try:
            outcome.put(context.run(fetch, position))
        except BaseException as error:
            outcome.put(error)

    def wait() -> Page:
        found = outcome.get()
        if isinstance(found, BaseException):
            raise found
        return found

    threading.Thread(target=run, daemon=True).start()
    return wait


def side_by_side(jobs: Sequence[tuple[str, Callable[[], None]]], stop: threading.Event) -> None:
    """Run named jobs in threads of their own, and wait for all.

    An error sets `stop`, which asks the others to come to rest; the gravest one is raised then.
    """
    errors: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(job,), name=name, daemon=True) for name, job in jobs]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.1)
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join(0.1)
        raise
    if errors:
        raise max(errors, key=_gravity)


def _gravity(error: BaseException) -> int:
    """A defect before an expected failure before being told to stop."""
    if isinstance(error, Interrupted):
        return 0
    return error.exit_code if isinstance(error, SyncError) else 1000
