"""Carries webhook deliveries over the wire: the HTTP transport, and the threads that drive it.

The transport posts over plain HTTP and to loopback addresses only: made-up data stays on this machine. Several
couriers deliver side by side, so that, as at Pipedrive, events may overtake each other.
"""

import ipaddress
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

from sync.sandbox.webhooks import TIMEOUT_SECONDS, Deliveries

COURIERS = 4
GLANCE_SECONDS = 0.05
"""How long a courier at most looks away while something waits: a clock that is moved by hand calls nobody."""


class HttpTransport:
    """Posts to receivers and keeps the connections open for the next post. Thread-safe."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: dict[str, list[HTTPConnection]] = {}
        self._busy: set[socket.socket] = set()
        self._closed = False

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """Post, and return the status; None where nobody answers in time, or nobody may be asked."""
        parts = _reachable(url)
        if parts is None:
            return None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._take(parts)
        try:
            with self._at_work(connection):
                connection.request("POST", target, body, dict(headers))
                response = connection.getresponse()
                response.read()
        except (OSError, HTTPException):
            connection.close()
            return None
        self._give_back(parts, connection)
        return response.status

    def close(self) -> None:
        """Close every connection, also under those who wait for an answer, and let no other one be used."""
        with self._lock:
            self._closed = True
            for connections in self._idle.values():
                while connections:
                    connections.pop().close()
            for busy in self._busy:
                with suppress(OSError):
                    busy.shutdown(socket.SHUT_RDWR)

    def _take(self, parts: SplitResult) -> HTTPConnection:
        """A connection that is open already, else one that opens when it is used."""
        with self._lock:
            idle = self._idle.get(parts.netloc, [])
            while idle:
                connection = idle.pop()
                if not _is_stale(connection):
                    return connection
                connection.close()
        return HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout)

    @contextmanager
    def _at_work(self, connection: HTTPConnection) -> Iterator[None]:
        """While this lasts, `close` ends the connection. Raises ConnectionError after `close`."""
        if connection.sock is None:
            connection.connect()
        used = connection.sock
        with self._lock:
            if self._closed:
                raise ConnectionError
            self._busy.add(used)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(used)

    def _give_back(self, parts: SplitResult, connection: HTTPConnection) -> None:
        with self._lock:
            if connection.sock is not None and not self._closed:
                self._idle.setdefault(parts.netloc, []).append(connection)
                return
        connection.close()


class Couriers:
    """Threads that make deliveries as they become due."""

    def __init__(self, deliveries: Deliveries, count: int) -> None:
        self.crashes: list[Exception] = []
        self._deliveries = deliveries
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name="courier", daemon=True) for _ in range(count)]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no other attempt."""
        with self._deliveries.queued:
            self._stopping = True
            self._deliveries.queued.notify_all()

    def join(self) -> None:
        """Wait for the attempts under way."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _work(self) -> None:
        while not self._stopping:
            try:
                delivered = self._deliveries.deliver_one()
            except Exception as error:
                self.crashes.append(error)
                return
            if not delivered:
                self._wait()

    def _wait(self) -> None:
        """Wait until there may be something to deliver."""
        deliveries = self._deliveries
        with deliveries.queued:
            due = deliveries.next_due()
            left = None if due is None else due - deliveries.company.clock.monotonic()
            if not self._stopping and (left is None or left > 0):
                deliveries.queued.wait(None if left is None else min(left, GLANCE_SECONDS))


def _reachable(url: str) -> SplitResult | None:
    """The parts of an address of plain HTTP on this machine; None for any other."""
    try:
        parts = urlsplit(url)
        local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        return parts if local and parts.scheme == "http" and parts.port != 0 else None
    except ValueError:
        return None


def _is_stale(connection: HTTPConnection) -> bool:
    """Whether the receiver has closed an idle connection: nothing else makes one readable."""
    return bool(select.select([connection.sock], [], [], 0)[0])
