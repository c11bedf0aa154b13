import base64
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from sync.clock import ManualClock
from sync.sandbox import Company, Sandbox, Unreliability, generate
from sync.sandbox.couriers import HttpTransport
from tests.sandbox.conftest import START, Client

ADDRESS = "http://127.0.0.1:1/webhooks/pipedrive"
MINUTES = 60
DAYS = 86_400


class Receiver:
    """A scripted transport: answers with the next of its statuses, then with `status`; keeps what it was sent."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.statuses: list[int | None] = []
        self.posts: list[tuple[str, Any, Any]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, url: str, headers: Any, body: bytes) -> int | None:
        self.posts.append((url, headers, json.loads(body)))
        self.meanwhile()
        return self.statuses.pop(0) if self.statuses else self.status

    @property
    def names(self) -> list[str]:
        """The names of the organizations told of, in order."""
        return [body["data"]["name"] for _, _, body in self.posts]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def sandbox(clock: ManualClock, receiver: Receiver) -> Iterator[Sandbox]:
    """A sandbox that delivers to the receiver when it is pumped, and only then."""
    company = generate(1, clock=clock, organizations=3)
    with Sandbox(company, burst=None, deliver=False) as running:
        running.deliveries.transport = receiver
        yield running


def subscribe(company: Company, **wish: Any) -> int:
    """The id of a new subscription, to everything unless the wish says otherwise."""
    values = {"subscription_url": ADDRESS, "event_action": "*", "event_object": "*", "name": "x"} | wish
    return int(company.create("webhooks", values)["id"])


def edit(sandbox: Sandbox, *names: str) -> None:
    for name in names:
        sandbox.company.update("organizations", 1, {"name": name})


def fail(sandbox: Sandbox, receiver: Receiver, times: int) -> None:
    """Let that many first attempts fail, of events that are then seen through."""
    for _ in range(times):
        receiver.statuses = [500]
        edit(sandbox, "failing")
        sandbox.deliveries.pump()
        sandbox.company.clock.sleep(3)
        sandbox.deliveries.pump()


# Which events are sent to whom


@pytest.mark.parametrize(
    ("event_action", "event_object", "expected"),
    [
        ("*", "*", ["organization create", "deal create", "organization change", "organization delete"]),
        ("create", "*", ["organization create", "deal create"]),
        ("*", "organization", ["organization create", "organization change", "organization delete"]),
        ("delete", "organization", ["organization delete"]),
        ("change", "deal", []),
        ("*", "product", []),
    ],
)
def test_a_subscription_gets_the_events_it_asked_for(
    sandbox: Sandbox, receiver: Receiver, event_action: str, event_object: str, expected: list[str]
) -> None:
    subscribe(sandbox.company, event_action=event_action, event_object=event_object)
    new = sandbox.company.create("organizations", {"name": "Nord"})["id"]
    sandbox.company.create("deals", {"title": "x"})
    sandbox.company.update("organizations", new, {"name": "Süd"})
    sandbox.company.delete("organizations", new)
    assert sandbox.deliveries.pump() == len(expected)
    told = [f"{body['meta']['entity']} {body['meta']['action']}" for _, _, body in receiver.posts]
    assert told == expected


def test_only_active_subscriptions_of_version_2_get_events(sandbox: Sandbox, receiver: Receiver) -> None:
    inactive, old = subscribe(sandbox.company), subscribe(sandbox.company, version="1.0")
    sandbox.company.update("webhooks", inactive, {"is_active": 0})
    edit(sandbox, "unheard")
    sandbox.company.update("webhooks", inactive, {"is_active": 1})
    edit(sandbox, "heard")
    sandbox.deliveries.pump()
    assert receiver.names == ["heard"]
    assert sandbox.company.get("webhooks", old)["last_delivery_time"] is None


@pytest.mark.parametrize("end", ["inactive", "deleted"])
def test_what_still_waits_for_a_subscription_that_ended_is_not_sent(
    sandbox: Sandbox, receiver: Receiver, end: str
) -> None:
    webhook = subscribe(sandbox.company)
    edit(sandbox, "x")
    if end == "inactive":
        sandbox.company.update("webhooks", webhook, {"is_active": 0})
    else:
        sandbox.company.delete("webhooks", webhook)
    assert (sandbox.deliveries.pump(), sandbox.deliveries.pending, receiver.posts) == (0, 0, [])


def test_an_event_is_not_sent_to_a_user_who_may_not_see_the_record(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox.company, user_id=2)
    sandbox.company.update("organizations", 1, {"visible_to": 1, "owner_id": 3, "name": "hidden"})
    sandbox.company.update("organizations", 1, {"owner_id": 2, "name": "shown"})
    sandbox.deliveries.pump()
    assert receiver.names == ["shown"]


def test_nothing_is_worked_out_where_nobody_listens(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("sync.sandbox.webhooks.event_of")
    subscribe(sandbox.company, event_object="deal")
    edit(sandbox, "x")
    assert sandbox.deliveries.pending == 0


def test_a_stopped_sandbox_leaves_the_company_alone(clock: ManualClock, receiver: Receiver) -> None:
    company = generate(1, clock=clock, organizations=1)
    subscribe(company)
    for _ in range(2):
        with Sandbox(company, deliver=False) as sandbox:
            sandbox.deliveries.transport = receiver
            edit(sandbox, "x")
            sandbox.deliveries.pump()
    assert len(receiver.posts) == 2
    assert company.listeners == []


# Attempts


def test_events_are_posted_in_order_to_the_address_with_the_credentials(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox.company, http_auth_user="hook", http_auth_password="sesam:öffne dich")
    edit(sandbox, "a", "b", "c")
    assert (sandbox.deliveries.pump(), sandbox.deliveries.next_due(), receiver.names) == (3, None, ["a", "b", "c"])
    url, headers, _ = receiver.posts[0]
    assert (url, headers["content-type"], headers["user-agent"]) == (ADDRESS, "application/json", "Pipedrive Webhooks")
    scheme, _, encoded = headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", "hook:sesam:öffne dich")


def test_without_credentials_no_authorization_is_sent(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox.company)
    edit(sandbox, "a")
    sandbox.deliveries.pump()
    assert receiver.posts[0][1].keys() == {"content-type", "user-agent"}


@pytest.mark.parametrize(
    ("status", "success"),
    [(200, True), (204, True), (299, True), (300, False), (302, False), (401, False), (500, False), (None, False)],
)
def test_any_2xx_is_a_success_and_nothing_else(
    sandbox: Sandbox, receiver: Receiver, status: int | None, success: bool
) -> None:
    webhook = subscribe(sandbox.company)
    receiver.status = status
    edit(sandbox, "x")
    sandbox.deliveries.pump()
    assert (sandbox.deliveries.next_due() is None) is success
    shown = sandbox.company.get("webhooks", webhook)
    assert (shown["last_http_status"], shown["last_delivery_time"]) == (status, "2026-11-02T09:30:00.000Z")


def test_a_success_after_more_than_ten_seconds_is_none(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    subscribe(sandbox.company)
    receiver.meanwhile = lambda: clock.advance(10)
    edit(sandbox, "in time")
    sandbox.deliveries.pump()
    receiver.meanwhile = lambda: clock.advance(10.5)
    edit(sandbox, "late")
    sandbox.deliveries.pump()
    assert [one.status for one in sandbox.deliveries.log[:2]] == [200, None]


def test_a_failed_delivery_is_retried_after_3_then_30_then_150_seconds_and_given_up(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    subscribe(sandbox.company)
    receiver.status = 500
    edit(sandbox, "x")
    assert (sandbox.deliveries.pump(), sandbox.deliveries.next_due()) == (1, 3)
    clock.advance(2.5)
    assert sandbox.deliveries.pump() == 0
    clock.advance(0.5)
    assert (sandbox.deliveries.pump(), sandbox.deliveries.next_due()) == (1, 33)
    clock.advance(30)
    assert (sandbox.deliveries.pump(), sandbox.deliveries.next_due()) == (1, 183)
    clock.advance(150)
    assert (sandbox.deliveries.pump(), sandbox.deliveries.next_due()) == (1, None)
    bodies = [body for _, _, body in receiver.posts]
    assert [body["meta"].pop("attempt") for body in bodies] == [1, 2, 3, 4]
    assert bodies == [bodies[0]] * 4
    log = [(one.event_id, one.webhook_id, one.attempt, one.status) for one in sandbox.deliveries.log]
    assert log == [(bodies[0]["meta"]["id"], 1, attempt, 500) for attempt in (1, 2, 3, 4)]
    assert [(one.at - START).total_seconds() for one in sandbox.deliveries.log] == [0, 3, 33, 183]


def test_a_retry_that_succeeds_ends_the_matter_and_may_come_after_later_events(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    subscribe(sandbox.company)
    receiver.statuses = [503]
    edit(sandbox, "first")
    sandbox.deliveries.pump()
    edit(sandbox, "second")
    sandbox.deliveries.pump()
    clock.advance(3)
    sandbox.deliveries.pump()
    assert (receiver.names, sandbox.deliveries.next_due()) == (["first", "second", "first"], None)


def test_what_happens_during_a_delivery_is_delivered_in_the_same_round(sandbox: Sandbox, receiver: Receiver) -> None:
    subscribe(sandbox.company)
    actions = [lambda: edit(sandbox, "echo")]
    receiver.meanwhile = lambda: actions.pop()() if actions else None
    edit(sandbox, "first")
    assert (sandbox.deliveries.pump(), receiver.names) == (2, ["first", "echo"])


# The ban, and the end


def test_ten_failed_first_attempts_ban_a_webhook_for_half_an_hour_and_its_events_are_lost(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    banned, other = subscribe(sandbox.company), subscribe(sandbox.company, event_object="deal")
    fail(sandbox, receiver, 10)
    receiver.posts.clear()
    edit(sandbox, "lost")
    clock.advance(30 * MINUTES - 4)
    edit(sandbox, "lost too")
    sandbox.company.create("deals", {"title": "for the other", "name": "other"})
    assert sandbox.deliveries.pump() == 1
    clock.advance(1)
    edit(sandbox, "heard")
    sandbox.deliveries.pump()
    assert [(body["meta"]["webhook_id"], body["data"].get("name")) for _, _, body in receiver.posts] == [
        (str(other), None),
        (str(banned), "heard"),
    ]


def test_nine_failures_do_not_ban_and_neither_retries_nor_successes_change_the_count(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    subscribe(sandbox.company)
    fail(sandbox, receiver, 8)
    receiver.status = 500
    edit(sandbox, "fails four times")
    for seconds in (0, 3, 30, 150):
        clock.advance(seconds)
        sandbox.deliveries.pump()
    receiver.status = 200
    edit(sandbox, "still heard")
    sandbox.deliveries.pump()
    fail(sandbox, receiver, 1)
    edit(sandbox, "lost")
    sandbox.deliveries.pump()
    assert "still heard" in receiver.names
    assert "lost" not in receiver.names


def test_after_a_ban_the_count_begins_anew(sandbox: Sandbox, receiver: Receiver, clock: ManualClock) -> None:
    subscribe(sandbox.company)
    fail(sandbox, receiver, 10)
    clock.advance(30 * MINUTES)
    fail(sandbox, receiver, 9)
    edit(sandbox, "heard")
    sandbox.deliveries.pump()
    assert receiver.names[-1] == "heard"


def test_what_waits_for_its_first_attempt_when_the_ban_begins_is_lost_with_the_rest(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    subscribe(sandbox.company)
    receiver.status = None
    edit(sandbox, *(str(number) for number in range(15)))
    assert sandbox.deliveries.pump() == 10
    assert receiver.names == [str(number) for number in range(10)]


@pytest.mark.parametrize("drops", [True, False])
def test_retries_that_fall_into_a_ban_are_lost_unless_switched_otherwise(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock, drops: bool
) -> None:
    sandbox.company.switches.ban_drops_retries = drops
    subscribe(sandbox.company)
    receiver.statuses = [500] * 10
    edit(sandbox, *"abcdefghij")
    sandbox.deliveries.pump()
    clock.advance(3)
    assert sandbox.deliveries.pump() == (0 if drops else 10)
    assert sandbox.deliveries.pending == 0


def test_a_webhook_without_success_in_three_days_is_deleted(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    sandbox.company.switches.idle_webhooks_expire = False
    failing, working = subscribe(sandbox.company), subscribe(sandbox.company, event_object="deal")
    clock.advance(2 * DAYS)
    edit(sandbox, "success")
    sandbox.deliveries.pump()
    receiver.status = 500
    for _ in range(6):
        clock.advance(DAYS / 2 - 1)
        edit(sandbox, "failure")
        sandbox.deliveries.pump()
    assert sandbox.company.find("webhooks", failing) is not None
    clock.advance(6)
    edit(sandbox, "failure")
    sandbox.deliveries.pump()
    assert sandbox.company.find("webhooks", failing) is None
    assert sandbox.company.find("webhooks", working) is not None


@pytest.mark.parametrize("expires", [True, False])
def test_three_days_without_any_event_delete_a_webhook_too_unless_switched_otherwise(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock, expires: bool
) -> None:
    sandbox.company.switches.idle_webhooks_expire = expires
    subscribe(sandbox.company)
    clock.advance(3 * DAYS - 1)
    sandbox.deliveries.pump()
    assert sandbox.company.count("webhooks") == 1
    clock.advance(1)
    edit(sandbox, "x")
    sandbox.deliveries.pump()
    assert receiver.names == ([] if expires else ["x"])
    assert sandbox.company.count("webhooks") == (0 if expires else 1)


def test_a_webhook_deleted_during_its_delivery_is_not_retried(sandbox: Sandbox, receiver: Receiver) -> None:
    webhook = subscribe(sandbox.company)
    receiver.status = 500
    receiver.meanwhile = lambda: sandbox.company.delete("webhooks", webhook)
    edit(sandbox, "x")
    assert (sandbox.deliveries.pump(), sandbox.deliveries.pending) == (1, 0)


# Faults


def storm(seed: int, **how: float) -> tuple[list[str], list[str]]:
    """Forty edits, one a second, delivered unreliably: what happened, and what arrived, in order."""
    clock, receiver = ManualClock(START), Receiver()
    company = generate(1, clock=clock, organizations=1)
    subscribe(company)
    sandbox = Sandbox(company, deliver=False)
    sandbox.deliveries.transport = receiver
    sandbox.faults.unreliable_webhooks(Unreliability(random.Random(seed), **how))
    names = [str(number) for number in range(40)]
    with sandbox:
        for name in names:
            edit(sandbox, name)
            clock.advance(1)
            sandbox.deliveries.pump()
        while (due := sandbox.deliveries.next_due()) is not None:
            clock.advance(due - clock.monotonic())
            sandbox.deliveries.pump()
    assert {one.attempt for one in sandbox.deliveries.log} <= {1}
    return names, receiver.names


def test_deliveries_are_reliable_by_default() -> None:
    happened, arrived = storm(1)
    assert arrived == happened


def test_deliveries_can_be_dropped_doubled_and_late_by_chance() -> None:
    happened, arrived = storm(1, drop=0.3)
    assert arrived == sorted(set(arrived), key=int)
    assert 0 < len(arrived) < len(happened)
    happened, arrived = storm(1, duplicate=0.3)
    assert (sorted(set(arrived), key=int), len(arrived) > len(happened)) == (happened, True)
    happened, arrived = storm(1, delay=30)
    assert (sorted(arrived, key=int), arrived != happened) == (happened, True)


def test_the_same_seed_does_the_same_and_another_something_else() -> None:
    how = {"drop": 0.2, "duplicate": 0.2, "delay": 20.0}
    assert storm(5, **how) == storm(5, **how)
    assert storm(5, **how) != storm(6, **how)


def test_the_events_of_a_while_can_be_lost_and_clear_undoes_it(
    sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    subscribe(sandbox.company)
    sandbox.faults.lose_webhooks(60)
    edit(sandbox, "lost")
    clock.advance(60)
    edit(sandbox, "heard")
    sandbox.faults.lose_webhooks(60)
    sandbox.faults.unreliable_webhooks(Unreliability(drop=1.0))
    edit(sandbox, "lost")
    sandbox.faults.clear()
    edit(sandbox, "heard again")
    sandbox.deliveries.pump()
    assert receiver.names == ["heard", "heard again"]


# The API

WISH = {"subscription_url": ADDRESS, "event_action": "*", "event_object": "*", "name": "sync", "version": "2.0"}


@pytest.mark.parametrize("url", ["", "x", "/x", "ftp://x.example", "http://", "http://:80/x", "http://x:99999/", "x y"])
def test_an_invalid_subscription_url_is_refused_in_pipedrives_words(client: Client, url: str) -> None:
    answer = client.call("POST", "/api/v1/webhooks", json=WISH | {"subscription_url": url})
    assert (answer.status_code, answer.json()) == (
        400,
        {"status": "error", "success": False, "errors": {"subscription_url": ["invalid or non-reachable URL"]}},
    )


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"event_object": "planet"}, {"event_object"}),
        ({"event_object": "organizations"}, {"event_object"}),
        ({"event_object": ["deal"]}, {"event_object"}),
        ({"event_action": "added"}, {"event_action"}),
        ({"event_action": None, "name": None}, {"event_action", "name"}),
        ({"name": "x" * 256}, {"name"}),
        ({"name": 5, "subscription_url": 5}, {"name", "subscription_url"}),
        ({"version": "3.0"}, {"version"}),
        ({"user_id": 99}, {"user_id"}),
        ({"http_auth_user": 5}, {"http_auth_user"}),
        ({"is_active": 0}, {"is_active"}),
        ({"subscription_url": "https://x.pipedrive.com/v1/deals"}, {"subscription_url"}),
    ],
)
def test_every_mistake_in_a_subscription_is_named_and_nothing_is_stored(
    sandbox: Sandbox, client: Client, changes: dict[str, Any], wrong: set[str]
) -> None:
    answer = client.call("POST", "/api/v1/webhooks", json=WISH | changes)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, wrong)
    assert sandbox.company.count("webhooks") == 0


def test_a_body_that_is_no_object_is_a_400(client: Client) -> None:
    assert client.call("POST", "/api/v1/webhooks", json=[WISH]).status_code == 400


@pytest.mark.parametrize("event_object", ["activity", "deal", "note", "organization", "person", "pipeline", "user"])
def test_a_subscription_is_shown_whole_but_for_its_password(
    sandbox: Sandbox, client: Client, event_object: str
) -> None:
    credentials = {"http_auth_user": "hook", "http_auth_password": "secret"}
    shown = client.send("POST", "/api/v1/webhooks", WISH | credentials | {"event_object": event_object})
    assert shown == {
        "id": 1,
        "company_id": 7_654_321,
        "owner_id": 1,
        "user_id": 1,
        "event_action": "*",
        "event_object": event_object,
        "subscription_url": ADDRESS,
        "version": "2.0",
        "is_active": 1,
        "add_time": "2026-11-02T09:30:00.000Z",
        "remove_time": None,
        "type": "general",
        "http_auth_user": "hook",
        "http_auth_password": None,
        "remove_reason": None,
        "last_delivery_time": None,
        "last_http_status": None,
        "admin_id": 1,
        "name": "sync",
    }
    assert client.data("/api/v1/webhooks") == [shown]
    assert sandbox.company.get("webhooks", 1)["http_auth_password"] == "secret"


def test_version_2_is_the_default_also_when_null_is_sent(client: Client) -> None:
    wish = WISH | {"version": None, "user_id": None}
    assert client.send("POST", "/api/v1/webhooks", wish).items() >= {"version": "2.0", "user_id": 1}.items()


def test_a_list_shows_what_became_of_a_subscription(
    sandbox: Sandbox, client: Client, receiver: Receiver, clock: ManualClock
) -> None:
    webhook = client.send("POST", "/api/v1/webhooks", WISH)["id"]
    receiver.status = 502
    clock.advance(1.5)
    client.send("PATCH", "/api/v2/organizations/1", {"name": "x"})
    sandbox.deliveries.pump()
    sandbox.company.update("webhooks", webhook, {"is_active": 0})
    (shown,) = client.data("/api/v1/webhooks")
    assert (shown["is_active"], shown["last_http_status"]) == (0, 502)
    assert shown["last_delivery_time"] == "2026-11-02T09:30:01.500Z"
    assert receiver.posts[0][2]["meta"]["change_source"] == "api"


def test_a_user_sees_and_deletes_only_their_own_subscriptions_an_administrator_deletes_any(
    sandbox: Sandbox, client: Client
) -> None:
    other = Client(sandbox, sandbox.access.token_for(2))
    with other.session:
        own, mine = other.send("POST", "/api/v1/webhooks", WISH)["id"], client.send("POST", "/v1/webhooks", WISH)["id"]
        assert [shown["id"] for shown in other.data("/api/v1/webhooks")] == [own]
        assert other.call("DELETE", f"/api/v1/webhooks/{mine}").json() == {"success": False, "message": "Forbidden"}
    assert client.call("DELETE", f"/api/v1/webhooks/{own}").status_code == 200
    assert client.call("DELETE", f"/api/v1/webhooks/{own}").json()["errors"] == {"id": ["not found"]}
    assert [shown["id"] for shown in client.data("/api/v1/webhooks")] == [mine]


# The wire


class HttpReceiver(ThreadingHTTPServer):
    """A real receiver on loopback: wants Basic credentials, and answers as told."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self.connections: set[Any] = set()
        self.keep_alive = True
        self.hangs_up = False
        self.closed = threading.Event()
        self.release = threading.Event()
        self.release.set()
        self.arrived = threading.Event()
        super().__init__(("127.0.0.1", 0), HttpHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/webhooks/pipedrive?company=1"

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.set()


class HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.connections.add(self.client_address)
        self.server.arrived.set()
        self.server.release.wait()
        known = self.headers["authorization"] == "Basic aG9vazpzZWNyZXQ="
        self.send_response(204 if known else 401)
        self.send_header("content-length", "0")
        if not self.server.keep_alive:
            self.send_header("connection", "close")
        self.end_headers()
        self.close_connection |= self.server.hangs_up
        if known:
            self.server.received.put((self.path, json.loads(body)))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


CREDENTIALS = {"http_auth_user": "hook", "http_auth_password": "secret"}
HEADERS = {"authorization": "Basic aG9vazpzZWNyZXQ="}


def test_a_running_sandbox_delivers_every_event_once_over_http(http_receiver: HttpReceiver) -> None:
    with Sandbox(organizations=5) as sandbox:
        subscribe(sandbox.company, subscription_url=http_receiver.url, **CREDENTIALS)
        edit(sandbox, *(str(number) for number in range(50)))
        received = [http_receiver.received.get(timeout=30) for _ in range(50)]
    assert {path for path, _ in received} == {"/webhooks/pipedrive?company=1"}
    assert {body["data"]["name"] for _, body in received} == {str(number) for number in range(50)}
    assert len({body["meta"]["id"] for _, body in received}) == 50
    assert len(http_receiver.connections) <= 4, "each courier keeps its connection"


def test_wrong_credentials_are_a_failure(http_receiver: HttpReceiver, clock: ManualClock) -> None:
    company = generate(1, clock=clock, organizations=1)
    with Sandbox(company, deliver=False) as sandbox:
        subscribe(company, subscription_url=http_receiver.url, http_auth_user="hook", http_auth_password="wrong")
        edit(sandbox, "x")
        sandbox.deliveries.pump()
        assert ([one.status for one in sandbox.deliveries.log], sandbox.deliveries.next_due()) == ([401], 3)


def test_retries_follow_a_clock_that_is_moved_by_hand(receiver: Receiver, clock: ManualClock) -> None:
    told: SimpleQueue[None] = SimpleQueue()
    receiver.statuses = [500]
    receiver.meanwhile = lambda: told.put(None)
    with Sandbox(generate(1, clock=clock, organizations=1)) as sandbox:
        sandbox.deliveries.transport = receiver
        subscribe(sandbox.company)
        edit(sandbox, "x")
        told.get(timeout=30)
        while told.empty():
            clock.advance(3)
            with suppress(Empty):
                told.put(told.get(timeout=0.01))
    assert [one.attempt for one in sandbox.deliveries.log] == [1, 2]


def test_a_sandbox_stops_while_a_receiver_keeps_it_waiting(http_receiver: HttpReceiver) -> None:
    http_receiver.release.clear()
    with Sandbox(organizations=1) as sandbox:
        subscribe(sandbox.company, subscription_url=http_receiver.url, **CREDENTIALS)
        edit(sandbox, "x")
        assert http_receiver.arrived.wait(30)
    assert [one.status for one in sandbox.deliveries.log] == [None]


def test_a_failure_of_the_sandbox_itself_comes_out_when_it_stops() -> None:
    failed = threading.Event()

    def broken(url: str, headers: Any, body: bytes) -> int:
        failed.set()
        raise LookupError

    sandbox = Sandbox(organizations=1)
    sandbox.deliveries.transport = broken
    sandbox.start()
    subscribe(sandbox.company)
    edit(sandbox, "x")
    assert failed.wait(30)
    with pytest.raises(RuntimeError, match="a delivery"):
        sandbox.stop()


def test_the_transport_keeps_a_connection_open_and_replaces_one_that_was_closed(http_receiver: HttpReceiver) -> None:
    transport = HttpTransport()
    assert [transport(http_receiver.url, HEADERS, b"{}") for _ in range(2)] == [204, 204]
    assert len(http_receiver.connections) == 1
    http_receiver.keep_alive = False
    assert [transport(http_receiver.url, HEADERS, b"{}") for _ in range(2)] == [204, 204]
    assert len(http_receiver.connections) == 2
    transport.close()
    assert transport(http_receiver.url, HEADERS, b"{}") is None


def test_a_connection_that_the_receiver_closed_while_it_was_idle_is_no_failure(http_receiver: HttpReceiver) -> None:
    transport = HttpTransport()
    http_receiver.hangs_up = True
    for _ in range(2):
        http_receiver.closed.clear()
        assert transport(http_receiver.url, HEADERS, b"{}") == 204
        assert http_receiver.closed.wait(30)
    transport.close()


def test_no_answer_in_time_is_no_answer(http_receiver: HttpReceiver) -> None:
    http_receiver.release.clear()
    transport = HttpTransport(timeout=0.05)
    assert transport(http_receiver.url, HEADERS, b"{}") is None
    transport.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "https://127.0.0.1:9/",
        "http://192.0.2.1/",
        "http://receiver.example/",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "nonsense",
    ],
)
def test_nobody_answers_where_nobody_listens_and_nothing_leaves_this_machine(url: str) -> None:
    transport = HttpTransport()
    assert transport(url, HEADERS, b"{}") is None
    transport.close()
