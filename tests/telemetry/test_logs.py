"""What the log shows and what it hides, read from what a configured logger really writes."""

import base64
import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from sync.telemetry.logs import LEVELS, configure_logging, redact
from sync.telemetry.redaction import MASK, Redactor

TOKEN = "8f0d3b6a1c9e4f27a5b8c0d1e2f30415a6b7c8d9"
PASSWORD = "p&ss/wörd \"quoted\" 'n' @home"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = root.level, alembic.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers.clear()
    root.setLevel(before[0])
    alembic.setLevel(before[1])


def configured(
    level: str = "info", *, json: bool | None = True, secrets: tuple[str, ...] = (), stream: io.StringIO | None = None
) -> io.StringIO:
    stream = stream or io.StringIO()
    # pytest puts its own there anew in every phase of a test; they would raise on a record that can't be formatted.
    logging.getLogger().handlers.clear()
    configure_logging(level=level, json=json, secrets=secrets, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_begins_with_the_time_in_utc_the_level_and_the_event() -> None:
    stream = configured()
    structlog.get_logger().info("page_stored", rows=500, cursor=None, share=0.5)
    (line,) = lines(stream)
    assert list(line) == ["time", "level", "event", "rows", "cursor", "share"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {"level": "info", "event": "page_stored", "rows": 500, "cursor": None, "share": 0.5}


def test_company_entity_and_run_bound_to_the_context_are_on_every_line() -> None:
    stream = configured()
    with structlog.contextvars.bound_contextvars(company=7, entity="deals", run="r1"):
        structlog.get_logger().info("poll_started")
        logging.getLogger("somewhere.else").warning("hm")
    structlog.get_logger().info("idle")
    bound = {"company": 7, "entity": "deals", "run": "r1"}
    first, second, third = lines(stream)
    assert bound.items() <= first.items()
    assert bound.items() <= second.items()
    assert not bound.keys() & third.keys()


def test_a_stream_that_is_no_terminal_gets_json_by_default() -> None:
    stream = configured(json=None)
    structlog.get_logger().info("poll_finished")
    assert lines(stream)[0]["event"] == "poll_finished"


def test_a_terminal_gets_text_by_default() -> None:
    stream = configured(json=None, stream=Terminal())
    structlog.get_logger().info("poll_finished", entity="deals")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert re.fullmatch(r"\S+Z \[info +\] poll_finished +entity=deals\n", plain)


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_below_the_level_is_written(level: str) -> None:
    stream = configured(level)
    for name in LEVELS:
        getattr(structlog.get_logger(), name)("said", at=name)
        getattr(logging.getLogger("library"), name)("said")
    expected = [name for name in LEVELS[LEVELS.index(level) :] for _ in range(2)]
    assert [line["level"] for line in lines(stream)] == expected


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'loud'.*debug, info, warning, error"):
        configured("loud")


def test_a_library_s_line_passes_the_same_renderer_under_one_event_name() -> None:
    stream = configured(secrets=(TOKEN,))
    logging.getLogger("urllib3.connectionpool").warning("Retrying after %s: /v1/users?api_token=%s", "a reset", TOKEN)
    (line,) = lines(stream)
    del line["time"]
    assert line == {
        "level": "warning",
        "event": "library_message",
        "logger": "urllib3.connectionpool",
        "message": f"Retrying after a reset: /v1/users?api_token={MASK}",
    }


def test_alembic_s_chatter_shows_at_debug_level_only() -> None:
    for level, count in (("info", 0), ("debug", 1)):
        stream = configured(level)
        logging.getLogger("alembic.runtime.migration").info("Context impl SQLiteImpl.")
        assert len(lines(stream)) == count


def test_configuring_again_replaces_stream_level_and_secrets() -> None:
    log = structlog.get_logger()
    first = configured("info", secrets=("first-secret",))
    log.info("one")
    second = configured("warning", secrets=("second-secret",))
    log.info("two")
    log.warning("three", seen="first-secret second-secret")
    logging.getLogger("library").warning("four")
    assert [line["event"] for line in lines(first)] == ["one"]
    assert [line["event"] for line in lines(second)] == ["three", "library_message"]
    assert lines(second)[0]["seen"] == f"first-secret {MASK}"


def test_without_a_stream_lines_go_to_standard_error_as_it_is_at_that_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level="info", json=True, secrets=())
    replaced = io.StringIO()
    monkeypatch.setattr("sys.stderr", replaced)
    structlog.get_logger().info("said")
    assert lines(replaced)[0]["event"] == "said"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def log_an_exception(*, library: bool) -> None:
    try:
        try:
            raise ConnectionResetError(f"peer of {TOKEN}")
        except ConnectionResetError as reset:
            raise OSError(f"GET /v1/users?api_token={TOKEN} failed") from reset
    except OSError:
        log: Any = logging.getLogger("library") if library else structlog.get_logger()
        log.exception("call_failed")


@pytest.mark.parametrize("library", [False, True])
def test_above_debug_an_exception_is_one_line_without_traceback(library: bool) -> None:
    stream = configured(secrets=(TOKEN,))
    log_an_exception(library=library)
    (line,) = lines(stream)
    assert line["error"] == f"OSError: GET /v1/users?api_token={MASK} failed"
    assert "Traceback" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("library", [False, True])
def test_at_debug_level_the_whole_traceback_is_shown_without_its_secrets(library: bool, as_json: bool) -> None:
    stream = configured("debug", json=as_json, secrets=(TOKEN,))
    log_an_exception(library=library)
    shown = stream.getvalue()
    assert "Traceback (most recent call last)" in shown
    assert "The above exception was the direct cause" in shown
    assert TOKEN not in shown


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "shape",
    [
        PASSWORD,
        f"xx{PASSWORD}yy",
        quote(PASSWORD),
        quote(PASSWORD, safe="").replace("%2F", "%2f"),
        quote_plus(PASSWORD),
        repr(PASSWORD),
        json.dumps({"note": PASSWORD}),
        basic("a", PASSWORD),
        basic("ab", PASSWORD),
        basic("abc", PASSWORD),
        base64.urlsafe_b64encode(f"hook:{PASSWORD}".encode()).decode(),
    ],
)
def test_a_known_secret_is_hidden_in_every_shape_and_place(shape: str, as_json: bool) -> None:
    stream = configured(json=as_json, secrets=(PASSWORD,))
    log = structlog.get_logger()
    log.info("event_" + shape)
    log.info("said", text=f"<{shape}>", data=shape.encode(), error=ValueError(shape), deep=[{"a": ({shape}, 1)}])
    log.info("said", **{f"key {shape}": 1})
    log.info("said %s", shape)
    log.info("said", nested={shape: {shape: [shape]}})
    assert shape not in stream.getvalue()
    assert json.dumps(shape)[1:-1] not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 9


@given(
    secret=st.text(min_size=4, max_size=60).filter(lambda secret: secret.strip() and "*" not in secret),
    user=st.text(max_size=20),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
@example(secret="abcd", user="", before="", after="")
def test_no_secret_of_four_letters_or_more_survives_in_any_shape(
    secret: str, user: str, before: str, after: str
) -> None:
    redactor = Redactor([secret])
    for shape in (secret, quote(secret, safe=""), quote_plus(secret), basic(user, secret), repr(secret)[1:-1]):
        assert shape not in redactor.text(f"{before} {shape} {after}")


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "Authorization",
        "Proxy-Authorization",
        "x-api-token",
        "X-API-Token",
        "api_token",
        "pipedrive_api_token",
        "PIPEDRIVE_API_TOKEN",
        "password",
        "webhook_password",
        "refresh_token",
        "access_token",
        "client_secret",
        "clientSecret",
        "accessToken",
        "Set-Cookie",
        b"x-api-token",
    ],
)
def test_what_stands_under_a_key_that_names_a_secret_is_hidden_whole(key: str | bytes) -> None:
    stream = configured()
    structlog.get_logger().info("said", request={"headers": {key: "nobody-knows-this", "accept": "json"}})
    structlog.get_logger().info("said", text=repr({key: "nobody-knows-this"}))
    if isinstance(key, str):
        structlog.get_logger().info("said", text=json.dumps({key: 'nobody-"knows-this'}))
        structlog.get_logger().info("said", **{key: ["nobody-knows-this", 12345]})
    assert "nobody" not in stream.getvalue()
    assert "12345" not in stream.getvalue()
    assert "json" in stream.getvalue()


def test_whether_a_secret_is_set_at_all_stays_visible() -> None:
    stream = configured()
    structlog.get_logger().info("checked", api_token=None, webhook_password=True, tokens_left=30000, tokens=5)
    (line,) = lines(stream)
    assert (line["api_token"], line["webhook_password"], line["tokens_left"], line["tokens"]) == (None, True, 30000, 5)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql+psycopg://sync:hunter2@db.example/crm", f"postgresql+psycopg://sync:{MASK}@db.example/crm"),
        ("postgresql://sync:p@ss@db/crm, later", f"postgresql://sync:{MASK}@db/crm, later"),
        ("postgresql://sync:p/ss@db/crm", f"postgresql://sync:{MASK}@db/crm"),
        ("postgresql://db/crm?user=a&password=hunter2&x=1", f"postgresql://db/crm?user=a&password={MASK}&x=1"),
        ("GET /v1/users?api_token=abc123&limit=5", f"GET /v1/users?api_token={MASK}&limit=5"),
        ("Authorization: Basic aG9vazpodW50ZXIy", f"Authorization: {MASK}"),
        ("sent Bearer v1u:AQIBAHj_x0 to", f"sent Bearer {MASK} to"),
        ("x-api-token: abc\r\naccept: json", f"x-api-token: {MASK}\r\naccept: json"),
        ("{'x-api-token': 'abc', 'a': 1}", f"{{'x-api-token': '{MASK}', 'a': 1}}"),
        ('{"refresh_token": "cut sho', f'{{"refresh_token": "{MASK}'),
        ("PIPEDRIVE_API_TOKEN=abc pipedrive-sync run", f"PIPEDRIVE_API_TOKEN={MASK} pipedrive-sync run"),
    ],
)
def test_redact_hides_what_looks_like_a_secret_even_when_it_is_not_known(text: str, hidden: str) -> None:
    assert redact(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "PIPEDRIVE_API_TOKEN is not set: put the token of a user with global visibility there.",
        "WEBHOOK_PASSWORD: at least 12 characters.",
        "Pipedrive accepts basic authentication for webhooks.",
        "https://acme.pipedrive.com:443/api/v2/deals?limit=500&cursor=eyJhIjoxfQ",
        "sqlite:////var/lib/pipedrive-sync/sync.db",
        "postgresql://sync@db.example/crm",
        "tokens=12 tokens_left=5 next_token_reset: 00:00",
    ],
)
def test_redact_leaves_plain_sentences_and_addresses_alone(text: str) -> None:
    assert redact(text) == text


def test_redact_knows_the_secrets_given_to_configure_logging() -> None:
    configured(secrets=(TOKEN, "", "  "))
    assert redact(f"Pipedrive refused {TOKEN}.") == f"Pipedrive refused {MASK}."


def test_a_very_short_secret_is_hidden_as_a_word_only() -> None:
    assert Redactor(["ab"]).text("user:ab@ about ab, abba") == f"user:{MASK}@ about {MASK}, abba"


def test_the_longer_of_two_secrets_that_begin_alike_is_hidden_whole() -> None:
    assert Redactor(["hunter", "hunter2-long"]).text("hunter2-long hunter") == f"{MASK} {MASK}"


def test_values_json_has_no_type_for_are_written_as_text() -> None:
    stream = configured()
    cyclic: list[object] = []
    cyclic.append(cyclic)
    structlog.get_logger().info(
        "odd", nan=float("nan"), huge=2**80, half="\ud800", kind=int, cycle=cyclic, keys={1: {2}}
    )
    (line,) = lines(stream)
    assert line["nan"] == "nan"
    assert line["huge"] == 2**80
    assert line["half"] == "\ud800"
    assert line["kind"] == "<class 'int'>"
    assert line["keys"] == {"1": [2]}


def test_a_line_that_cannot_be_formatted_is_reported_without_its_content_and_stops_nobody() -> None:
    stream = configured(secrets=(TOKEN,))
    logging.getLogger("library").warning("%d calls", TOKEN)
    structlog.get_logger().info("went_on")
    lost, after = lines(stream)
    assert (lost["event"], lost["logger"]) == ("log_line_lost", "library")
    assert after["event"] == "went_on"
    assert TOKEN not in stream.getvalue()


def test_a_stream_that_is_gone_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured(secrets=(TOKEN,))
    stream.close()
    structlog.get_logger().info("said", text=TOKEN)
    assert capsys.readouterr().err == ""


def test_threads_write_whole_lines() -> None:
    stream = configured()

    def talk(number: int) -> None:
        for _ in range(50):
            structlog.get_logger().info("said", by=number, text="x" * 200)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 200
