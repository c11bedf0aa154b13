"""Viewers look, editors change; programs are let in by tokens, which hold until they are revoked."""

import pytest
from sqlalchemy import select

from sync.store.api_tokens import add_api_token, load_api_tokens, remove_api_token
from sync.store.database import Database
from sync.store.errors import DatabaseUnreachable
from sync.store.logins import Role, save_role
from sync.store.passwords import new_token, token_hash
from sync.store.schema import api_tokens
from tests.web.access.conftest import Build, House
from tests.web.access.test_sessions import until


def token(house: House, name: str = "crm", role: Role = Role.VIEWER) -> str:
    made = new_token()
    with house.database.writing() as connection:
        add_api_token(connection, name, token_hash(made), role, at=house.clock.now())
    return made


def test_an_editor_changes(house: House) -> None:
    anna = house.signed_in("Anna", Role.EDITOR)
    assert anna.ask("POST", "/change").json() == "changed by Anna (page)"
    assert anna.ask("PATCH", "/api/v1/things").json() == "changed by Anna (page)"


def test_a_viewer_looks(house: House) -> None:
    ben = house.signed_in("Ben", Role.VIEWER)
    assert ben.ask("GET", "/who").json()["role"] == "viewer"
    for method, path in (("POST", "/change"), ("PATCH", "/api/v1/things"), ("DELETE", "/api/v1/things")):
        assert ben.ask(method, path).status_code == 403
    assert ben.ask("POST", "/form").status_code == 403


def test_a_route_that_forgets_to_ask_is_closed_to_viewers_too(house: House) -> None:
    assert house.signed_in("Ben", Role.VIEWER).ask("POST", "/forgotten").status_code == 403
    assert house.signed_in("Anna", Role.EDITOR).ask("POST", "/forgotten").status_code == 200


def test_a_viewer_keeps_what_is_his_own(house: House) -> None:
    assert house.signed_in("Ben", Role.VIEWER).ask("POST", "/own/columns").json() == "kept for Ben"


def test_another_role_holds_at_once(house: House) -> None:
    ben = house.signed_in("Ben", Role.VIEWER)
    with house.database.writing() as connection:
        save_role(connection, "Ben", Role.EDITOR)
    assert ben.ask("POST", "/change").status_code == 200
    with house.database.writing() as connection:
        save_role(connection, "Ben", Role.VIEWER)
    assert ben.ask("POST", "/change").status_code == 403


def test_a_program_is_let_in_by_its_token(house: House) -> None:
    house.add("Anna")
    found = house.program(token(house)).ask("GET", "/api/v1/who").json()
    assert found == {"name": "api (crm)", "role": "viewer", "login": "api:crm", "how": "token"}


def test_a_token_has_a_role(house: House) -> None:
    assert house.program(token(house, "reader", Role.VIEWER)).ask("POST", "/api/v1/things").status_code == 403
    writer = house.program(token(house, "writer", Role.EDITOR))
    assert writer.ask("POST", "/api/v1/things").json() == "changed by api (writer)"


def test_a_revoked_token_stops_at_once(house: House) -> None:
    crm, other = house.program(token(house)), house.program(token(house, "other"))
    assert crm.ask("GET", "/api/v1/who").status_code == 200
    with house.database.writing() as connection:
        assert remove_api_token(connection, "crm")
    assert crm.ask("GET", "/api/v1/who").status_code == 401
    assert other.ask("GET", "/api/v1/who").status_code == 200


@pytest.mark.parametrize("given", ["Bearer x", "Bearer ", "bearer", "Bearer \xfc"])
def test_a_wrong_token_lets_nobody_in_whoever_else_he_is(house: House, given: str) -> None:
    """Neither where nobody signs in, nor with a session."""
    assert house.program(Authorization=given).ask("GET", "/api/v1/who").status_code == 401
    anna = house.signed_in()
    assert anna.ask("GET", "/who", {"Authorization": given}).status_code == 401


def test_other_ways_to_sign_in_than_a_token_are_not_ours(house: House) -> None:
    """A proxy may want a password of its own."""
    anna = house.signed_in()
    assert anna.ask("GET", "/who", {"Authorization": "Basic eDp5"}).status_code == 200


def test_whoever_sends_a_token_is_known_by_it_alone(house: House) -> None:
    anna = house.signed_in("Anna", Role.EDITOR)
    answer = anna.ask("POST", "/change", {"Authorization": f"Bearer {token(house)}"})
    assert answer.status_code == 403


def test_it_is_noted_when_a_token_was_used(house: House) -> None:
    crm = house.program(token(house))

    def used_at() -> object:
        with house.database.reading() as connection:
            return load_api_tokens(connection)[0].used_at

    assert used_at() is None
    crm.ask("GET", "/api/v1/who")
    first = house.clock.now()
    until(lambda: used_at() == first)
    house.clock.advance(59)
    crm.ask("GET", "/api/v1/who")
    assert used_at() == first
    house.clock.advance(1)
    crm.ask("GET", "/api/v1/who")
    until(lambda: used_at() == house.clock.now())


def test_the_database_holds_only_the_hash_of_a_token(house: House) -> None:
    made = token(house)
    with house.database.reading() as connection:
        held = str(connection.execute(select(api_tokens)).all())
    assert made not in held
    assert token_hash(made) in held


def test_when_the_database_is_down_nobody_is_let_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = house.signed_in()

    def down(self: Database) -> object:
        raise DatabaseUnreachable("The database can't be used: as agreed.", "Wait.")

    monkeypatch.setattr(Database, "reading", down)
    answer = anna.ask("GET", "/who")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_what_machines_ask_for_needs_nobody(build: Build) -> None:
    house = build(SYNC_HOST="0.0.0.0")
    assert house.program().ask("POST", "/webhooks/pipedrive").json() == "taken"
    assert house.program(Origin="http://evil.example").ask("POST", "/webhooks/pipedrive").json() == "taken"
