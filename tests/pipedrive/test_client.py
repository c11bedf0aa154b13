"""The client against a real server: what it sends, what it makes of answers, when it repeats, what it never shows."""

import gzip
import json
import random
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import requests
import responses
from structlog.testing import capture_logs
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError

from sync.clock import SystemClock
from sync.errors import Interrupted
from sync.pipedrive import errors
from sync.pipedrive.auth import ApiToken
from sync.pipedrive.client import Client
from sync.pipedrive.errors import PipedriveError
from sync.pipedrive.limits import BurstWindow, TokenBudget
from tests.pipedrive.conftest import TOKEN
from tests.pipedrive.scripted import START, RecordingClock, Reply, ScriptedServer, ok, page, refusal

LEFT = "x-daily-ratelimit-token-remaining"
WRITES = ["post", "patch", "put", "delete"]


def get(client: Client) -> object:
    return client.get("/api/v2/deals", cost=10, purpose="poll").data


def write(client: Client, method: str) -> object:
    if method == "delete":
        return client.delete("/api/v2/deals/7", cost=3, purpose="write_back").data
    return getattr(client, method)("/api/v2/deals/7", {"title": "Añejo"}, cost=5, purpose="write_back").data


def failure_of(action: Callable[[], object]) -> PipedriveError:
    with pytest.raises(PipedriveError) as caught:
        action()
    return caught.value


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address where nobody listens, kept from everyone else."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


# --- what is sent and what comes back ---------------------------------------------------------------------------------


def test_a_read_sends_its_parameters_and_returns_data_and_times(
    client: Client, server: ScriptedServer, clock: RecordingClock
) -> None:
    body = {"success": True, "data": [{"id": 1}], "additional_data": {"next_cursor": "abc"}}
    server.script = [Reply(200, body)]
    answer = client.get("/api/v2/deals", {"limit": 500, "done": True, "cursor": "a b&c"}, cost=10, purpose="poll")
    assert (answer.data, answer.additional_data, answer.began_at) == ([{"id": 1}], {"next_cursor": "abc"}, START)
    assert answer.server_time is not None
    assert answer.server_time.tzinfo is UTC
    (asked,) = server.asked
    assert asked.query == {"limit": ["500"], "done": ["true"], "cursor": ["a b&c"]}
    assert "gzip" in asked.headers["accept-encoding"]
    assert asked.headers["user-agent"].startswith("pipedrive-sync/")


@pytest.mark.parametrize("additional", [{}, {"additional_data": None}, {"additional_data": "odd"}])
def test_missing_additional_data_is_an_empty_one(client: Client, server: ScriptedServer, additional: dict) -> None:  # type: ignore[type-arg]
    server.script = [Reply(200, {"success": True, "data": None, **additional})]
    answer = client.get("/api/v1/notes", cost=20, purpose="poll")
    assert (answer.data, answer.additional_data) == (None, {})


def test_the_servers_time_is_its_date_header_in_utc(make_client: Callable[..., Client]) -> None:
    client = make_client("https://acme.pipedrive.com")
    body = {"success": True, "data": []}
    with responses.RequestsMock() as mocked:
        url = "https://acme.pipedrive.com/api/v2/deals"
        for date in ("Tue, 03 Nov 2026 13:00:04 GMT", "yesterday"):
            mocked.get(url, json=body, headers={"Date": date})
        times = [client.get("/api/v2/deals", cost=10, purpose="poll").server_time for _ in range(2)]
    assert times == [datetime(2026, 11, 3, 13, 0, 4, tzinfo=UTC), None]


def test_a_compressed_answer_is_unpacked(client: Client, server: ScriptedServer) -> None:
    packed = gzip.compress(json.dumps({"success": True, "data": ["é" * 1000]}).encode())
    server.script = [Reply(200, packed, {"Content-Encoding": "gzip"})]
    assert get(client) == ["é" * 1000]


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'"\\ud83d"', "\ud83d"),
        (b"-Infinity", float("-inf")),
        (b"18446744073709551615", 18446744073709551615),
        ('"Zoë \\u0000 \U0001f600"'.encode(), "Zoë \x00 \U0001f600"),
    ],
)
def test_odd_but_readable_json_is_read(client: Client, server: ScriptedServer, raw: bytes, data: object) -> None:
    server.script = [Reply(200, b'{"success": true, "data": ' + raw + b"}")]
    assert get(client) == data


@pytest.mark.parametrize("method", WRITES)
def test_a_write_sends_json_and_returns_the_record(client: Client, server: ScriptedServer, method: str) -> None:
    server.script = [ok({"id": 7})]
    assert write(client, method) == {"id": 7}
    (asked,) = server.asked
    assert asked.method == method.upper()
    if method != "delete":
        assert json.loads(asked.body) == {"title": "Añejo"}
        assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize("reply", [Reply(200, {"status": "ok", "success": True}), Reply(204, b"")])
def test_a_write_may_be_answered_without_data(client: Client, server: ScriptedServer, reply: Reply) -> None:
    server.script = [reply]
    assert write(client, "delete") is None


def test_answers_leave_no_cookies_behind(client: Client, server: ScriptedServer) -> None:
    server.script = [ok([], Set_Cookie="__cf_bm=tracking; path=/")]
    get(client)
    get(client)
    assert "cookie" not in server.asked[1].headers


# --- repeating --------------------------------------------------------------------------------------------------------


def test_a_read_is_repeated_with_growing_waits_until_it_works(
    client: Client, server: ScriptedServer, clock: RecordingClock
) -> None:
    server.script = [refusal(500), Reply(cut="reset"), refusal(503), page(502), ok([1])]
    assert get(client) == [1]
    assert len(server.asked) == 5
    assert all(base <= slept <= 1.5 * base for base, slept in zip((0.5, 1, 2, 4), clock.slept, strict=True))


def test_the_jitter_comes_from_the_random_source_that_is_passed_in(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    waits = []
    for _ in range(2):
        clock = RecordingClock()
        server.script = [refusal(500), refusal(500), ok()]
        get(make_client(clock=clock, rng=random.Random(42)))
        waits.append(clock.slept)
    assert waits[0] == waits[1]


def test_a_call_is_repeated_for_two_minutes_at_most(
    client: Client, server: ScriptedServer, clock: RecordingClock
) -> None:
    server.script = [ok(), refusal(500, "still broken")]
    get(client)
    assert failure_of(lambda: get(client)).words == "still broken"
    assert 60 < clock.monotonic() <= 120


def test_before_the_first_success_an_unreachable_server_is_given_up_after_ten_seconds(
    make_client: Callable[..., Client], clock: RecordingClock, closed_port: str
) -> None:
    error = failure_of(lambda: get(make_client(closed_port)))
    assert type(error) is errors.Unreachable
    assert (error.exit_code, error.sent) == (1, False)
    assert "connection refused" in error.words
    assert "PIPEDRIVE_COMPANY_DOMAIN" in error.remedy
    assert 3 < clock.monotonic() <= 10


def test_after_a_success_a_lost_connection_is_worth_two_minutes(
    client: Client, server: ScriptedServer, clock: RecordingClock
) -> None:
    server.script = [ok(), Reply(cut="reset")]
    get(client)
    assert type(failure_of(lambda: get(client))) is errors.Unreachable
    assert 60 < clock.monotonic() <= 120


@pytest.mark.parametrize(
    ("reply", "least", "most"),
    [
        (refusal(429, x_ratelimit_reset="2"), 2.0, 2.1),
        (refusal(429, Retry_After="7", x_ratelimit_reset="2"), 7.0, 7.1),
        (refusal(429), 0.5, 1.0),
        (refusal(429, x_ratelimit_reset="0"), 0.5, 1.0),
        (refusal(503, Retry_After="9"), 9.0, 9.1),
        (refusal(503, Retry_After="Tue, 03 Nov 2026 12:00:20 GMT"), 20.0, 20.1),
        (refusal(503, Retry_After="90"), 60.0, 60.1),
        (refusal(503, x_ratelimit_reset="2"), 0.5, 0.75),
    ],
)
def test_a_wait_that_the_server_asks_for_is_honoured_and_capped(
    client: Client, server: ScriptedServer, clock: RecordingClock, reply: Reply, least: float, most: float
) -> None:
    server.script = [reply, ok([1])]
    assert get(client) == [1]
    assert least <= clock.monotonic() <= most


def test_a_429_holds_everyone_who_shares_the_window(
    make_client: Callable[..., Client], server: ScriptedServer, clock: RecordingClock
) -> None:
    window = BurstWindow(100)
    server.script = [refusal(429, x_ratelimit_reset="2")]
    failure_of(lambda: get(make_client(window=window, retry_for=0.0)))
    assert clock.slept == []
    server.script = [ok([1])]
    get(make_client(window=window))
    assert clock.monotonic() == pytest.approx(2.0)


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(500), errors.ServerError),
        (refusal(504), errors.ServerError),
        (Reply(cut="reset"), errors.Unreachable),
        (Reply(200, b'{"success": tr'), errors.MalformedAnswer),
    ],
)
def test_a_write_whose_outcome_is_unknown_is_not_repeated(
    client: Client, server: ScriptedServer, method: str, reply: Reply, kind: type[PipedriveError]
) -> None:
    server.script = [reply, ok({"id": 8})]
    error = failure_of(lambda: write(client, method))
    assert type(error) is kind
    assert error.outcome_unknown
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 422, 501])
def test_a_write_that_was_refused_did_certainly_not_happen(client: Client, server: ScriptedServer, status: int) -> None:
    server.script = [refusal(status)]
    assert not failure_of(lambda: write(client, "post")).outcome_unknown


@pytest.mark.parametrize("method", WRITES)
def test_a_write_is_repeated_after_a_429(client: Client, server: ScriptedServer, method: str) -> None:
    server.script = [refusal(429, x_ratelimit_reset="1"), ok({"id": 8})]
    assert write(client, method) == {"id": 8}


def test_a_write_is_repeated_while_nobody_listens(
    make_client: Callable[..., Client], closed_port: str, clock: RecordingClock
) -> None:
    error = failure_of(lambda: write(make_client(closed_port), "post"))
    assert not error.outcome_unknown
    assert len(clock.slept) > 1


def test_a_silent_server_is_left_after_the_read_timeout(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    server.script = [Reply(cut="silence")]
    client = make_client(timeout=(1.0, 0.05), retry_for=0.0)
    read, written = failure_of(lambda: get(client)), failure_of(lambda: write(client, "post"))
    assert (type(read), type(written)) == (errors.Unreachable, errors.Unreachable)
    assert "in time" in read.words
    assert (read.outcome_unknown, written.outcome_unknown) == (False, True)


def test_a_stop_while_waiting_comes_through_untouched(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    clock = SystemClock()
    server.script = [refusal(500)]
    server.on_request = lambda asked: clock.stop()
    with pytest.raises(Interrupted):
        get(make_client(clock=clock))
    assert len(server.asked) == 1


# --- what a server cannot easily produce ------------------------------------------------------------------------------


def fail_with(mocked: responses.RequestsMock, error: Exception) -> None:
    mocked.get("https://acme.pipedrive.com/api/v2/deals", body=error)


def failed_look_up(code: int) -> requests.ConnectionError:
    """What `requests` raises for a name that could not be looked up."""
    cause = socket.gaierror(code, "no such name")
    reason = NameResolutionError("acme.pipedrive.com", HTTPSConnection("acme.pipedrive.com"), cause)
    reason.__cause__ = cause
    return requests.ConnectionError(MaxRetryError(HTTPSConnectionPool("acme.pipedrive.com"), "/", reason))


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [(socket.EAI_NONAME, errors.WrongDomain, 2), (socket.EAI_AGAIN, errors.Unreachable, 1)],
)
def test_a_host_name_that_does_not_exist_is_a_wrong_domain_but_a_mute_name_server_is_not(
    make_client: Callable[..., Client], code: int, kind: type[PipedriveError], exit_code: int
) -> None:
    with responses.RequestsMock() as mocked:
        fail_with(mocked, failed_look_up(code))
        error = failure_of(lambda: get(make_client("https://acme.pipedrive.com")))
    assert type(error) is kind
    assert (error.exit_code, error.sent) == (exit_code, False)
    assert "acme.pipedrive.com" in error.message


def test_a_name_that_vanishes_after_it_worked_is_the_networks_fault(make_client: Callable[..., Client]) -> None:
    client = make_client("https://acme.pipedrive.com")
    with responses.RequestsMock() as mocked:
        mocked.get("https://acme.pipedrive.com/api/v2/deals", json={"success": True, "data": []})
        get(client)
        mocked.reset()
        fail_with(mocked, failed_look_up(socket.EAI_NONAME))
        assert type(failure_of(lambda: get(client))) is errors.Unreachable


@pytest.mark.parametrize(
    ("cause", "said", "sent"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), "not trusted", False),
        (ssl.SSLError(1, "wrong version number"), "no encrypted connection", True),
    ],
)
def test_a_failed_encryption_is_no_connection(
    make_client: Callable[..., Client], cause: ssl.SSLError, said: str, sent: bool
) -> None:
    with responses.RequestsMock() as mocked:
        fail_with(mocked, requests.exceptions.SSLError(cause))
        error = failure_of(lambda: get(make_client("https://acme.pipedrive.com")))
    assert (type(error), error.exit_code, error.sent) == (errors.Unreachable, 1, sent)
    assert said in error.words


def test_an_encrypted_call_to_a_server_without_encryption_is_no_connection(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    error = failure_of(lambda: get(make_client(server.url.replace("http:", "https:"))))
    assert type(error) is errors.Unreachable


@pytest.mark.parametrize("address", ["acme.pipedrive.com", "ftp://acme", "https://", "http://a b/"])
def test_an_address_that_is_none_is_a_wrong_domain(make_client: Callable[..., Client], address: str) -> None:
    assert type(failure_of(lambda: get(make_client(address)))) is errors.WrongDomain


# --- limits -----------------------------------------------------------------------------------------------------------


def test_the_burst_limit_is_learned_from_the_headers(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    window = BurstWindow(20)
    server.script = [ok([], x_ratelimit_limit="80"), ok([], x_ratelimit_limit="?")]
    client = make_client(window=window)
    get(client)
    get(client)
    assert window.limit == 80


def test_answered_calls_cost_tokens_and_429s_and_lost_answers_do_not(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    budget = TokenBudget(0.5, 1000)
    client = make_client(budget=budget)
    server.script = [refusal(429), Reply(cut="reset"), refusal(500), Reply(200, b"{"), ok()]
    get(client)
    assert budget.available(START) == 500 - 30
    state = budget.snapshot()
    assert state is not None
    assert state.by_purpose == {"poll": 30}


def test_a_spent_day_is_not_retried_and_stops_every_later_call(
    make_client: Callable[..., Client], server: ScriptedServer, clock: RecordingClock
) -> None:
    client = make_client(budget=TokenBudget(0.5, 1000))
    server.script = [refusal(429, "daily limit", **{LEFT: "0", "x-ratelimit-reset": "7200"}), ok()]
    error = failure_of(lambda: get(client))
    assert isinstance(error, errors.BudgetSpent)
    assert (error.status, error.words, error.exit_code) == (429, "daily limit", 4)
    assert error.resets_at == datetime(2026, 11, 3, 14, 0, tzinfo=UTC)
    later = failure_of(lambda: client.get("/api/v2/deals/7", cost=1, purpose="poll"))
    assert isinstance(later, errors.BudgetSpent)
    assert (later.endpoint, later.entity, later.record_id) == ("GET /api/v2/deals/7", "deals", 7)
    assert len(server.asked) == 1
    assert clock.slept == []
    clock.advance(7200)
    get(client)


def test_a_call_that_would_pass_our_share_is_not_sent(
    make_client: Callable[..., Client], server: ScriptedServer
) -> None:
    client = make_client(budget=TokenBudget(0.5, 30))
    get(client)
    assert isinstance(failure_of(lambda: get(client)), errors.BudgetSpent)
    assert len(server.asked) == 1


def test_many_threads_share_one_client_and_one_window(
    make_client: Callable[..., Client], server: ScriptedServer, clock: RecordingClock
) -> None:
    counted: list[float] = []
    server.on_request = lambda asked: counted.append(clock.monotonic())
    client = make_client(window=BurstWindow(3))
    threads = [threading.Thread(target=lambda: [get(client) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 80
    assert all(sum(start <= moment <= start + 2.0 for moment in counted) <= 3 for start in counted)


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [ok(), refusal(401, f"unknown token {TOKEN}"), refusal(500, TOKEN), page(403, TOKEN), Reply(cut="reset"),
     Reply(200, TOKEN.encode())],
)  # fmt: skip
def test_the_token_is_in_no_log_error_traceback_or_repr(client: Client, server: ScriptedServer, reply: Reply) -> None:
    server.script = [reply]
    shown = [repr(client)]
    with capture_logs() as logs:
        try:
            get(client)
        except PipedriveError as error:
            # Without this test's own frame, which holds the reply.
            frames = traceback.walk_tb(error.__traceback__ and error.__traceback__.tb_next)
            shown += traceback.StackSummary.extract(frames, capture_locals=True).format()
            shown += [repr(error), str(error), repr(vars(error)), repr(error.__context__), repr(error.__cause__)]
    shown += [repr(logs)]
    assert logs
    assert not [text for text in shown if TOKEN in text]
    assert all(TOKEN not in asked.path for asked in server.asked)


def test_no_error_keeps_the_request_of_the_library_in_its_chain(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(cut="reset")]
    error: BaseException | None = failure_of(lambda: get(client))
    while error is not None:
        assert not hasattr(error, "request")
        error = error.__cause__ or error.__context__


def test_each_attempt_and_each_retry_is_one_line_of_the_log(client: Client, server: ScriptedServer) -> None:
    server.script = [refusal(503), ok()]
    with capture_logs() as logs:
        client.get("/api/v2/deals", {"term": "a customer"}, cost=10, purpose="poll")
    assert [line["event"] for line in logs] == ["pipedrive_call", "pipedrive_retry", "pipedrive_call"]
    assert {line["log_level"] for line in logs} == {"debug"}
    assert [line.get("status") for line in logs] == [503, 503, 200]
    assert (logs[0]["method"], logs[0]["path"], logs[2]["attempt"]) == ("GET", "/api/v2/deals", 2)
    assert "a customer" not in repr(logs)


def test_credentials_in_the_address_are_not_shown(make_client: Callable[..., Client]) -> None:
    client = make_client("http://someone:hunter2@127.0.0.1:9", auth=ApiToken("abc"), retry_for=0.0)
    assert "hunter2" not in str(failure_of(lambda: get(client))) + repr(client)
