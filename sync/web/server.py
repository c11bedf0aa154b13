"""The HTTP server: an application on a socket of this process, in a thread of its own.

Who starts and stops it owns the signals; the server knows nothing of them.
"""

import errno
import socket
import threading
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from sync.errors import SyncError

GRACE = 2  # seconds that requests under way have to finish

_KEEP_ALIVE = 75  # seconds: longer than proxies, which else send requests on connections that are just being closed
_BACKLOG = 2048
_START = 10.0  # seconds
_REFUSALS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        errno.EADDRINUSE: ("is in use", "Set SYNC_PORT to another port, or end the program that uses this one."),
        errno.EACCES: ("may not be used", "Set SYNC_PORT to a port above 1023."),
        errno.EADDRNOTAVAIL: ("is no address of this machine", "Correct SYNC_HOST."),
    }
)


class CannotListen(SyncError):
    """The address to listen at can't be had."""

    exit_code = 2


class Server:
    """An application at `http://host:port`; port 0 is any that is free.

    As a context manager it serves for as long as the block lasts.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Take the address. Raises `CannotListen`."""
        self._socket = _listen(host, port)
        self._ready = threading.Event()
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",  # that it starts and ends is the command's to say
            access_log=False,
            server_header=False,
            proxy_headers=False,  # what a proxy says of others is believed by those alone who ask which proxy it is
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._server = _Uvicorn(config, self._ready)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)
        self.address = _address(self._socket)

    def start(self) -> None:
        """Begin to serve. Raises `CannotListen` if that does not come about."""
        self._thread.start()
        if not self._ready.wait(_START):
            raise CannotListen(f"The server at {self.address} does not start.", "Run it again, and report this.")

    def stop(self, timeout: int = GRACE) -> None:
        """Take no more connections, let requests finish for so many seconds, and end."""
        self._server.config.timeout_graceful_shutdown = timeout
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout + 1.0)
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Uvicorn(uvicorn.Server):
    """Says when it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except socket.gaierror:
        raise CannotListen(f"{host} is not known as an address.", "Correct SYNC_HOST.") from None
    except OSError as error:
        words, remedy = _REFUSALS.get(error.errno or 0, (f"can't be had: {error.strerror}", "Look at SYNC_HOST."))
        raise CannotListen(f"Port {port} on {host} {words}.", remedy) from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
