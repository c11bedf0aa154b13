import threading
from datetime import UTC
from email.utils import parsedate_to_datetime

import pytest
import requests

from sync.clock import ManualClock, SystemClock
from sync.sandbox import Sandbox
from sync.sandbox.messages import Delivery, Request
from tests.sandbox.conftest import START, Client


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 415, 422, 429, 500, 501, 502, 503, 504])
def test_the_next_matching_requests_fail_with_a_status_in_pipedrives_words(
    sandbox: Sandbox, client: Client, status: int
) -> None:
    sandbox.faults.fail(status=status, times=2, path="/api/v2/deals*", method="GET")
    assert client.get("/api/v2/organizations").status_code == 200
    answers = [client.get("/api/v2/deals"), client.get("/api/v2/deals/1"), client.get("/api/v2/deals")]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["success"] is False
    assert answers[0].json()["error"]


def test_a_failed_write_takes_no_effect(sandbox: Sandbox, client: Client) -> None:
    before = sandbox.company.get("organizations", 1)
    sandbox.faults.fail(status=500, headers={"retry-after": "7"})
    answer = client.call("PATCH", "/api/v2/organizations/1", json={"name": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (500, "7")
    assert sandbox.company.get("organizations", 1) == before
    assert [write.effective for write in sandbox.writes] == [False]


def test_a_write_can_take_effect_and_still_be_answered_with_an_error(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.fail_after(status=504)
    assert client.call("PATCH", "/api/v2/organizations/1", json={"name": "x"}).status_code == 504
    assert sandbox.company.get("organizations", 1)["name"] == "x"
    assert [write.effective for write in sandbox.writes] == [True]


def test_skip_lets_the_first_matching_requests_pass_and_faults_queue_up(sandbox: Sandbox, client: Client) -> None:
    later = sandbox.faults.fail(status=503, skip=2)
    sandbox.faults.fail(status=500, times=2)
    statuses = [client.get("/api/v2/stages").status_code for _ in range(4)]
    assert (statuses, later.struck) == ([500, 500, 503, 200], 1)


def test_a_reset_before_the_write_leaves_everything_as_it_was(sandbox: Sandbox, client: Client) -> None:
    before = sandbox.company.get("organizations", 1)
    sandbox.faults.reset_before(method="PATCH")
    with pytest.raises(requests.ConnectionError):
        client.call("PATCH", "/api/v2/organizations/1", json={"name": "x"})
    assert sandbox.company.get("organizations", 1) == before
    assert [(write.delivery, write.effective) for write in sandbox.writes] == [(Delivery.RESET, False)]
    assert client.get("/api/v2/organizations/1").status_code == 200


def test_a_reset_after_the_write_loses_only_the_answer(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.reset_after(method="PATCH")
    with pytest.raises(requests.ConnectionError):
        client.call("PATCH", "/api/v2/organizations/1", json={"name": "x"})
    assert sandbox.company.get("organizations", 1)["name"] == "x"
    assert [(write.delivery, write.effective) for write in sandbox.writes] == [(Delivery.RESET, True)]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_truncated_answer_breaks_off_in_the_middle(sandbox: Sandbox, client: Client, encoding: str) -> None:
    sandbox.faults.truncate()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.call("GET", "/api/v2/organizations", headers={"accept-encoding": encoding})
    assert client.get("/api/v2/organizations").status_code == 200


def test_a_200_can_be_no_json_and_a_403_html(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.not_json()
    sandbox.faults.html_403()
    sandbox.faults.answer({"success": True})
    first, second, third = (client.session.get(f"{sandbox.url}/api/v2/deals", timeout=20) for _ in range(3))
    assert (first.status_code, first.content[:6]) == (200, b"<html>")
    assert (second.status_code, second.headers["content-type"]) == (403, "text/html; charset=UTF-8")
    assert third.json() == {"success": True}


def test_a_slow_answer_waits_on_the_sandboxs_clock_and_shows_what_was_true_before(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    sandbox.faults.latency = 0.5
    sandbox.faults.delay(30)
    client.get("/api/v2/deals")
    assert clock.monotonic() == 30.5


def test_a_real_client_times_out_on_a_slow_answer() -> None:
    clock = SystemClock()
    with Sandbox(clock=clock, organizations=1) as sandbox:
        sandbox.faults.delay(600)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{sandbox.url}/api/v2/deals", headers={"x-api-token": sandbox.token}, timeout=0.05)
        clock.stop()


def test_an_edit_can_get_in_before_a_request_or_between_it_and_its_answer(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.before(lambda: sandbox.company.update("organizations", 1, {"name": "before"}))
    sandbox.faults.after(lambda: sandbox.company.update("organizations", 1, {"name": "after"}))
    assert client.data("/api/v2/organizations/1")["name"] == "before"
    assert sandbox.company.get("organizations", 1)["name"] == "after"


def test_late_lists_show_changes_only_after_a_while_but_single_records_at_once(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    before = client.pages("/api/v2/organizations")
    sandbox.faults.late_lists(10)
    clock.advance(5)
    sandbox.company.update("organizations", 1, {"name": "zuerst"})
    new = sandbox.company.create("organizations", {"name": "neu"})["id"]
    sandbox.company.delete("organizations", 2)
    assert client.pages("/api/v2/organizations") == before
    assert client.data("/api/v2/organizations/1")["name"] == "zuerst"
    clock.advance(6)
    sandbox.company.update("organizations", 1, {"name": "danach"})
    assert client.ids("/api/v2/organizations", updated_since="2026-11-02T09:30:05Z") == []
    clock.advance(4)
    recent = client.pages("/api/v2/organizations", updated_since="2026-11-02T09:30:05Z", sort_by="update_time")
    assert [record["id"] for record in recent] == [new]
    clock.advance(6)
    assert client.pages("/api/v2/organizations", ids="1,2")[0]["name"] == "danach"
    assert client.ids("/api/v2/organizations") == [1, *range(3, 13), new]


def test_a_skewed_clock_shows_in_the_date_header_and_in_update_times(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.clock_skew(-90)
    answer = client.call("PATCH", "/api/v2/organizations/1", json={"name": "x"})
    assert (START - parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)).total_seconds() == 90
    assert answer.json()["data"]["update_time"] == "2026-11-02T09:28:30Z"


def test_clear_undoes_every_fault(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.fail(status=500, times=99)
    sandbox.faults.partial_visibility(0)
    sandbox.faults.late_lists(60)
    sandbox.faults.clock_skew(60)
    sandbox.faults.clear()
    sandbox.company.create("organizations", {"name": "x"})
    assert len(client.ids("/api/v2/organizations")) == 13


def test_parallel_clients_lose_no_write(sandbox: Sandbox) -> None:
    def work(person_id: int) -> None:
        own = Client(sandbox, sandbox.token)
        with own.session:
            for number in range(10):
                own.send("PATCH", f"/api/v2/persons/{person_id}", {"job_title": str(number)})
                own.send("POST", "/api/v2/persons", {"name": "x"})

    before = sandbox.company.count("persons")
    threads = [threading.Thread(target=work, args=(person_id,)) for person_id in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.company.count("persons") == before + 40
    assert {sandbox.company.get("persons", person_id)["job_title"] for person_id in range(1, 5)} == {"9"}


def test_the_api_answers_without_a_socket_too(sandbox: Sandbox) -> None:
    request = Request("GET", "/api/v2/organizations/1", headers={"x-api-token": sandbox.token})
    assert sandbox.api.handle(request).json()["data"] == sandbox.company.get("organizations", 1)
