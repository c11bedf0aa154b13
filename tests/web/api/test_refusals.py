"""What the API does not take: bodies that are no JSON, too large or too deep, those who may not, a database gone."""

import json
from collections.abc import Iterator

import pytest

from sync.store.api_tokens import add_api_token
from sync.store.errors import DatabaseUnreachable
from sync.store.logins import Role
from sync.store.passwords import token_hash
from tests.web.api.conftest import API, Api, problem

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": ' + b"[" * 100_000,
        b"[" * 2000 + b"]" * 2000,
    ],
    ids=["empty", "half", "NaN", "half a character", "no UTF-8", "open", "deep"],
)
@ONLY_SQLITE
def test_a_body_that_is_not_json_is_refused(api: Api, body: bytes) -> None:
    answer = api.send("PATCH", f"/accounts/{api.desk.id}", data=body, headers={"If-Match": "*"})

    problem(answer, 422 if body == b"" else 400)


@pytest.mark.parametrize(
    "value",
    [10**300, 10**30, -1, 1.5e300, [[[[[[]]]]]], {"a": {"b": {}}}, "x" * 100_000, "\x00", True, [None]],
    ids=lambda value: str(value)[:12],
)
@ONLY_SQLITE
def test_no_value_of_any_field_breaks_anything(api: Api, value: object) -> None:
    for field in api.get("/fields").json()["data"]:
        answer = api.change(f"/accounts/{api.desk.id}", {field["code"]: value})
        assert answer.status_code in (200, 422), (field, answer.text)
        if answer.status_code == 422:
            assert [one["field"] for one in problem(answer, 422)["errors"]] == [field["code"]]
    assert api.get(f"/accounts/{api.desk.id}").status_code == 200


@ONLY_SQLITE
def test_a_large_body_is_not_read_to_its_end(api: Api) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"name": "'
        for _ in range(160):
            yield b"x" * 65536
        yield b'"}'

    for body in (json.dumps({"name": "x" * 10_000_000}).encode(), pieces()):
        answer = api.send("PATCH", f"/accounts/{api.desk.id}", data=body, headers={"If-Match": "*"})
        problem(answer, 413)


@ONLY_SQLITE
def test_a_form_is_no_json(api: Api) -> None:
    answer = api.send(
        "PATCH",
        f"/accounts/{api.desk.id}",
        data="name=x",
        headers={"If-Match": "*", "Content-Type": "text/plain", "Origin": api.site.url},
    )

    problem(answer, 422)


@ONLY_SQLITE
def test_another_website_changes_nothing(api: Api) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
    ):
        answer = api.send("POST", f"/accounts/{api.desk.id}/notes", json={"content": "x"}, headers=headers)
        problem(answer, 403)
    assert api.get("/errands").json()["data"] == []


@ONLY_SQLITE
def test_what_is_not_there_and_what_is_not_taken_is_told_as_a_problem(api: Api) -> None:
    problem(api.get("/nothing"), 404)
    problem(api.site.get("/api/v2/accounts"), 404)
    problem(api.site.get("/api/"), 404)
    answer = api.send("PUT", f"/accounts/{api.desk.id}", json={})
    problem(answer, 405)
    assert "Allow" in answer.headers


def test_viewers_may_look_and_editors_change_and_nobody_else_does_either(api: Api) -> None:
    path, change = f"/accounts/{api.desk.id}", {"name": "By token"}
    with api.site.database.writing() as connection:
        for name, role in (("report", Role.VIEWER), ("billing", Role.EDITOR)):
            add_api_token(connection, name, token_hash(f"token of {name}"), role, at=api.desk.clock.now())
    as_viewer, as_editor = (
        {"Authorization": f"Bearer token of {one}", "If-Match": "*"} for one in ("report", "billing")
    )

    assert api.get(path, headers=as_viewer).status_code == 200
    problem(api.send("PATCH", path, json=change, headers=as_viewer), 403)
    assert api.send("PATCH", path, json=change, headers=as_editor).status_code == 200
    assert api.all(f"{path}/history", 100)[0]["changed_by"] == "api (billing)"
    answer = api.get(path, headers={"Authorization": "Bearer nonsense"})
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@ONLY_SQLITE
def test_a_failure_of_ours_is_told_without_its_details(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    with monkeypatch.context() as patched:
        patched.setattr("sync.web.api.conflicts.load_conflicts", fail)
        document = problem(api.get("/conflicts", headers={"Connection": "close"}), 500)
    assert "secret" not in str(document)

    def unreachable(*_: object, **__: object) -> None:
        raise DatabaseUnreachable("The database can't be used: as agreed.", "Wait.")

    with monkeypatch.context() as patched:
        patched.setattr("sync.web.api.conflicts.load_conflicts", unreachable)
        assert problem(api.get("/conflicts"), 503)["remedy"] == "Wait."


@ONLY_SQLITE
def test_the_description_is_served_for_programs_and_for_people(api: Api) -> None:
    document = api.site.get("/api/openapi.json").json()
    page = api.site.get("/api/docs").text

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api"}]
    assert API.endswith("v1")
    for path, methods in document["paths"].items():
        assert f"<code>/api{path}</code>" in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page
    assert "cdn" not in page.lower()
