"""What the tests of the remote side share: a scripted server, a clock that moves when slept on, a client of both."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sync.pipedrive.auth import ApiToken
from sync.pipedrive.client import Client
from sync.pipedrive.limits import BurstWindow, TokenBudget
from tests.pipedrive.scripted import RecordingClock, ScriptedServer

TOKEN = "5ecre7-0f-7he-company"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client heeds the proxies of its environment; the tests stay on loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def clock() -> RecordingClock:
    return RecordingClock()


@pytest.fixture
def make_client(server: ScriptedServer, clock: RecordingClock) -> Iterator[Callable[..., Client]]:
    """Builds clients of the scripted server, with any argument of `Client` replaced, and closes them in the end."""
    with ExitStack() as stack:

        def make(base_url: str | None = None, **replaced: Any) -> Client:
            arguments: dict[str, Any] = {
                "auth": ApiToken(TOKEN),
                "clock": clock,
                "window": BurstWindow(limit=1000),
                "budget": TokenBudget(1.0, 30_000),
                "rng": random.Random(7),
                **replaced,
            }
            return stack.enter_context(Client(base_url or server.url, **arguments))

        yield make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
