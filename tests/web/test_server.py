"""The server: it takes its address first, serves until it is stopped, and lets what is under way finish."""

import asyncio
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from sync.mirror.subscriptions import RECEIVER_PATH
from sync.store.inbox import Received
from sync.web.server import CannotListen, Server
from tests.web.conftest import PASSWORD, USER, Serve, event


def answering(handler: object) -> Router:
    return Router([Route("/", handler)])  # type: ignore[arg-type]


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


def test_it_serves_at_its_address_for_as_long_as_the_block_lasts() -> None:
    with Server(answering(hello), "127.0.0.1", 0) as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert requests.get(server.address, timeout=10).text == "hello"

    with pytest.raises(requests.ConnectionError):
        requests.get(server.address, timeout=10)


def test_a_port_in_use_is_told_with_the_setting_that_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as caught:
            Server(answering(hello), "127.0.0.1", port)

    assert caught.value.message == f"Port {port} on 127.0.0.1 is in use."
    assert "SYNC_PORT" in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_this_machine_is_told(host: str) -> None:
    with pytest.raises(CannotListen, match="SYNC_HOST"):
        Server(answering(hello), host, 0)


def test_an_address_of_version_6_is_written_as_one() -> None:
    try:
        server = Server(answering(hello), "::1", 0)
    except CannotListen as error:
        pytest.skip(str(error))
    with server:
        assert server.address.startswith("http://[::1]:")
        assert requests.get(server.address, timeout=10).text == "hello"


def test_a_request_under_way_is_answered_before_it_ends() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    async def slow(_request: Request) -> Response:
        arrived.set()
        await asyncio.to_thread(go_on.wait, 10)
        return PlainTextResponse("finished")

    server = Server(answering(slow), "127.0.0.1", 0)
    server.start()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, server.address, timeout=10)
        assert arrived.wait(10)
        stopping = pool.submit(server.stop, timeout=10)
        go_on.set()
        assert answer.result().text == "finished"
        stopping.result()


class Stuck:
    """An intake that never gets to an event."""

    def __init__(self) -> None:
        self.submitted = threading.Event()

    def submit(self, received: Received) -> "Future[bool]":
        self.submitted.set()
        return Future()


def test_a_delivery_that_would_hold_up_the_end_is_to_come_again(serve: Serve) -> None:
    intake = Stuck()
    server = Server(serve(intake=intake).app, "127.0.0.1", 0)
    server.start()
    with ThreadPoolExecutor() as pool:
        options = {"json": event(), "auth": (USER, PASSWORD), "timeout": 10}
        answer = pool.submit(requests.post, server.address + RECEIVER_PATH, **options)
        assert intake.submitted.wait(10)
        server.stop(timeout=0)

        assert answer.result().status_code == 503
        assert answer.result().headers["Retry-After"] == "3"


def test_stopping_what_was_never_started_gives_its_address_back() -> None:
    server = Server(answering(hello), "127.0.0.1", 0)
    server.stop()

    again = Server(answering(hello), "127.0.0.1", int(server.address.rpartition(":")[2]))
    again.stop()
    assert again.address == server.address
