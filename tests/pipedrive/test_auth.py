"""Both ways of being known to Pipedrive: what is sent, when it is renewed, and that no secret shows."""

import base64
import threading
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import pytest
import responses

from sync.pipedrive import errors
from sync.pipedrive.auth import ApiToken, OAuth
from sync.pipedrive.client import Client
from tests.pipedrive.scripted import Asked, RecordingClock, Reply, ScriptedServer, ok, refusal

SECRETS = ("client-5ecre7", "refresh-5ecre7", "access-1", "access-2", "refresh-rotated")


@pytest.fixture
def office() -> Iterator[ScriptedServer]:
    """The token endpoint."""
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def make_oauth(office: ScriptedServer, server: ScriptedServer, clock: RecordingClock) -> Callable[..., OAuth]:
    office.script = [grant("access-1", server.url), grant("access-2", server.url)]

    def make(on_rotate: Callable[[str], None] | None = None) -> OAuth:
        return OAuth(
            "the-app", "client-5ecre7", "refresh-5ecre7", clock=clock, token_url=f"{office.url}/oauth/token",
            on_rotate=on_rotate,
        )  # fmt: skip

    return make


def grant(access_token: str, api_domain: str, refresh_token: str = "refresh-5ecre7", expires_in: int = 3600) -> Reply:
    body = {"access_token": access_token, "token_type": "Bearer", "api_domain": api_domain}
    return Reply(200, {**body, "refresh_token": refresh_token, "expires_in": expires_in})


def get(client: Client) -> object:
    return client.get("/api/v2/deals", cost=10, purpose="poll").data


def bearers(server: ScriptedServer) -> list[str]:
    return [asked.headers["authorization"] for asked in server.asked]


def test_an_api_token_goes_into_its_header_and_nowhere_else(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    get(make_client(auth=ApiToken("  abc123\n")))
    (asked,) = server.asked
    assert asked.headers["x-api-token"] == "abc123"
    assert "authorization" not in asked.headers
    assert "abc123" not in asked.path
    assert asked.query == {}


@pytest.mark.parametrize("token", ["", "   ", "abc\ndef", "abc def", "töken", "a\x00b"])
def test_what_cannot_be_a_token_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(errors.Unauthorized) as caught:
        ApiToken(token)
    assert caught.value.exit_code == 2
    assert not token.strip() or token not in str(caught.value)


def test_a_netrc_file_does_not_replace_the_credentials(
    make_client: Callable[..., Client],
    make_oauth: Callable[..., OAuth],
    server: ScriptedServer,
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w", encoding="utf-8") as file:
        file.write("default login someone password else\n")
    monkeypatch.setenv("NETRC", netrc)
    get(make_client(auth=make_oauth()))
    get(make_client(auth=ApiToken("abc123")))
    assert server.asked[0].headers["authorization"] == "Bearer access-1"
    assert "authorization" not in server.asked[1].headers


def test_oauth_fetches_an_access_token_first_and_calls_the_address_that_comes_with_it(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    client = make_client("https://elsewhere.invalid", auth=make_oauth())
    get(client)
    get(client)
    assert bearers(server) == ["Bearer access-1"] * 2
    (asked,) = office.asked
    assert (asked.method, asked.path) == ("POST", "/oauth/token")
    assert parse_qs(asked.body.decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-5ecre7"]}
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"the-app:client-5ecre7").decode()


def test_an_access_token_is_renewed_shortly_before_its_hour_is_over(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], server: ScriptedServer, clock: RecordingClock
) -> None:
    client = make_client(auth=make_oauth())
    get(client)
    clock.advance(3500)
    get(client)
    clock.advance(60)
    get(client)
    assert bearers(server) == ["Bearer access-1", "Bearer access-1", "Bearer access-2"]


def test_a_401_renews_once_and_asks_again_even_for_a_write(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    client = make_client(auth=make_oauth())
    server.script = [refusal(401), ok({"id": 1})]
    assert client.post("/api/v2/deals", {"title": "x"}, cost=5, purpose="write_back").data == {"id": 1}
    assert bearers(server) == ["Bearer access-1", "Bearer access-2"]
    server.script = [refusal(401)]
    with pytest.raises(errors.Unauthorized):
        get(client)
    assert len(office.asked) == 3
    assert len(server.asked) == 4


def test_many_threads_renew_once_together(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    everyone_has_asked = threading.Barrier(8)

    def refuse_the_first_token(asked: Asked) -> Reply:
        if asked.headers["authorization"] == "Bearer access-1":
            everyone_has_asked.wait(10)
            return refusal(401)
        return ok([1])

    server.on_request = refuse_the_first_token
    client = make_client(auth=make_oauth())
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(get(client))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[1]] * 8
    assert len(office.asked) == 2


def test_a_rotated_refresh_token_is_handed_on_before_it_is_relied_on(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    saved: list[tuple[str, int]] = []
    office.script = [grant("access-1", server.url, "refresh-rotated", expires_in=0), grant("access-2", server.url)]
    client = make_client(auth=make_oauth(lambda token: saved.append((token, len(server.asked)))))
    get(client)
    assert saved == [("refresh-rotated", 0)]
    office.script = [grant("access-2", server.url, "refresh-rotated")]
    server.script = [refusal(401), ok()]
    get(client)
    assert b"refresh-rotated" in office.asked[-1].body
    assert len(saved) == 1


def test_a_rotated_token_that_could_not_be_saved_is_offered_again(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    saved: list[str] = []

    def save(token: str) -> None:
        saved.append(token)
        if len(saved) == 1:
            raise OSError("the disk is full")

    office.script = [grant("access-1", server.url, "refresh-rotated")]
    client = make_client(auth=make_oauth(save))
    with pytest.raises(OSError, match="disk"):
        get(client)
    assert server.asked == []
    get(client)
    get(client)
    assert saved == ["refresh-rotated"] * 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_renewal_ends_with_the_remedy_and_is_not_repeated(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, status: int
) -> None:
    client = make_client(auth=make_oauth())
    office.script = [Reply(status, {"error": "invalid_grant"})]
    with pytest.raises(errors.Unauthorized) as caught:
        get(client)
    assert "PIPEDRIVE_REFRESH_TOKEN" in caught.value.remedy
    assert len(office.asked) == 1


@pytest.mark.parametrize("reply", [Reply(503, b""), Reply(429, b""), Reply(200, b"<html>"), Reply(200, cut="reset")])
def test_a_renewal_that_failed_for_a_moment_is_tried_again_even_before_a_write(
    make_client: Callable[..., Client],
    make_oauth: Callable[..., OAuth],
    office: ScriptedServer,
    server: ScriptedServer,
    reply: Reply,
) -> None:
    client = make_client(auth=make_oauth())
    office.script = [reply, grant("access-2", server.url)]
    client.post("/api/v2/deals", {}, cost=5, purpose="write_back")
    assert bearers(server) == ["Bearer access-2"]


def test_an_unencrypted_address_is_not_trusted_when_the_renewal_was_encrypted(
    clock: RecordingClock,
) -> None:
    with responses.RequestsMock() as mocked:
        mocked.post("https://oauth.pipedrive.com/oauth/token", json=grant("access-1", "http://acme.example").body)
        oauth = OAuth("the-app", "client-5ecre7", "refresh-5ecre7", clock=clock)
        with pytest.raises(errors.WrongDomain):
            oauth.credential()


def test_no_secret_shows_in_a_repr_or_a_text(
    make_client: Callable[..., Client], make_oauth: Callable[..., OAuth], office: ScriptedServer, server: ScriptedServer
) -> None:
    oauth = make_oauth()
    client = make_client(auth=oauth)
    get(client)
    shown = [repr(thing) + str(thing) for thing in (oauth, oauth.credential(), ApiToken("access-2"), client)]
    server.script = [refusal(400, "you sent access-1 and refresh-5ecre7 and client-5ecre7")]
    with pytest.raises(errors.BadRequest) as caught:
        get(client)
    shown += [str(caught.value), caught.value.words]
    assert not [secret for secret in SECRETS for text in shown if secret in text]
    assert caught.value.words == "you sent [hidden] and [hidden] and [hidden]"
