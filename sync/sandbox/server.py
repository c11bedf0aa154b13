"""The sandbox on the wire: a real HTTP/1.1 server on loopback in front of the simulated API.

Owns sockets, keep-alive, compression, and the ways in which an answer fails to arrive (reset, truncated). It decides
nothing about content. An error inside the sandbox itself is answered with a 500 and raised when the sandbox stops.
"""

import gzip
import os
import socket
import struct
import threading
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sync.clock import Clock, SystemClock
from sync.errors import Interrupted
from sync.sandbox.access import Access
from sync.sandbox.api import Api, ApiCall, ApiWrite
from sync.sandbox.company import Company
from sync.sandbox.couriers import COURIERS, Couriers, HttpTransport
from sync.sandbox.faults import Faults
from sync.sandbox.generator import generate
from sync.sandbox.limits import Limits
from sync.sandbox.messages import Delivery, Request, Response, error_response
from sync.sandbox.webhooks import Deliveries

GZIP_FROM_BYTES = 1024


class Sandbox:
    """A simulated Pipedrive company with an address and a token; use it as a context manager.

    Without a company, one of 200 organizations is generated from `seed`. `burst` and `daily_tokens` are the limits to
    begin with (None: none). Webhooks are delivered as they become due, or, with `deliver=False`, when a test calls
    `deliveries.pump()`. Everything inside may be changed while it runs: `company`, `faults`, `limits`, `access`,
    `deliveries`.
    """

    def __init__(
        self,
        company: Company | None = None,
        *,
        clock: Clock | None = None,
        seed: int = 1,
        organizations: int = 200,
        burst: int | None = 20,
        daily_tokens: int | None = 1_000_000,
        port: int = 0,
        deliver: bool = True,
    ) -> None:
        self.clock = company.clock if company is not None else clock or SystemClock()
        self.company = company or generate(seed, clock=self.clock, organizations=organizations)
        self.access = Access(self.company)
        self.limits = Limits(self.clock, burst=burst, daily_tokens=daily_tokens)
        self._transport = HttpTransport()
        self.deliveries = Deliveries(self.company, self.access, self._transport)
        self._couriers = Couriers(self.deliveries, COURIERS if deliver else 0)
        self.faults = Faults(self.company, self.access, self.deliveries)
        self.api = Api(self.company, self.access, self.limits, self.faults)
        self.token = self.access.token_for(1)
        self._server = _Server(("127.0.0.1", port), self.api)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api.base_url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)

    @property
    def writes(self) -> list[ApiWrite]:
        """Every write that came over the API, in order."""
        return self.api.writes

    @property
    def calls(self) -> list[ApiCall]:
        """Every call that came over the API, in order."""
        return self.api.calls

    def start(self) -> "Sandbox":
        """Begin to answer, and to deliver."""
        self._thread.start()
        self._couriers.start()
        return self

    def stop(self) -> None:
        """Close every connection. Raises RuntimeError if the sandbox itself failed on a request or a delivery."""
        self.deliveries.detach()
        self._couriers.stop()
        self._transport.close()
        self._couriers.join()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        crashes = self._server.crashes + self._couriers.crashes
        if crashes:
            raise RuntimeError("the sandbox failed on a request or a delivery") from crashes[0]

    def __enter__(self) -> "Sandbox":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api) -> None:
        self.api = api
        self.crashes: list[Exception] = []
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host name, which can take seconds where there is no resolver.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def opened(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.discard(connection)

    def close_connections(self) -> None:
        with self._connections_lock:
            for connection in self._connections:
                if connection.fileno() >= 0:
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the sandbox."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def handle_method(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            response = self.server.api.handle(Request(self.command, parts.path, query, headers, body))
        except Interrupted:
            response = Response(0, {}, b"", Delivery.RESET)
        except Exception as error:
            self.server.crashes.append(error)
            response = error_response(500, "the sandbox failed on this request")
        self._deliver(response, compress="gzip" in headers.get("accept-encoding", ""))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_method  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the calls are kept in `Api.calls`."""

    def _deliver(self, response: Response, *, compress: bool) -> None:
        if response.delivery is Delivery.RESET:
            self._reset()
            return
        if compress and len(response.body) >= GZIP_FROM_BYTES:
            headers = {**response.headers, "content-encoding": "gzip"}
            response = replace(response, headers=headers, body=gzip.compress(response.body, 1, mtime=0))
        body = response.body
        if response.delivery is Delivery.TRUNCATED:
            self.close_connection = True
            body = body[: len(body) // 2]
        reason = HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [f"content-length: {len(response.body)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body)
        self.wfile.flush()

    def _reset(self) -> None:
        """Close the connection with a TCP reset: no linger, no orderly end."""
        self.close_connection = True
        self.server.closed(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
