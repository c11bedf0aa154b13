"""The board: every account in the column of its next activity, with what is asked for where it will be."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import update

from sync.accounts.lists.board import Card, Column
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.listing import Next
from sync.store.journal import Action, State, Write
from sync.store.schema import accounts
from sync.web.pages.board.pending import NOT_THERE, Expected, Wish, expected, expected_board, with_open_errands
from sync.writeback.sending import send_errands
from tests.web.pages.conftest import PageSite

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)  # a Monday
CALENDAR = Calendar(NOW, ZoneInfo("Europe/Berlin"))
CALL = Next(7, "call", "Ask", date(2026, 11, 1), "09:00")
LATER = Next(8, "call", "Ask again", date(2026, 11, 20), None)


def card(upcoming: Next | None = CALL, organization: int = 1, value: int | None = 100) -> Card:
    worth = None if value is None else Decimal(value)
    return Card(organization, f"Organization {organization}", 1, worth, "EUR", upcoming, None, [], "active")


def errand(action: Action = Action.CHANGE, **values: Any) -> Write:
    given: dict[str, Any] = {"organization_id": 1, "entity": "activities", "record_id": 7, "body": {}, "id": 1}
    return Write(**{**given, "action": action, "requested_at": NOW, "requested_by": "page", **values})


def moved(day: str, **values: Any) -> Write:
    return errand(**{"body": {"due_date": day}, **values})


def made(day: str, **values: Any) -> Write:
    body = {"subject": "New", "type": "task", "due_date": day}
    return errand(Action.CREATE, **{"record_id": None, "body": body, **values})


def column(bucket: Bucket, *cards: Card, count: int | None = None) -> Column:
    values = [one.won_value for one in cards if one.won_value is not None]
    without = len(cards) - len(values)
    return Column(bucket, len(cards) if count is None else count, sum(values, Decimal(0)), without, cards)


# --- what is asked for and not done yet ------------------------------------------------------------------------------


def test_a_card_without_errands_is_as_it_is() -> None:
    assert expected(card(), [], []) == Expected(card())


def test_a_moved_activity_is_due_where_it_is_moved_to_at_its_time() -> None:
    found = expected(card(), [moved("2026-11-03")], [CALL])
    assert found.wish is Wish.MOVED
    assert found.card.next_activity == Next(7, "call", "Ask", date(2026, 11, 3), "09:00")


def test_what_comes_up_after_one_is_moved_or_done_or_deleted_is_next() -> None:
    for one in (moved("2026-12-01"), errand(body={"done": True}), errand(Action.DELETE, body={})):
        assert expected(card(), [one], [CALL, LATER]).card.next_activity == LATER
    assert expected(card(), [errand(body={"done": True})], [CALL]).card.next_activity is None


def test_a_planned_activity_is_next_where_it_comes_first() -> None:
    found = expected(card(LATER), [made("2026-11-05")], [LATER])
    assert found.wish is Wish.PLANNED
    assert found.card.next_activity == Next(NOT_THERE, "task", "New", date(2026, 11, 5), None)
    assert expected(card(LATER), [made("2026-11-25")], [LATER]).card.next_activity == LATER
    assert expected(card(LATER), [made("2026-11-20")], [LATER]).card.next_activity == LATER, "it has the smaller id"


def test_two_wishes_count_in_their_order() -> None:
    found = expected(card(), [moved("2026-11-05", id=1), errand(body={"done": True}, id=2)], [CALL])
    assert (found.wish, found.card.next_activity) == (Wish.DONE, None)


def test_what_was_refused_changes_nothing_but_is_told() -> None:
    found = expected(card(), [moved("2026-11-05", state=State.FAILED)], [CALL])
    assert found == Expected(card(), None, refused=1)


def test_notes_do_not_move_cards() -> None:
    note = errand(Action.CREATE, entity="notes", record_id=None, body={"content": "…"})
    assert expected(card(), [note], [CALL]) == Expected(card())


def test_a_card_stands_in_the_column_where_it_will_be_and_counts_there() -> None:
    other = card(Next(9, "call", "Other", date(2026, 11, 3), None), 2, 50)
    columns = [column(Bucket.OVERDUE, card(), count=40), column(Bucket.TOMORROW, other)]
    board = expected_board(columns, [moved("2026-11-03")], {1: [CALL]}, CALENDAR)
    overdue, tomorrow = board
    assert (overdue.count, overdue.won_value, overdue.cards) == (39, 0, [])
    assert (tomorrow.count, tomorrow.won_value) == (2, 150)
    assert [one.card.organization_id for one in tomorrow.cards] == [2, 1], "all day comes before a time"


def test_a_card_goes_by_the_viewer_s_day_and_takes_its_missing_rate_along() -> None:
    late = Next(7, "call", "Ask", date(2026, 11, 1), "23:30")  # the 2nd in Berlin
    columns = [column(Bucket.OVERDUE), column(Bucket.TODAY, card(late, value=None)), column(Bucket.TOMORROW)]
    board = expected_board(columns, [moved("2026-11-02")], {1: [late]}, CALENDAR)
    assert [(one.count, one.without_value) for one in board] == [(0, 0), (0, 0), (1, 1)]


def test_with_nothing_left_the_highest_won_value_comes_first() -> None:
    columns = [column(Bucket.NONE, card(None, 2, 50), card(None, 3, 5)), column(Bucket.OVERDUE, card(value=20))]
    none, _ = expected_board(columns, [errand(body={"done": True})], {1: [CALL]}, CALENDAR)
    assert [one.card.organization_id for one in none.cards] == [2, 1, 3]


def test_the_record_of_an_activity_is_as_it_was_asked_for_last() -> None:
    record = {"id": 7, "due_date": date(2026, 11, 1), "due_time": None, "done": False}
    wishes = [
        moved("2026-11-05"),
        errand(body={"due_date": "2026-11-06", "due_time": "08:00:00"}),
        moved("2026-11-09", record_id=8),
    ]
    assert with_open_errands(record, wishes) == {**record, "due_date": date(2026, 11, 6), "due_time": "08:00:00"}


# --- the page --------------------------------------------------------------------------------------------------------


def columns_of(page: str) -> dict[str, str]:
    """What is in each column."""
    parts = re.split(r'data-column="(\w+)"', page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def column_with(page: str, organization: int) -> str:
    (found,) = [name for name, text in columns_of(page).items() if f'data-id="{organization}"' in text]
    return found


def plan(site: PageSite, day: str, organization: int | None = None) -> None:
    form = {"subject": "Ask <b>", "type": "call", "date": day, "back": "/board"}
    site.post(f"/accounts/{organization or site.desk.id}/activities/new", form)


def test_the_board_has_every_account_once_in_its_column_and_moves_it_when_asked(site: PageSite) -> None:
    page = site.get("/board").text
    assert list(columns_of(page)) == ["none", "overdue", "today", "tomorrow", "this_week", "later"]
    assert sorted(map(int, re.findall(r'data-id="(\d+)"', page))) == site.desk.ids
    plan(site, "2020-01-01")  # before all others
    waiting = site.get("/board").text
    assert column_with(waiting, site.desk.id) == "overdue"
    assert "being planned…" in columns_of(waiting)["overdue"]
    assert "Ask &lt;b&gt;" in waiting
    send_errands(site.mirror)
    there = site.get("/board").text
    assert column_with(there, site.desk.id) == "overdue"
    assert "being planned…" not in there
    (activity,) = re.findall(rf'data-id="{site.desk.id}" data-activity="(\d+)"', there)
    answer = site.post(f"/activities/{activity}/done", {"back": "/board"})
    assert "being marked as done…" in answer.text
    assert column_with(answer.text, site.desk.id) == column_with(page, site.desk.id)


def test_what_pipedrive_refused_shows_on_the_card_with_a_link_to_the_account(site: PageSite) -> None:
    plan(site, "2020-01-01")
    from sync.store.journal import note_outcome  # the journal says what Pipedrive said
    from sync.writeback.errands import load_errands

    with site.database.writing() as connection:
        (asked,) = load_errands(connection, site.mirror.company_id)
        note_outcome(connection, asked.id, State.FAILED, site.clock.now(), error="no")
    page = site.get("/board").text
    assert f'href="/accounts/{site.desk.id}"><span aria-hidden="true">⚠</span> Pipedrive refused 1 wish' in page
    assert "being planned…" not in page


def test_the_board_shows_what_is_filtered_and_more_of_a_column_on_request(site: PageSite) -> None:
    others = site.desk.ids[1:]
    with site.database.writing() as connection:
        mine = accounts.c.organization_id == site.desk.id
        connection.execute(update(accounts).where(mine).values(name="Zwölf <Boxkämpfer>", edited_at=site.clock.now()))
    page = site.get("/board?q=zwolf").text
    assert "Zwölf &lt;Boxkämpfer&gt;" in page
    assert re.findall(r'data-id="(\d+)"', page) == [str(site.desk.id)]
    assert 'href="/accounts?q=zwolf"' in page, "as a list"
    assert "No account matches" in site.get("/board?q=nobody+at+all").text
    assert not re.findall(r'data-id="(\d+)"', site.get("/board?status=former&q=zwolf").text)
    assert len(others) > 1


def test_a_column_says_what_becomes_of_what_is_dropped_on_it(site: PageSite) -> None:
    drops = dict(re.findall(r'data-column="(\w+)" data-drop="(\w+)"', site.get("/board").text))
    assert drops == {
        "none": "refuse", "overdue": "refuse", "today": "set", "tomorrow": "set", "this_week": "ask", "later": "ask",
    }  # fmt: skip
    days = dict(re.findall(r'data-column="(\w+)" data-drop="\w+" data-day="([\d-]+)"', site.get("/board").text))
    today = site.clock.now().date()
    assert days["today"] == today.isoformat()
    assert date.fromisoformat(days["later"]).weekday() == 0


def test_weeks_begin_as_the_locale_has_them(site: PageSite) -> None:
    page = site.get("/board", headers={"Accept-Language": "en-US"}).text
    days: Sequence[str] = re.findall(r'data-column="later" data-drop="ask" data-day="([\d-]+)"', page)
    assert date.fromisoformat(days[0]).weekday() == 6
