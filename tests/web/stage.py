"""Servers that show one application after another: to start and to stop one takes longer than most tests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sync.web.server import Server

Show = Callable[[ASGIApp], AbstractContextManager[str]]

_PATIENCE = 30.0  # seconds
_NOTHING = PlainTextResponse("The test that was served here is over.", 503)


class _Stage:
    """A server, and what it shows just now."""

    def __init__(self) -> None:
        self.server = Server(self, "127.0.0.1", 0)
        self._app: ASGIApp = _NOTHING
        self._under_way = 0
        self._changed = threading.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._changed:
            self._under_way += 1
            app = self._app
        try:
            await app(scope, receive, send)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def show(self, app: ASGIApp) -> None:
        """Show another one, once what was asked of the one before is done: some of it is done after the answer."""
        with self._changed:
            self._app = app
            if not self._changed.wait_for(lambda: self._under_way == 0, _PATIENCE):
                raise AssertionError("a request does not end")


@contextmanager
def stages() -> Iterator[Show]:
    """What shows an application at an address, for as long as a block lasts; as many at one time as are asked for."""
    free: list[_Stage] = []
    with ExitStack() as stack:

        @contextmanager
        def show(app: ASGIApp) -> Iterator[str]:
            if not free:
                free.append(_Stage())
                stack.enter_context(free[-1].server)
            stage = free.pop()
            stage.show(app)
            try:
                yield stage.server.address
            finally:
                stage.show(_NOTHING)
                free.append(stage)

        yield show
