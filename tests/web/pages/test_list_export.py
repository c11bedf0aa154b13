"""The list as a file for spreadsheets: the same accounts, columns and order, and nothing that a cell could do."""

import csv
import io

from tests.web.pages.conftest import PageSite
from tests.web.pages.test_list import heads, ids
from tests.web.pages.test_list_bulk import code_of


def rows(site: PageSite, query: str = "", **options: object) -> list[list[str]]:
    """The rows of the file, the head first."""
    answer = site.get(f"/accounts.csv{query}", **options)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def choose(site: PageSite, *columns: str) -> None:
    site.post("/accounts/columns", [(name, one) for name in ("order", "column") for one in columns])


def test_the_file_has_the_columns_and_the_order_of_the_list(site: PageSite) -> None:
    choose(site, "id", "owner_id", "won_value")
    head, *accounts = rows(site, "?sort=-id&won_from=0")
    assert head == ["Name", "Number", "Owner", "Won value", "Won value (currency)"]
    assert heads(site) == ["Name", "Number", "Owner", "Won value"]
    assert [int(one[1]) for one in accounts] == ids(site, "/accounts?sort=-id&won_from=0")


def test_values_are_readable_and_numbers_stay_numbers(site: PageSite) -> None:
    choose(site, "id", "won_value", "customer_since", "label_ids", "status")
    label = site.company.fields.get("organizations", "label_ids")["options"][0]
    site.desk.edit(label_ids=[label["id"]])
    row = next(one for one in rows(site) if one[1] == str(site.desk.id))
    account = site.desk.here()
    assert float(row[2]) == float(account["won_value"])
    assert row[3] == account["currency"]
    assert row[4] == account["created_at"].date().isoformat()
    assert row[5:] == [label["label"], "Active"]


def test_days_are_those_of_the_viewer(site: PageSite) -> None:
    choose(site, "customer_since")
    far = {row[1] for row in rows(site, cookies={"zone": "Pacific/Kiritimati"})}
    near = {row[1] for row in rows(site, cookies={"zone": "Pacific/Pago_Pago"})}
    assert far != near


def test_no_cell_is_taken_for_a_formula(site: PageSite) -> None:
    choose(site, "website", "employee_count")
    for begin in ("=", "+", "-", "@", "\t", "\r"):
        site.desk.edit(name=f"{begin}HYPERLINK(1)", website=f"{begin}1")
        row = next(one for one in rows(site) if "HYPERLINK" in one[0])
        assert row[0].startswith("'")
        assert not row[1].startswith(begin)


def test_a_negative_number_is_a_number(site: PageSite) -> None:
    code = code_of(site, "double")
    choose(site, code)
    site.desk.edit(name="Minus", custom_fields={code: -1.5})
    assert ["Minus", "-1.5"] in rows(site)


def test_an_amount_has_its_currency_beside_it(site: PageSite) -> None:
    code = code_of(site, "monetary")
    choose(site, code)
    site.desk.edit(name="Rich", custom_fields={code: {"value": 1200.5, "currency": "CHF"}})
    assert ["Rich", "1200.5", "CHF"] in rows(site)


def test_every_column_can_be_exported(site: PageSite) -> None:
    page = site.get("/accounts/columns").text
    choose(site, *(one.split('"')[0] for one in page.split('name="order" value="')[1:]))
    head, *accounts = rows(site)
    assert len(accounts) == len(site.desk.ids)
    assert {len(one) for one in accounts} == {len(head)}
