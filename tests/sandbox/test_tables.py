from hypothesis import given, settings
from hypothesis import strategies as st

from sync.sandbox.tables import Row, Selection, Table, sort_key

ROWS = st.builds(
    Row,
    id=st.integers(1, 12),
    updated=st.integers(0, 5),
    added=st.integers(1, 3),
    rank=st.integers(0, 2),
    owner=st.just(1),
    org=st.integers(0, 2),
    deal=st.just(0),
    person=st.just(0),
    visible_to=st.just(3),
    state=st.just(""),
    deleted=st.booleans(),
    archived=st.booleans(),
    payload=st.binary(max_size=2),
)
SELECTIONS = st.builds(
    Selection,
    sort=st.sampled_from(["id", "update_time", "add_time", "due_date"]),
    descending=st.booleans(),
    archived=st.booleans(),
    where=st.just(lambda row: not row.deleted),
    ids=st.none() | st.lists(st.integers(1, 14), max_size=5).map(tuple),
    link=st.none() | st.tuples(st.just("org_id"), st.integers(0, 2)),
    since=st.none() | st.integers(0, 5),
    until=st.none() | st.integers(0, 5),
    limit=st.integers(1, 4),
)


def naive(rows: dict[int, Row], selection: Selection) -> list[Row]:
    def fits(row: Row) -> bool:
        bounded = selection.since is not None or selection.until is not None
        return (
            row.archived == selection.archived
            and not row.deleted
            and (selection.ids is None or row.id in selection.ids)
            and (selection.link is None or row.org == selection.link[1])
            and not (bounded and row.updated == 0)
            and (selection.since is None or row.updated >= selection.since)
            and (selection.until is None or row.updated < selection.until)
        )

    found = [row for row in rows.values() if fits(row)]
    return sorted(found, key=lambda row: sort_key(selection.sort, row), reverse=selection.descending)


def walked(table: Table, selection: Selection) -> list[Row]:
    """All pages, each started at the key the page before named, as cursors do."""
    found: list[Row] = []
    start_key: int | None = None
    while True:
        page, following = table.select(
            Selection(
                selection.sort,
                selection.descending,
                selection.archived,
                selection.where,
                selection.ids,
                selection.link,
                selection.since,
                selection.until,
                start_key,
                limit=selection.limit,
            )
        )
        found += page
        if following is None:
            return found
        start_key = sort_key(selection.sort, following)


@settings(deadline=None)
@given(st.lists(ROWS | st.integers(1, 12), max_size=12), st.lists(SELECTIONS, min_size=1, max_size=2))
def test_every_selection_shows_what_a_plain_search_shows_after_any_edits(
    edits: list[Row | int], selections: list[Selection]
) -> None:
    table, rows = Table("things"), {}
    for edit in edits:
        if isinstance(edit, Row):
            table.put(edit)
            rows[edit.id] = edit
        elif edit in rows:
            table.remove(edit)
            del rows[edit]
        for selection in selections:
            assert walked(table, selection) == naive(rows, selection)


def test_a_list_that_lags_shows_a_record_where_it_still_pointed() -> None:
    row = Row(1, 0, 1, 0, 1, 7, 0, 0, 3, "", False, False, b"")
    there, elsewhere = Selection(link=("org_id", 7)), Selection(link=("org_id", 8))
    table = Table("things")
    table.put(row)
    table.put(row._replace(org=8), 5)
    assert (walked(table, there), walked(table, elsewhere)) == ([row], [])
    table.publish(5)
    assert (walked(table, there), walked(table, elsewhere)) == ([], [row._replace(org=8)])


@settings(deadline=None)
@given(st.lists(st.tuples(ROWS, st.integers(0, 3)), max_size=10), SELECTIONS)
def test_lists_that_lag_show_each_record_as_it_was_and_catch_up_in_the_end(
    edits: list[tuple[Row, int]], selection: Selection
) -> None:
    table = Table("things")
    listed: dict[int, Row] = {}
    held: dict[int, float] = {}
    for now, (row, lag) in enumerate(edits):
        table.publish(now)
        for row_id in [row_id for row_id, until in held.items() if until <= now]:
            listed[row_id] = table.rows[row_id]
            del held[row_id]
        table.put(row, now + lag if lag else None)
        if lag:
            held[row.id] = now + lag if row.id not in held else max(held[row.id], now + lag)
        else:
            listed[row.id] = row
            held.pop(row.id, None)
        assert walked(table, selection) == naive(listed, selection)
    table.publish(1_000)
    assert walked(table, selection) == naive(table.rows, selection)
