"""The list of accounts: which are shown, in which order and columns, what is said about them."""

import re
from html import unescape

import pytest
from sqlalchemy import delete, event

from sync.store.schema import accounts
from tests.web.pages.conftest import PageSite


def ids(site: PageSite, address: str = "/accounts") -> list[int]:
    """The accounts that a list shows, in its order."""
    answer = site.get(address)
    assert answer.status_code == 200
    return [int(one) for one in re.findall(r'<tr data-id="(\d+)"', answer.text)]


def heads(site: PageSite) -> list[str]:
    """The titles of the columns."""
    head = re.search(r"<thead>.*?</thead>", site.get("/accounts").text, re.DOTALL)
    assert head
    return [unescape(re.sub("<[^>]+>", "", one).strip()) for one in re.findall(r"<th .*?</th>", head[0], re.DOTALL)]


def test_every_active_account_is_listed(site: PageSite) -> None:
    assert sorted(ids(site)) == site.desk.ids


def test_the_list_is_sorted_by_each_column_both_ways(site: PageSite) -> None:
    page = site.get("/accounts").text
    columns = re.findall(r'<th scope="col".*?<a href="/accounts\?sort=-?([^"]+)"', page)
    assert len(columns) >= 8
    for column in [*columns, "won_value", "id", "employee_count", "website"]:
        assert sorted(ids(site, f"/accounts?sort={column}")) == site.desk.ids
        assert sorted(ids(site, f"/accounts?sort=-{column}")) == site.desk.ids


def test_the_head_tells_the_order_and_turns_it_around(site: PageSite) -> None:
    page = site.get("/accounts?sort=id").text
    assert "aria-sort" not in page  # the number is no column that is shown
    page = site.get("/accounts?sort=name").text
    assert re.search(r'aria-sort="ascending"[^>]*><a href="/accounts\?sort=-name"', page)
    assert re.search(
        r'aria-sort="descending"[^>]*><a href="/accounts\?sort=name"', site.get("/accounts?sort=-name").text
    )


def test_a_column_that_is_not_there_does_not_count(site: PageSite) -> None:
    assert ids(site, "/accounts?sort=nonsense&page=x&owner=y&next=z") == ids(site)


def test_a_search_finds_names_without_regard_to_accents_and_case(site: PageSite) -> None:
    site.desk.edit(name="Ångström Zürich")
    assert ids(site, "/accounts?q=angstrom+ZURICH") == [site.desk.id]


def test_filters_combine_and_show_as_chips_that_lead_to_the_list_without_them(site: PageSite) -> None:
    owner = site.desk.here()["owner_id"]
    found = ids(site, f"/accounts?owner={owner}&won_from=0&sort=name")
    assert site.desk.id in found
    page = site.get(f"/accounts?owner={owner}&won_from=0&sort=name").text
    without = re.findall(r'<li class="tag">.*?href="([^"]+)"', page)
    assert [unescape(one) for one in without] == [
        "/accounts?won_from=0&sort=name",
        f"/accounts?owner={owner}&sort=name",
    ]


def test_an_option_of_a_field_is_a_filter(site: PageSite) -> None:
    form = site.get("/accounts/filters?owner=1").text
    assert 'name="owner" value="1"' in form  # what the form does not show is kept
    code, option = re.search(r'name="option\.([0-9a-f]{40})" value="(\d+)"', form).groups()  # type: ignore[union-attr]
    field = next(one for one, held in site.desk.codes.items() if held == code)
    kind = site.company.fields.custom("organizations")[code]["field_type"]
    site.desk.edit_custom(**{field: [int(option)] if kind == "set" else int(option)})
    assert site.desk.id in ids(site, f"/accounts?option.{code}={option}")


def test_amounts_are_understood_as_the_visitor_writes_them(site: PageSite) -> None:
    answer = site.get("/accounts?amount_from=1.000,5&amount_to=", headers={"Accept-Language": "de"})
    assert answer.url.endswith("/accounts?won_from=1000.5")
    answer = site.get("/accounts?amount_from=lots&q=a")
    assert answer.url.endswith("/accounts?q=a")
    assert "is no number" in answer.text


def test_totals_say_what_is_filtered(site: PageSite) -> None:
    assert f"<strong>{len(site.desk.ids)} accounts</strong>" in site.get("/accounts").text
    site.desk.edit(name="Lonely")
    assert "<strong>1 account</strong>" in site.get("/accounts?q=lonely").text


def test_nothing_that_matches_is_told_from_nothing_at_all(site: PageSite) -> None:
    assert "No account matches" in site.get("/accounts?q=xyzzyxyzzy").text
    with site.database.writing() as connection:
        connection.execute(delete(accounts))
    assert "No accounts yet" in site.get("/accounts").text


def test_pages_keep_the_filter_and_the_order(site: PageSite, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = ids(site, "/accounts?sort=name")
    for module in ("asked", "page"):
        monkeypatch.setattr(f"sync.web.pages.listing.{module}.PAGE_SIZE", 5)
    page = site.get("/accounts?sort=name&won_from=0").text
    assert 'rel="next" href="/accounts?won_from=0&amp;sort=name&amp;page=2"' in page
    pages = -(-len(everything) // 5)
    seen = [one for number in range(1, pages + 1) for one in ids(site, f"/accounts?sort=name&page={number}")]
    assert seen == everything
    assert site.get(f"/accounts?sort=name&page={pages + 9}").url.endswith(f"page={pages}")


def test_columns_are_chosen_ordered_and_remembered(site: PageSite) -> None:
    order = [("order", "website"), ("order", "owner_id"), ("order", "won_value")]
    chosen = [("column", "website"), ("column", "owner_id"), ("column", "nonsense")]
    site.post("/accounts/columns", [*order, *chosen])
    assert heads(site) == ["Name", "Website", "Owner"]
    site.post("/accounts/columns", {"reset": "1"})
    assert heads(site)[:3] == ["Name", "Owner", "Won value"]


def test_every_column_can_be_shown(site: PageSite) -> None:
    names = re.findall(r'name="order" value="([^"]+)"', site.get("/accounts/columns").text)
    assert set(site.desk.codes.values()) <= set(names)
    site.post("/accounts/columns", [(name, one) for name in ("order", "column") for one in names])
    assert len(heads(site)) == len(names) + 1
    assert sorted(ids(site)) == site.desk.ids


def test_columns_move_without_javascript(site: PageSite) -> None:
    order = [("order", "website"), ("order", "owner_id")]
    form = site.post("/accounts/columns", [*order, ("column", "website"), ("up", "owner_id")]).text
    names = re.findall(r'name="order" value="([^"]+)"', form)
    assert names[:2] == ["owner_id", "website"]
    assert 'value="website" checked' in form
    assert heads(site)[1] == "Owner"  # nothing is kept before it is saved


def test_lists_are_saved_opened_renamed_and_deleted(site: PageSite) -> None:
    site.post("/accounts/saved", {"name": " My <b>  list ", "query": "q=a&sort=name&page=3&junk=1"})
    page = site.get("/accounts").text
    assert '<a href="/accounts?q=a&amp;sort=name" data-enhance>My &lt;b&gt; list</a>' in page
    assert 'aria-current="true">My &lt;b&gt; list</a>' in site.get("/accounts?q=a&sort=name").text
    site.post("/accounts/saved/rename", {"name": "My <b> list", "new_name": "Ours"})
    assert ">Ours</a>" in site.get("/accounts").text
    site.post("/accounts/saved/drop", {"name": "Ours"})
    assert ">Ours</a>" not in site.get("/accounts").text


def test_a_list_needs_a_name(site: PageSite) -> None:
    answer = site.post("/accounts/saved", {"name": "  ", "query": "q=a"})
    assert answer.status_code == 422
    assert "Give the list a name." in answer.text


def test_what_pipedrive_sends_is_text_and_nothing_else(site: PageSite) -> None:
    site.desk.edit(name='<script>alert(1)</script>" onload="x', website="javascript:alert(1)")
    site.post("/accounts/columns", [("order", "website"), ("column", "website")])
    page = site.get("/accounts").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'onload="x' not in page
    assert 'href="javascript:' not in page


def test_rows_are_marked_while_an_edit_waits(site: PageSite) -> None:
    assert "mark waiting" not in site.get("/accounts").text
    site.desk.edit(name="Renamed")
    assert "mark waiting" in site.get("/accounts?q=renamed").text
    site.desk.write_back()
    assert "mark waiting" not in site.get("/accounts?q=renamed").text


def test_the_list_takes_few_statements(site: PageSite) -> None:
    ids(site)  # what is kept between requests is there by now
    site.desk.edit(name="Somebody, not indexed yet", label_ids=[1])
    owner, statements = site.desk.here()["owner_id"], list[str]()

    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(site.database.engine, "before_cursor_execute", noted)
    try:
        assert ids(site, f"/accounts?q=somebody&label=1&owner={owner}&sort=name&status=all") == [site.desk.id]
    finally:
        event.remove(site.database.engine, "before_cursor_execute", noted)
    asked = [one for one in statements if not one.startswith("BEGIN")]
    assert len(asked) <= 10
