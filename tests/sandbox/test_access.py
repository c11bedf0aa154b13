from typing import Any

import pytest
import requests

from sync.clock import ManualClock
from sync.sandbox import Sandbox
from tests.sandbox.conftest import Client


def refresh(sandbox: Sandbox, **changes: str) -> requests.Response:
    app = sandbox.access.oauth
    form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token} | changes
    credentials = (app.client_id, app.client_secret)
    return requests.post(f"{sandbox.url}/oauth/token", data=form, auth=credentials, timeout=20)


@pytest.mark.parametrize("headers", [{"x-api-token": "wrong"}, {"x-api-token": ""}, {"authorization": "Bearer wrong"}])
def test_a_wrong_or_missing_token_is_a_401(client: Client, headers: dict[str, str]) -> None:
    client.session.headers.pop("x-api-token")
    answer = client.call("GET", "/api/v2/users/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json().items() >= {"success": False, "error": "unauthorized access", "errorCode": 401}.items()


def test_a_token_in_the_address_is_no_token(client: Client, sandbox: Sandbox) -> None:
    client.session.headers.pop("x-api-token")
    assert client.get("/api/v2/deals", api_token=sandbox.token).status_code == 401


def test_a_revoked_token_is_wrong(sandbox: Sandbox, client: Client) -> None:
    sandbox.access.revoke(sandbox.token)
    assert client.get("/api/v2/deals").status_code == 401


@pytest.mark.parametrize("prefix", ["/api/v2", "/api/v1", "/v1"])
def test_users_me_tells_the_user_and_the_company(sandbox: Sandbox, client: Client, prefix: str) -> None:
    me = client.data(f"{prefix}/users/me")
    assert (me["id"], me["company_id"], me["default_currency"]) == (1, sandbox.company.id, "EUR")
    assert (me["company_name"], me["company_domain"]) == (sandbox.company.name, sandbox.company.domain)
    assert me["timezone_name"] == "Europe/Berlin"


def test_a_user_who_is_not_there_is_a_404(client: Client) -> None:
    assert client.data("/v1/users/2")["is_you"] is False
    assert client.get("/v1/users/99").json() == {"success": False, "error": "User not found or not accessible."}


def test_a_user_without_global_visibility_silently_gets_a_partial_list(sandbox: Sandbox, client: Client) -> None:
    hidden = sandbox.company.create("organizations", {"name": "x", "owner_id": 3, "visible_to": 1})["id"]
    deal = sandbox.company.create("deals", {"title": "x", "owner_id": 3, "org_id": hidden, "visible_to": 1})["id"]
    note = sandbox.company.create("notes", {"content": "x", "user_id": 3, "org_id": hidden})["id"]
    other = Client(sandbox, sandbox.access.token_for(2))
    with other.session:
        assert hidden not in other.ids("/api/v2/organizations")
        assert deal not in other.ids("/api/v2/deals")
        assert other.ids("/api/v2/organizations", ids=str(hidden)) == []
        assert other.get(f"/api/v2/organizations/{hidden}").status_code == 404
        assert note not in [shown["id"] for shown in other.data("/v1/notes", limit=500)]
    assert hidden in client.ids("/api/v2/organizations")


def test_a_token_can_lose_half_of_what_it_sees_and_get_it_back(sandbox: Sandbox, client: Client) -> None:
    for number in range(100):
        organization = sandbox.company.create("organizations", {"name": str(number)})
        sandbox.company.create("deals", {"title": "x", "org_id": organization["id"]})
    before = client.ids("/api/v2/organizations")
    sandbox.faults.partial_visibility(0.5)
    seen = client.ids("/api/v2/organizations")
    assert 0.3 < len(seen) / len(before) < 0.7
    assert {deal["org_id"] for deal in client.pages("/api/v2/deals", limit=500) if deal["org_id"]} <= set(seen)
    sandbox.faults.partial_visibility(1)
    assert client.ids("/api/v2/organizations") == before


def test_a_refresh_gives_an_access_token_of_sixty_minutes_and_the_address_to_call(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    granted = refresh(sandbox).json()
    assert granted["api_domain"] == sandbox.url
    assert granted["token_type"] == "Bearer"
    assert len(granted["access_token"]) > 768
    client.session.headers.pop("x-api-token")
    client.session.headers["authorization"] = f"Bearer {granted['access_token']}"
    assert client.get("/api/v2/users/me").status_code == 200
    clock.advance(3600)
    assert client.get("/api/v2/users/me").status_code == 401
    assert refresh(sandbox).json()["access_token"] != granted["access_token"]


def test_an_oauth_caller_gets_no_count_of_daily_requests(sandbox: Sandbox, client: Client) -> None:
    client.session.headers.pop("x-api-token")
    client.session.headers["authorization"] = f"Bearer {refresh(sandbox).json()['access_token']}"
    assert "x-daily-requests-left" not in client.get("/api/v2/users/me").headers


def test_a_refresh_token_lives_sixty_days_from_its_last_use(sandbox: Sandbox, clock: ManualClock) -> None:
    assert refresh(sandbox).status_code == 200
    clock.advance(59 * 86_400)
    assert refresh(sandbox).status_code == 200
    clock.advance(59 * 86_400)
    assert refresh(sandbox).status_code == 200
    clock.advance(60 * 86_400)
    assert refresh(sandbox).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"refresh_token": "wrong"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "wrong", "redirect_uri": "x"}, 400, "invalid_grant"),
    ],
)
def test_a_grant_that_is_not_valid_is_refused(sandbox: Sandbox, changes: Any, status: int, error: str) -> None:
    answer = refresh(sandbox, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_client_with_the_wrong_secret_is_refused(sandbox: Sandbox) -> None:
    sandbox.access.oauth.client_secret = "changed"
    answer = requests.post(f"{sandbox.url}/oauth/token", auth=("sandbox-client", "sandbox-secret"), timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_authorization_code_works_once_within_five_minutes(sandbox: Sandbox, clock: ManualClock) -> None:
    def exchange(code: str) -> int:
        return refresh(sandbox, grant_type="authorization_code", code=code, redirect_uri="http://x").status_code

    code, late = sandbox.access.authorize(), sandbox.access.authorize()
    assert [exchange(code), exchange(code)] == [200, 400]
    clock.advance(300)
    assert exchange(late) == 400
