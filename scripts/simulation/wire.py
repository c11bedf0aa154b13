"""The wire of a simulation: the client's requests go straight to the sandbox, its deliveries straight to the inbox."""

import base64
import json
import random
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from sync.clock import Clock
from sync.errors import Interrupted
from sync.pipedrive.client import Client
from sync.pipedrive.events import read_event
from sync.sandbox import Sandbox
from sync.sandbox.messages import Delivery, Request
from sync.store.database import Database
from sync.store.errors import DatabaseError
from sync.store.inbox import Received, save_events
from sync.store.webhooks import load_password_hashes


class SandboxAdapter(BaseAdapter):
    """Answers the requests of a session from a sandbox in this process, failed connections included."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    def send(self, request: requests.PreparedRequest, stream: bool = False, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        query = dict(parse_qsl(str(parts.query), keep_blank_values=True))
        method = request.method or "GET"
        answer = self._sandbox.api.handle(Request(method, str(parts.path), query, headers, body))
        if answer.delivery is Delivery.RESET:
            raise requests.ConnectionError("the connection was reset")
        if answer.delivery is Delivery.TRUNCATED:
            raise requests.exceptions.ChunkedEncodingError("the answer broke off")
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers, **{"Content-Length": str(len(answer.body))})
        response.raw = HTTPResponse(
            BytesIO(answer.body), HTTPHeaderDict(response.headers), answer.status, preload_content=False
        )
        if not stream:
            response._content = answer.body  # type: ignore[attr-defined]
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


def connect_directly(client: Client, sandbox: Sandbox, rng: random.Random) -> None:
    """Let a client's requests be function calls, and its waits replay."""
    client._session.mount(sandbox.url, SandboxAdapter(sandbox))
    client._session.trust_env = False  # or it looks for a proxy before every call
    client._rng = rng


class Inlet:
    """Takes deliveries as the receiver does: checked, stored, then answered. Down while `is_up` is False."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, bool] = {}
        self.is_up = True

    def __call__(self, _url: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """The status; None where nobody answers."""
        if not self.is_up:
            return None
        try:
            with self._database.writing() as connection:
                if not self._signed(connection, headers["authorization"]):
                    return 401
                event = read_event(json.loads(body))
                save_events(connection, [Received(event, body.decode(), self._clock.now())])
        except (DatabaseError, Interrupted):
            return 503
        return 200

    def _signed(self, connection: Any, header: str) -> bool:
        if header not in self._known:
            user = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[0]
            self._known[header] = bool(load_password_hashes(connection, user))
        return self._known[header]
