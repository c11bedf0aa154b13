"""Downloads: what the client asks for, how it follows Pipedrive to its storage, and what it never tells there."""

import traceback
from collections.abc import Callable

import pytest

from sync.pipedrive.client import Client
from sync.pipedrive.errors import BudgetSpent, MalformedAnswer, NotFound, PipedriveError, ServerError
from tests.pipedrive.conftest import TOKEN
from tests.pipedrive.scripted import RecordingClock, Reply, ScriptedServer, refusal

PATH = "/api/v1/files/7/download"


def download(client: Client) -> bytes:
    return b"".join(client.download(PATH, cost=20, purpose="download").chunks())


def test_a_file_comes_as_it_is_with_its_size(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(200, b"\x00\xff" * 100_000, {"Content-Type": "application/octet-stream"})]
    content = client.download(PATH, cost=20, purpose="download")
    assert content.size == 200_000
    assert b"".join(content.chunks()) == b"\x00\xff" * 100_000
    (asked,) = server.asked
    assert (asked.path, asked.headers["accept"], asked.headers["x-api-token"]) == (PATH, "*/*", TOKEN)


def test_a_file_that_looks_like_a_refusal_is_a_file(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(200, b'{"success": false}', {"Content-Type": "application/json"})]
    assert download(client) == b'{"success": false}'


def test_it_follows_to_where_the_file_lies_without_our_credentials(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(302, b"", {"Location": "/storage/7?signature=s"}), Reply(200, b"content")]
    assert download(client) == b"content"
    first, second = server.asked
    assert TOKEN in first.headers.values()
    assert TOKEN not in str(second.headers)
    assert "authorization" not in second.headers


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/elsewhere", "file:///etc/passwd", "ftp://example.com/x"])
def test_it_follows_to_no_other_place_that_is_not_encrypted(
    client: Client, server: ScriptedServer, location: str
) -> None:
    server.script = [Reply(302, b"", {"Location": location})]
    with pytest.raises(PipedriveError):
        download(client)
    assert len(server.asked) == 1


def test_it_gives_up_going_round_in_circles(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(302, b"", {"Location": "/round"})]
    with pytest.raises(PipedriveError):
        download(client)
    assert len(server.asked) == 4


@pytest.mark.parametrize(("reply", "error"), [(refusal(404), NotFound), (Reply(302, b"", {}), PipedriveError)])
def test_a_refusal_is_told_like_any_other(
    client: Client, server: ScriptedServer, reply: Reply, error: type[PipedriveError]
) -> None:
    server.script = [reply]
    with pytest.raises(error):
        download(client)


def test_the_day_being_spent_is_told(client: Client, server: ScriptedServer) -> None:
    server.script = [refusal(429, retry_after="7200", x_daily_ratelimit_token_remaining="0")]
    with pytest.raises(BudgetSpent):
        download(client)


def test_a_file_that_breaks_off_is_told_and_shows_no_secret(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(200, b"x" * 1000, cut="short")]
    content = client.download(PATH, cost=20, purpose="download")
    with pytest.raises(MalformedAnswer) as caught:
        list(content.chunks())
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_person_does_not_wait_for_minutes(
    make_client: Callable[..., Client], server: ScriptedServer, clock: RecordingClock
) -> None:
    server.script = [refusal(503)]
    with pytest.raises(ServerError):
        download(make_client(retry_for=120.0))
    assert sum(clock.slept) <= 8
