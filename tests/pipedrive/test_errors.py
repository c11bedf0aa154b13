"""The table of failures: what each answer becomes, how often it is tried, how long is waited, what a person reads."""

from collections.abc import Callable

import pytest

from sync.pipedrive import errors
from sync.pipedrive.client import Client
from sync.pipedrive.errors import PipedriveError
from tests.pipedrive.scripted import RecordingClock, Reply, ScriptedServer, ok, page, refusal

# status, class, exit code, seconds waited before a second try (None: there is none)
ROWS = [
    (400, errors.BadRequest, 1, None),
    (401, errors.Unauthorized, 2, None),
    (402, errors.PaymentRequired, 2, None),
    (403, errors.Forbidden, 2, None),
    (404, errors.NotFound, 1, None),
    (405, errors.MethodNotAllowed, 1, None),
    (410, errors.Gone, 1, None),
    (415, errors.FeatureUnavailable, 2, None),
    (418, errors.BadRequest, 1, None),
    (422, errors.Unprocessable, 1, None),
    (429, errors.RateLimited, 1, (0.5, 1.0)),
    (500, errors.ServerError, 1, (0.5, 0.75)),
    (501, errors.ServerError, 1, None),
    (502, errors.ServerError, 1, (0.5, 0.75)),
    (503, errors.ServerError, 1, (0.5, 0.75)),
    (504, errors.ServerError, 1, (0.5, 0.75)),
    (520, errors.ServerError, 1, (0.5, 0.75)),
]


def call(client: Client) -> PipedriveError | None:
    try:
        client.get("/api/v2/deals/7", cost=1, purpose="poll")
    except PipedriveError as error:
        return error
    return None


@pytest.mark.parametrize(("status", "kind", "exit_code", "waited"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_each_status_has_its_class_its_attempts_and_its_wait(
    make_client: Callable[..., Client],
    server: ScriptedServer,
    clock: RecordingClock,
    status: int,
    kind: type[PipedriveError],
    exit_code: int,
    waited: tuple[float, float] | None,
) -> None:
    server.script = [refusal(status, "their own words")]
    error = call(make_client(retry_for=2.0 if waited else 120.0))
    assert type(error) is kind
    assert error.status == status
    assert error.exit_code == exit_code
    assert error.words == "their own words"
    assert (error.endpoint, error.entity, error.record_id) == ("GET /api/v2/deals/7", "deals", 7)
    assert error.remedy
    if waited is None:
        assert len(server.asked) == 1
        assert clock.slept == []
    else:
        assert len(server.asked) > 1
        assert waited[0] <= clock.slept[0] <= waited[1]


@pytest.mark.parametrize("status", sorted(errors.RULES))
def test_the_test_above_covers_every_row_of_the_table(status: int) -> None:
    row = next(row for row in ROWS if row[0] == status)
    rule = errors.RULES[status]
    assert (rule.error, rule.retried) == (row[1], row[3] is not None)


def test_a_403_as_a_web_page_is_a_block_and_is_not_tried_again(client: Client, server: ScriptedServer) -> None:
    server.script = [page(403)]
    error = call(client)
    assert type(error) is errors.Blocked
    assert error.exit_code == 1
    assert error.words == "Attention Required! | Cloudflare"
    assert len(server.asked) == 1


def test_a_404_as_a_web_page_means_a_wrong_domain(client: Client, server: ScriptedServer) -> None:
    server.script = [page(404, "Not here")]
    error = call(client)
    assert type(error) is errors.WrongDomain
    assert error.exit_code == 2
    assert "PIPEDRIVE_COMPANY_DOMAIN" in error.remedy


def test_a_redirect_is_not_followed_and_names_the_address_it_leads_to(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(302, b"", {"Location": "https://other.example/login?secret=1"})]
    error = call(client)
    assert type(error) is errors.WrongDomain
    assert "https://other.example" in error.message
    assert "secret" not in str(error)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}), "not JSON"),
        (Reply(200, b'{"success": tr'), "not JSON"),
        (Reply(200, b"[" * 100_000), "not JSON"),
        (Reply(200, b""), "not JSON"),
        (Reply(200, ["a", "list"]), "no envelope"),
        (Reply(200, {"data": []}), "no envelope"),
        (Reply(200, {"success": True}), "no data"),
        (Reply(200, {"success": True, "data": list(range(1000))}, cut="short"), "broke off"),
        (Reply(200, b"no gzip at all", {"Content-Encoding": "gzip"}), "broke off"),
    ],
)
def test_an_unreadable_answer_to_a_read_is_asked_for_again(
    client: Client, server: ScriptedServer, reply: Reply, said: str
) -> None:
    server.script = [reply, ok([1])]
    assert client.get("/api/v2/deals", cost=10, purpose="poll").data == [1]
    server.script = [reply]
    error = call(client)
    assert type(error) is errors.MalformedAnswer
    assert said in error.words


def test_a_200_that_says_no_is_the_error_it_names(client: Client, server: ScriptedServer) -> None:
    server.script = [Reply(200, {"success": False, "error": "gone fishing", "errorCode": 410})]
    error = call(client)
    assert type(error) is errors.Gone
    assert error.words == "gone fishing"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"success": False, "error": "a", "error_info": "Please check developers.pipedrive.com", "code": "E"}, "a; E"),
        ({"success": False, "message": "m", "error": None}, "m"),
        ({"success": False, "error": {"name": ["is empty"]}}, '{"name": ["is empty"]}'),
        (["odd"], ""),
        (b"upstream  \x1b[31m timed out\n", "upstream [31m timed out"),
        (b"\xff\xfe", "��"),
        (b"", ""),
        (b"x" * 5000, "x" * 299 + "…"),
    ],
)
def test_their_own_words_are_one_printable_line(
    client: Client, server: ScriptedServer, body: object, words: str
) -> None:
    server.script = [Reply(400, body)]
    error = call(client)
    assert error is not None
    assert error.words == words


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("/api/v2/deals", ("deals", None)),
        ("/api/v2/deals/archived", ("deals", None)),
        ("/v1/organizations/12/merge", ("organizations", 12)),
        ("/", (None, None)),
    ],
)
def test_an_error_knows_the_entity_and_the_record_of_its_path(
    path: str, subject: tuple[str | None, int | None]
) -> None:
    assert errors.subject_of(path) == subject
