"""What every answer has in common, and what is not served."""

import pytest

from sync.mirror.subscriptions import RECEIVER_PATH
from tests.web.conftest import Serve, Site, event


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 404), ("/docs", 404), ("/openapi.json", 404), (f"{RECEIVER_PATH}/", 404), (RECEIVER_PATH, 405)],
)
def test_what_is_not_served_is_refused_as_json(site: Site, path: str, status: int) -> None:
    answer = site.get(path, allow_redirects=False)

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert ("Allow" in answer.headers) == (status == 405)


def test_every_answer_forbids_guessing_its_type_and_keeping_it(site: Site) -> None:
    answers = [site.get(path) for path in ("/healthz", "/readyz", "/metrics", "/nowhere", RECEIVER_PATH)]
    answers += [site.post(event()), site.post(event(), auth=None)]

    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers


def test_a_failure_of_ours_is_told_without_its_details(serve: Serve) -> None:
    site = serve()
    site.app.add_route("/fails", lambda request: 1 / 0)

    answer = site.get("/fails")

    assert (answer.status_code, answer.json()) == (500, {"error": "Internal error: the log of the service tells more."})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [RECEIVER_PATH, f"/pipedrive{RECEIVER_PATH}"])
def test_deliveries_go_past_the_door_to_the_pages_under_any_name(serve: Serve, path: str) -> None:
    site = serve(WEBHOOK_PUBLIC_URL="https://www.example.com/pipedrive", pages=True)

    assert site.post(event(), path=path, headers={"Host": "www.example.com"}).status_code == 200
    assert site.post(event(), path=path, auth=None).status_code == 401
    assert site.get("/healthz", headers={"Host": "www.example.com"}).status_code == 200
    assert site.get("/accounts", headers={"Host": "www.example.com"}).status_code == 421
