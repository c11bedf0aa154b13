"""Health: alive whatever happens, ready only when every check says so, and an answer in any case."""

import threading

import pytest
from sqlalchemy import text

from sync.errors import SyncError
from sync.web import health
from tests.web.conftest import Serve, Site, Unsteady


def fails_as_agreed() -> tuple[bool, str]:
    raise SyncError("The disk is full.", "Make room.")


def fails_unforeseen() -> tuple[bool, str]:
    raise KeyError("a detail that is nobody's business")


def test_it_is_alive_even_while_the_database_is_down(site: Site) -> None:
    site.database.down = True

    answer = site.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_it_is_ready_when_every_check_says_so(serve: Serve) -> None:
    answer = serve(checks={"mirror": lambda: (True, "in step")}).get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["checks"]["mirror"] == {"ok": True, "message": "in step"}
    assert answer.json()["checks"]["database"]["ok"] is True


def test_one_check_that_fails_makes_it_not_ready(serve: Serve) -> None:
    answer = serve(checks={"mirror": lambda: (False, "nothing is copied yet")}).get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["checks"]["mirror"] == {"ok": False, "message": "nothing is copied yet"}
    assert answer.json()["checks"]["database"]["ok"] is True


def test_checks_that_raise_have_failed_in_plain_words(serve: Serve) -> None:
    answer = serve(checks={"agreed": fails_as_agreed, "unforeseen": fails_unforeseen}).get("/readyz")

    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks["agreed"] == {"ok": False, "message": "The disk is full. Make room."}
    assert checks["unforeseen"] == {"ok": False, "message": "the check itself failed: KeyError"}


def test_a_check_that_does_not_answer_has_failed_and_is_not_asked_again_meanwhile(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    hangs, asked = threading.Event(), []

    def check() -> tuple[bool, str]:
        asked.append(threading.current_thread())
        hangs.wait(30)
        return True, "at last"

    site = serve(checks={"slow": check})
    answers = [site.get("/readyz") for _ in range(3)]

    assert [one.json()["checks"]["slow"]["message"] for one in answers] == ["no answer within 0.05 s"] * 3
    assert len(asked) == 1
    assert site.get("/healthz").status_code == 200
    hangs.set()
    asked[0].join(30)
    monkeypatch.setattr(health, "PATIENCE", 30)
    assert site.get("/readyz").json()["checks"]["slow"] == {"ok": True, "message": "at last"}


def test_without_its_database_it_is_not_ready_and_is_again_when_that_is_back(site: Site) -> None:
    site.database.down = True
    down = site.get("/readyz")
    site.database.down = False

    assert (down.status_code, down.json()["checks"]["database"]["ok"]) == (503, False)
    assert "can't be used" in down.json()["checks"]["database"]["message"]
    assert site.get("/readyz").status_code == 200


def test_on_the_schema_of_another_version_it_is_not_ready(site: Site, unsteady: Unsteady) -> None:
    with unsteady.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    answer = site.get("/readyz")

    assert answer.status_code == 503
    assert "at revision 0001" in answer.json()["checks"]["database"]["message"]
