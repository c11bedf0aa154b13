"""Whatever is delivered, by whoever has the password: it is answered, and never with a failure of ours."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.store.database import decode_json
from tests.web.conftest import Serve, Site, event, stored

_texts = st.text(st.characters(exclude_categories=()), max_size=20)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _texts
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3), max_leaves=6
)
_ENTITIES = ("deal", "organization", "person", "activity", "note", "user", "stage", "lead")


@st.composite
def _nearly_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event with a few of its parts replaced by anything."""
    shown = st.dictionaries(st.sampled_from(["custom_fields", "label", "busy_flag", "name"]), _values)
    body = event(draw(st.sampled_from(_ENTITIES)), data=draw(shown), previous=draw(shown))
    body["meta"] |= draw(st.dictionaries(st.sampled_from(sorted(body["meta"])), _values, max_size=2))
    return body | draw(st.dictionaries(st.sampled_from(["meta", "data", "previous", "more"]), _values, max_size=1))


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


_bodies = st.binary(max_size=200) | _values.map(_encoded) | _nearly_events().map(_encoded)
_many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def check(site: Site, body: bytes) -> None:
    """That a body is answered without blaming ourselves, and what is stored of it can be read."""
    before = len(stored(site.database))

    answer = site.post(body)

    assert answer.status_code in (200, 400, 404), answer.text
    assert answer.json().keys() == ({"status"} if answer.ok else {"error"})
    now = stored(site.database)
    assert len(now) - before == (answer.json().get("status") == "stored")
    assert all(isinstance(decode_json(row["payload"]), dict) for row in now)


def test_any_body_is_answered_and_never_with_a_failure_of_ours(serve: Serve) -> None:
    site = serve()
    _many(given(body=_bodies)(lambda body: check(site, body)))()


def test_nor_is_it_where_privacy_has_something_to_take_out(serve: Serve) -> None:
    left_out = (
        "organizations.label_ids,activities.busy,persons.name,notes.content,organizations.Tax,users.name,deals.title"
    )
    site = serve(SYNC_PRIVACY__LEAVE_OUT=left_out)
    _many(given(body=_bodies)(lambda body: check(site, body)))()


def test_nesting_that_no_encoder_follows_is_refused_and_not_failed_at(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="deals.title")
    for depth in (200, 300, 900, 990, 1000, 1010, 1018):
        deep = "[" * depth + "]" * depth
        body = json.dumps(event(data={"deep": "DEEP"})).replace('"DEEP"', deep)

        assert site.post(body.encode()).status_code in (200, 400), depth
