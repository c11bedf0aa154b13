"""A real HTTP server on loopback that answers what a test wrote down, in order, and remembers what it was asked."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from sync.clock import ManualClock

START = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


class RecordingClock(ManualClock):
    """A manual clock that remembers how long it was slept on."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One scripted answer. `cut`: "reset" drops the connection, "short" breaks the body off, "silence" hangs."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def ok(data: Any = (), **headers: str) -> Reply:
    """A success with this data; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(200, {"success": True, "data": data, "additional_data": None}, named)


def refusal(status: int, words: str = "no", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"success": False, "error": words, "errorCode": status}, named)


def page(status: int, title: str = "Attention Required! | Cloudflare") -> Reply:
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>…</body></html>".encode()
    return Reply(status, body, {"Content-Type": "text/html; charset=UTF-8"})


class ScriptedServer:
    """Answers with `script` in order; the last reply repeats."""

    def __init__(self) -> None:
        self.script: list[Reply] = [ok()]
        self.asked: list[Asked] = []
        self.on_request: Callable[[Asked], Reply | None] = lambda asked: None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def next_reply(self, asked: Asked) -> Reply:
        chosen = self.on_request(asked)
        with self._lock:
            self.asked.append(asked)
            if chosen is not None:
                return chosen
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def wait_until_over(self) -> None:
        self._over.wait(30)


def _handler_of(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(address.query)
            reply = server.next_reply(Asked(self.command, address.path, query, headers, self.rfile.read(length)))
            if reply.cut == "silence":
                server.wait_until_over()
            if reply.cut in ("reset", "silence"):
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            content = reply.content
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.cut == "short":
                self.close_connection = True
                content = content[: len(content) // 2]
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
