"""Servers that show one application after another: to start and to stop one takes longer than most tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sync.web.server import Server

Show = Callable[[ASGIApp], AbstractContextManager[str]]

_NOTHING = PlainTextResponse("The test that was served here is over.", 503)


class _Stage:
    """A server, and what it shows just now."""

    def __init__(self) -> None:
        self.app: ASGIApp = _NOTHING
        self.server = Server(self, "127.0.0.1", 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


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
            stage.app = app
            try:
                yield stage.server.address
            finally:
                stage.app = _NOTHING
                free.append(stage)

        yield show
