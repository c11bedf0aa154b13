"""`receive` as a process of its own: an event it has answered for is stored whatever happens to it next."""

import itertools
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from sqlalchemy import select

from sync.sandbox import Sandbox
from sync.store.database import Database
from sync.store.dialect import put
from sync.store.schema import companies, inbox
from sync.store.webhooks import Subscription, hash_password, save_subscription
from tests.acceptance.conftest import MakeProgram, Program, Running, the_same

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
COMPANY, USER, PASSWORD = 7, "pipedrive", "not the usual password"
CREDENTIALS = {"WEBHOOK_USER": USER, "WEBHOOK_PASSWORD": PASSWORD}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company of which the receiver asks nothing."""
    with Sandbox(the_same(organizations=0)) as running:
        yield running


@pytest.fixture
def receiver(program: Program, database: Database) -> Program:
    """The program, with the receiver's credentials and without any for Pipedrive, on a database with a company."""
    with database.writing() as connection:
        put(connection, companies, {"company_id": COMPANY}, {"synced_at": NOW})
    program.environment |= {**CREDENTIALS, "PIPEDRIVE_API_TOKEN": "", "SYNC_PORT": str(free_port())}
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(program: Program, **environment: str) -> Iterator[tuple[Running, str]]:
    """The process, once it takes deliveries, and the address it says it does so at."""
    process = program.start("receive", **environment)
    assert process.stderr is not None
    for line in process.stderr:
        if "receiver_started" in line:
            yield process, json.loads(line)["address"]
            return
    raise AssertionError(f"it ended with {process.wait(30)} before it listened")


def deliver(address: str, event_id: str, **options: Any) -> requests.Response:
    meta = {"action": "change", "entity": "deal", "entity_id": "1", "company_id": str(COMPANY), "id": event_id}
    body = {"meta": {**meta, "timestamp": "2026-11-02T09:29:58.123Z", "version": "2.0"}, "data": {"id": 1}}
    options = {"auth": (USER, PASSWORD), "timeout": 30} | options
    return requests.post(f"{address}/webhooks/pipedrive", json=body, **options)


def stored(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.scalars(select(inbox.c.event_id)))


def test_killed_right_after_its_answer_it_has_the_event(receiver: Program, database: Database) -> None:
    with running(receiver) as (process, address):
        answer = deliver(address, "event")
        process.kill()
        assert answer.json() == {"status": "stored"}
    process.communicate(timeout=30)

    assert stored(database) == {"event"}


@dataclass
class Senders:
    """Eight who deliver one event after the other until nobody is there any more; and what they were answered."""

    answered: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    busy: threading.Event = field(default_factory=threading.Event)

    def deliver(self, address: str, worker: int) -> None:
        try:
            for number in itertools.count():
                answer = deliver(address, f"{worker}/{number}")
                if not answer.ok:
                    self.refused.append(answer.status_code)
                    return
                self.answered.add(f"{worker}/{number}")
                if len(self.answered) > 50:
                    self.busy.set()
        except requests.RequestException:
            return

    @contextmanager
    def at_work(self, address: str) -> Iterator[None]:
        with ThreadPoolExecutor(8) as pool:
            for worker in range(8):
                pool.submit(self.deliver, address, worker)
            assert self.busy.wait(60)
            yield


def test_killed_amid_many_it_has_all_that_it_answered_for(receiver: Program, database: Database) -> None:
    senders = Senders()
    with running(receiver) as (process, address), senders.at_work(address):
        process.kill()
    process.communicate(timeout=30)

    assert senders.refused == []
    assert senders.answered <= stored(database)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_amid_many_it_answers_those_it_has_and_ends_well(
    receiver: Program, database: Database, number: signal.Signals
) -> None:
    senders = Senders()
    with running(receiver) as (process, address), senders.at_work(address):
        process.send_signal(number)
        _, err = process.communicate(timeout=5)

    assert process.returncode == 0, err
    assert json.loads(err.splitlines()[-1])["event"] == "receiver_stopped"
    assert senders.refused == []
    assert senders.answered == stored(database)


def test_a_second_one_on_the_same_port_is_told_the_setting(receiver: Program) -> None:
    with running(receiver):
        refused = receiver.run("receive", code=2)

    assert f"Port {receiver.environment['SYNC_PORT']} on 127.0.0.1 is in use. Set SYNC_PORT" in refused.stderr


def test_two_share_a_database(receiver: Program, database: Database) -> None:
    with running(receiver) as (_, one), running(receiver, SYNC_PORT=str(free_port())) as (_, other):
        assert deliver(one, "event").json() == {"status": "stored"}
        assert deliver(other, "event").json() == {"status": "repeated"}

    assert stored(database) == {"event"}


def test_without_anything_to_know_pipedrive_by_it_does_not_start(receiver: Program) -> None:
    refused = receiver.run("receive", code=2, WEBHOOK_USER="", WEBHOOK_PASSWORD="")

    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("pipedrive-sync: ")]
    assert "WEBHOOK_USER and WEBHOOK_PASSWORD" in line
    assert "webhooks install" in line


def test_a_subscription_in_the_database_is_enough(receiver: Program, database: Database) -> None:
    with database.writing() as connection:
        made = Subscription(1, "deal", "https://x.example", "ann", hash_password("right"), True, NOW, NOW)
        save_subscription(connection, COMPANY, made)

    with running(receiver, WEBHOOK_USER="", WEBHOOK_PASSWORD="") as (_, address):
        assert deliver(address, "refused").status_code == 401
        assert deliver(address, "taken", auth=("ann", "right")).status_code == 200

    assert stored(database) == {"taken"}


def test_a_privacy_rule_that_fits_nothing_stops_it_before_it_listens(receiver: Program) -> None:
    refused = receiver.run("receive", code=2, SYNC_PRIVACY__LEAVE_OUT="notes.contents")

    assert "notes.contents" in refused.stderr


def test_a_database_that_is_down_at_the_start_is_told(make_program: MakeProgram) -> None:
    program = make_program("postgresql://user:hunter22@127.0.0.1:9/none", **CREDENTIALS)

    refused = program.run("receive", code=2)

    assert "DATABASE_URL" in refused.stderr
    assert "hunter22" not in refused.stderr


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_while_its_server_lets_nobody_in_events_are_to_come_again_until_it_does(
    receiver: Program, database: Database, postgresql_template: Callable[[str], None]
) -> None:
    name = database.url.database
    with running(receiver) as (_, address):
        assert deliver(address, "before").status_code == 200

        postgresql_template(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgresql_template(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        refused = deliver(address, "meanwhile")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "3")
        assert requests.get(f"{address}/readyz", timeout=30).status_code == 503

        postgresql_template(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert deliver(address, "meanwhile").json() == {"status": "stored"}
        assert requests.get(f"{address}/readyz", timeout=30).status_code == 200

    assert stored(database) == {"before", "meanwhile"}


def test_what_is_seen_of_it_holds_no_secret(receiver: Program) -> None:
    with running(receiver, SYNC_LOGS__LEVEL="debug") as (process, address):
        deliver(address, "event")
        deliver(address, "event", auth=(USER, "a secret guess"))
        process.terminate()
        out, err = process.communicate(timeout=5)

    assert PASSWORD not in out + err
    assert "secret guess" not in out + err
