"""Deliveries over HTTP: what is taken, what is refused and with which words, and that a 2xx is a promise."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests
from sqlalchemy import Connection
from starlette.requests import Request
from structlog.testing import capture_logs

from sync.clock import ManualClock
from sync.mirror.subscriptions import RECEIVER_PATH
from sync.pipedrive.envelope import parse
from sync.settings import load_settings
from sync.store.database import decode_json
from sync.store.dialect import put
from sync.store.inbox import Received
from sync.store.schema import companies
from sync.web.webhooks import intake, receiver
from sync.web.webhooks.companies import Companies
from sync.web.webhooks.credentials import Credentials
from sync.web.webhooks.intake import Intake
from sync.web.webhooks.receiver import LARGEST, Outcome, Receiver
from tests.web.conftest import COMPANY, PASSWORD, USER, Serve, Site, Unsteady, counted, event, payloads, stored


class Stub:
    """An intake that does with an event what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def submit(self, received: Received) -> "Future[bool]":
        future: Future[bool] = Future()
        if self.error:
            future.set_exception(self.error)
        return future


def too_much() -> Iterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(LARGEST // 2**20 + 1):
        yield b" " * 2**20


REFUSALS: list[tuple[Outcome, int, str, dict[str, Any]]] = [
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": None}),
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": (USER, "secret guess")}),
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": ("secret guess", PASSWORD)}),
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": (USER, "")}),
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": ("nul\0", PASSWORD)}),
    (Outcome.UNAUTHORIZED, 401, "password", {"auth": None, "kind": "text/plain", "body": b"no matter what else"}),
    (Outcome.WRONG_TYPE, 415, "application/json", {"kind": "text/plain"}),
    (Outcome.WRONG_TYPE, 415, "application/json", {"kind": None}),
    (Outcome.WRONG_TYPE, 415, "application/json", {"kind": "application/jsonp"}),
    (Outcome.TOO_LARGE, 413, "10,485,760", {"body": b" " * (LARGEST + 1)}),
    (Outcome.TOO_LARGE, 413, "10,485,760", {"body": too_much}),
    (Outcome.NOT_JSON, 400, "not JSON", {"body": b""}),
    (Outcome.NOT_JSON, 400, "not JSON", {"body": b'{"meta": '}),
    (Outcome.NOT_JSON, 400, "not JSON", {"body": b"\xff\xfe"}),
    (Outcome.NOT_JSON, 400, "not JSON", {"body": b"[" * 100_000}),
    (Outcome.MALFORMED, 400, "the body is not an object", {"body": []}),
    (Outcome.MALFORMED, 400, "meta is missing", {"body": {"data": {}}}),
    (Outcome.MALFORMED, 400, "meta.id", {"body": event(id=None)}),
    (Outcome.MALFORMED, 400, "version 2.0", {"body": event(version="1.0")}),
    (Outcome.MALFORMED, 400, "meta.timestamp", {"body": event(timestamp="0001-01-01T00:00:00+14:00")}),
    (Outcome.UNKNOWN_COMPANY, 404, "company 8 is not mirrored here", {"body": event(company_id="8")}),
]


@pytest.mark.parametrize(("outcome", "status", "words", "delivery"), REFUSALS)
def test_every_refusal_has_its_status_its_words_and_its_count_and_stores_nothing(
    site: Site, outcome: Outcome, status: int, words: str, delivery: dict[str, Any]
) -> None:
    body = delivery.get("body", event())
    given = {**delivery, "body": body() if callable(body) else body}

    with counted(outcome):
        answer = site.post(**given)

    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert stored(site.database) == []


def test_the_table_of_refusals_is_complete() -> None:
    elsewhere = {Outcome.STORED, Outcome.REPEATED, Outcome.IGNORED, Outcome.BROKEN_OFF, Outcome.UNAVAILABLE}
    assert {outcome for outcome, *_ in REFUSALS} == set(Outcome) - elsewhere


@pytest.mark.parametrize("scheme", ["Bearer abc", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic /w==", ""])
def test_what_is_not_basic_authentication_is_told_to_use_it(site: Site, scheme: str) -> None:
    answer = requests.post(site.url + RECEIVER_PATH, data=b"{}", headers={"Authorization": scheme}, timeout=30)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_event_is_stored_as_it_came(site: Site) -> None:
    raw = json.dumps(event(id="the-id", attempt=2), indent=3).encode()

    with counted(Outcome.STORED):
        answer = site.post(raw, kind="application/json; charset=utf-8")

    assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
    (row,) = stored(site.database)
    assert row["payload"] == raw.decode()
    assert (row["company_id"], row["event_id"], row["entity"], row["entity_id"]) == (COMPANY, "the-id", "deal", 41)
    assert (row["action"], row["attempt"], row["webhook_id"]) == ("change", 2, 3)
    assert (row["state"], row["received_at"]) == ("pending", site.clock.now())
    assert row["event_time"].isoformat() == "2026-11-02T09:29:58.123000+00:00"


def test_a_delivery_that_comes_twice_and_a_retry_are_one_event(site: Site) -> None:
    first = event()
    site.post(first)

    with counted(Outcome.REPEATED, 2):
        answers = [site.post(first), site.post({**first, "meta": {**first["meta"], "attempt": 3}})]

    assert [(one.status_code, one.json()) for one in answers] == [(200, {"status": "repeated"})] * 2
    assert [row["attempt"] for row in stored(site.database)] == [1]


def test_events_of_one_user_with_one_id_are_as_many_as_their_times(site: Site) -> None:
    for seconds in (1_793_000_000, 1_793_000_000, 1_793_000_001):
        site.post(event("user", id="5", entity_id="5", timestamp=seconds, data={"id": "5"}))

    assert len(stored(site.database)) == 2


@pytest.mark.parametrize("entity", ["lead", "product", "dealProduct", "file"])
def test_an_event_of_what_is_not_mirrored_is_acknowledged_and_forgotten(site: Site, entity: str) -> None:
    with counted(Outcome.IGNORED):
        answer = site.post(event(entity))

    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert stored(site.database) == []


def test_a_company_that_is_mirrored_later_is_known_at_once(site: Site) -> None:
    assert site.post(event(company_id="8")).status_code == 404
    with site.database.writing() as connection:
        put(connection, companies, {"company_id": 8}, {"synced_at": site.clock.now()})

    assert site.post(event(company_id="8")).status_code == 200


class Hesitant(Unsteady):
    """A database that commits no sooner than somebody was answered, if anybody is."""

    answered: threading.Event
    order: list[str]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as connection:
            yield connection
            self.answered.wait(0.5)
        self.order.append("committed")


def test_the_answer_comes_after_the_commit(serve: Serve, unsteady: Unsteady) -> None:
    site = serve()
    unsteady.__class__ = Hesitant
    assert isinstance(unsteady, Hesitant)
    unsteady.answered, unsteady.order = threading.Event(), []

    assert site.post(event()).json() == {"status": "stored"}
    unsteady.order.append("answered")
    unsteady.answered.set()

    assert unsteady.order == ["committed", "answered"]
    assert len(stored(unsteady)) == 1


def test_where_the_commit_fails_it_is_to_come_again_and_is_stored_then(site: Site) -> None:
    delivery = event()
    site.database.fails_to_commit = True

    with counted(Outcome.UNAVAILABLE):
        refused = site.post(delivery)

    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "3"
    assert "deliver it again" in refused.json()["error"]
    assert stored(site.database) == []
    site.database.fails_to_commit = False
    assert site.post(delivery).json() == {"status": "stored"}
    assert len(stored(site.database)) == 1


def test_while_the_database_is_down_everything_is_to_come_again_and_afterwards_all_is_well(site: Site) -> None:
    site.database.down = True
    with counted(Outcome.UNAVAILABLE, 2):
        assert [site.post(event()).status_code for _ in range(2)] == [503, 503]

    site.database.down = False
    assert site.post(event()).json() == {"status": "stored"}


def test_where_too_many_wait_no_more_are_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING", 0)

    with counted(Outcome.UNAVAILABLE):
        answer = site.post(event())

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")


def test_an_answer_that_is_not_ready_in_time_is_that_it_has_to_come_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "PATIENCE", 0.05)
    site = serve(intake=Stub())

    assert site.post(event()).status_code == 503


def test_what_nobody_foresaw_is_logged_once_without_what_was_delivered_and_is_to_come_again(serve: Serve) -> None:
    site = serve(intake=Stub(KeyError("a customer's name")))

    with capture_logs() as logs, counted(Outcome.UNAVAILABLE):
        answer = site.post(event())

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    (line,) = logs
    assert (line["event"], line["log_level"], line["error"]) == ("delivery_failed", "error", "KeyError")
    assert "customer" not in answer.text


def test_the_log_holds_neither_values_nor_credentials(site: Site) -> None:
    with capture_logs() as logs:
        for _, _, _, delivery in REFUSALS:
            if "body" not in delivery:
                site.post(event(data={"title": "a secret title"}), **delivery)
        site.post(event(id={"id": "a secret id"}, data={"title": "a secret title"}))
        site.post(event(company_id="8", data={"title": "a secret title"}))
        site.database.fails_to_commit = True
        site.post(event(data={"title": "a secret title"}))

    assert {line["event"] for line in logs} == {"delivery_refused", "delivery_failed"}
    said = repr([{name: value for name, value in line.items() if name != "exc_info"} for line in logs])
    assert "secret" not in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + json.dumps(event()).encode(),
        json.dumps(event()).encode("utf-16"),
        json.dumps(event()).encode("utf-16-le"),
        json.dumps(event(data={"title": "half \ud800 of one"})).encode(),
        json.dumps(event(data={"title": "half \ud800 of one"}), ensure_ascii=False).encode("utf-8", "surrogatepass"),
        json.dumps(event(data={"title": "nul \0 and replaced \ufffd"})).encode(),
        json.dumps(event(data={"title": "Grüße, ваш 象 🐘"}), ensure_ascii=False).encode(),
        json.dumps(event(data={"value": 2**80, "probability": float("inf")})).encode(),
        json.dumps(event(data={"deep": json.loads("[" * 900 + "]" * 900)})).encode(),
    ],
    ids=["bom", "utf-16", "utf-16-le", "escaped half", "bare half", "nul", "letters", "numbers", "deep"],
)
def test_json_in_any_guise_is_kept_so_that_it_can_be_read_again(site: Site, raw: bytes) -> None:
    assert site.post(raw).json() == {"status": "stored"}

    (row,) = stored(site.database)
    assert decode_json(row["payload"]) == parse(raw)


def test_a_delivery_that_breaks_off_is_no_failure_and_stores_nothing(unsteady: Unsteady, clock: ManualClock) -> None:
    settings = load_settings({"WEBHOOK_USER": USER, "WEBHOOK_PASSWORD": PASSWORD})
    parts = iter([{"type": "http.request", "body": b'{"meta"', "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    credentials = b64encode(f"{USER}:{PASSWORD}".encode())
    headers = [(b"authorization", b"Basic " + credentials), (b"content-type", b"application/json")]
    with closing(Intake(unsteady, clock)) as taken, counted(Outcome.BROKEN_OFF), capture_logs() as logs:
        checks = Credentials(settings, unsteady, clock), Companies(settings, unsteady, clock)
        taker = Receiver(*checks, taken, clock)
        asyncio.run(taker.receive(Request({"type": "http", "method": "POST", "headers": headers}, receive)))

    assert [line["event"] for line in logs] == ["delivery_refused"]
    assert stored(unsteady) == []


def test_it_answers_with_and_without_the_path_of_its_public_address(serve: Serve) -> None:
    site = serve(WEBHOOK_PUBLIC_URL="https://example.com/sync%20here/")

    assert site.post(event()).status_code == 200
    assert site.post(event(), path=f"/sync here{RECEIVER_PATH}").status_code == 200
    assert site.post(event(), path=f"/elsewhere{RECEIVER_PATH}").status_code == 404
    assert len(stored(site.database)) == 2


def test_two_hundred_at_once_of_a_hundred_events_make_a_hundred_rows(site: Site) -> None:
    deliveries = [event(id=f"event-{number % 100}", entity_id=str(number)) for number in range(200)]

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda body: site.post(body), deliveries))

    statuses = [one.json()["status"] for one in answers]
    assert (statuses.count("stored"), statuses.count("repeated")) == (100, 100)
    assert sorted(row["event_id"] for row in stored(site.database)) == sorted(f"event-{one}" for one in range(100))


def test_payloads_are_read_back_as_they_were_sent(site: Site) -> None:
    body = event(data={"id": 41, "custom_fields": {"a" * 40: {"type": "enum", "id": 17}}}, previous={"title": "old"})
    site.post(body)

    assert payloads(site.database) == [body]
