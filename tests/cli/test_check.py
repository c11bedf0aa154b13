"""`check`: every question gets an answer, a failure its remedy, and the exit code says whether a sync can work."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from sync.cli.check import Verdict, clock_finding
from sync.sandbox import Company, Sandbox
from sync.store.lock import sole_instance
from sync.store.schema import companies, metadata
from tests.cli.conftest import Program, won

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
HERE = {"WEBHOOK_PUBLIC_URL": "https://sync.example.com"}
URL = "https://sync.example.com/webhooks/pipedrive"
CHECKS = [
    *("settings", "database", "token", "visibility", "currency"),
    *("fields", "clock", "webhooks", "privacy", "rates", "tokens"),
]


def statuses(document: Any) -> dict[str, str]:
    return {one["check"]: one["status"] for one in document["checks"]}


def finding(document: Any, check: str) -> Any:
    (found,) = [one for one in document["checks"] if one["check"] == check]
    return found


def test_where_all_is_well_every_line_says_ok(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"), (1, "USD"))
    program.fill()
    document = program.json("check")
    assert document["ok"] is True
    assert list(statuses(document)) == CHECKS
    assert set(statuses(document).values()) == {"ok"}
    assert company.get("users", 1)["name"] in finding(document, "token")["message"]
    lines = program.run("check").out.splitlines()
    assert len(lines) == len(document["checks"])
    assert all(line.startswith("ok ") for line in lines)


def test_before_the_first_copy_it_works_too_and_makes_no_company_known(program: Program) -> None:
    assert program.json("check")["ok"] is True
    assert program.json("status")["company"] is None


def test_a_wrong_token_fails_and_the_database_is_still_checked(program: Program) -> None:
    document = program.json("check", code=2, PIPEDRIVE_API_TOKEN="wrong-token-of-this-test")
    assert document["ok"] is False
    assert statuses(document)["database"] == "ok"
    token = finding(document, "token")
    assert token["status"] == "fail"
    assert "Copy the API token again" in token["remedy"]
    printed = program.run("check", code=2, PIPEDRIVE_API_TOKEN="wrong-token-of-this-test")
    assert "wrong-token-of-this-test" not in printed.out + printed.err


def test_missing_credentials_fail_and_the_database_is_still_checked(program: Program) -> None:
    document = program.json("check", code=2, PIPEDRIVE_API_TOKEN="")
    assert "PIPEDRIVE_API_TOKEN" in finding(document, "settings")["message"]
    assert statuses(document)["database"] == "ok"
    assert "token" not in statuses(document)


def test_wrong_settings_are_all_named(program: Program) -> None:
    document = program.json("check", code=2, SYNC_BUDGET__SHARE="7", SYNC_POLL__OVERLAP="soon")
    (settings,) = document["checks"]
    assert "budget.share" in settings["message"]
    assert "poll.overlap" in settings["message"]


def test_an_unreachable_database_fails_and_the_token_is_still_checked(program: Program) -> None:
    document = program.json("check", code=2, DATABASE_URL="postgresql://someone:secret@127.0.0.1:1/none")
    assert statuses(document)["database"] == "fail"
    assert statuses(document)["token"] == "ok"
    assert "secret" not in finding(document, "database")["message"]


def test_a_database_migrated_by_a_newer_version_fails(program: Program) -> None:
    with program.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    document = program.json("check", code=2)
    assert "newer version" in finding(document, "database")["message"]
    assert "Upgrade pipedrive-sync" in finding(document, "database")["remedy"]
    assert statuses(document)["token"] == "ok"
    assert "newer version" in program.run("status", code=2).err
    assert "newer version" in program.run("accounts", "list", code=2).err


def test_a_user_who_does_not_see_everything_is_a_warning(program: Program, sandbox: Sandbox) -> None:
    document = program.json("check", PIPEDRIVE_API_TOKEN=sandbox.access.token_for(2))
    assert document["ok"] is True
    assert finding(document, "visibility")["status"] == "warn"
    assert "missing here, silently" in finding(document, "visibility")["message"]


def test_a_clock_that_is_wrong_fails(program: Program, sandbox: Sandbox) -> None:
    sandbox.faults.clock_skew(120)
    clock = finding(program.json("check", code=1), "clock")
    assert clock["status"] == "fail"
    assert " s behind Pipedrive's" in clock["message"]


@pytest.mark.parametrize(
    ("server", "began", "arrived", "expected"),
    [
        (0, 0.0, 0.1, Verdict.OK),
        (0, 0.99, 1.2, Verdict.OK),  # written in the second that began at 0
        (5, 0.0, 0.0, Verdict.OK),
        (5.5, 0.0, 0.4, Verdict.FAIL),
        (10, 0.0, 6.0, Verdict.OK),  # a slow answer proves nothing
        (0, 6.0, 6.1, Verdict.OK),
        (0, 6.1, 6.2, Verdict.FAIL),
    ],
)
def test_the_clock_fails_only_when_it_is_surely_more_than_5_seconds_off(
    server: float, began: float, arrived: float, expected: Verdict
) -> None:
    moments = [NOW + timedelta(seconds=seconds) for seconds in (server, began, arrived)]
    assert clock_finding(*moments).status is expected


def test_a_server_that_does_not_say_the_time_is_a_warning() -> None:
    assert clock_finding(None, NOW, NOW).status is Verdict.WARN


def test_a_currency_of_won_deals_without_a_rate_is_a_warning(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"), (1, "GBP"), (0, "KWD"))
    program.fill()
    rates = finding(program.json("check"), "rates")
    assert rates["status"] == "warn"
    assert "no rate into EUR for GBP:" in rates["message"]


def test_the_currency_comes_from_the_setting_or_from_the_user(program: Program, sandbox: Sandbox) -> None:
    chf = program.json("check", PIPEDRIVE_API_TOKEN=sandbox.access.token_for(3))
    assert "CHF, the default of the token's user" in finding(chf, "currency")["message"]
    usd = program.json("check", SYNC_CURRENCY__BASE="usd")
    assert "USD, from the setting" in finding(usd, "currency")["message"]


def test_a_privacy_name_that_fits_nothing_fails(program: Program, sandbox: Sandbox) -> None:
    document = program.json("check", code=2, SYNC_PRIVACY__LEAVE_OUT="notes,organizations.No such field")
    assert "No such field is neither an attribute nor a custom field" in finding(document, "privacy")["message"]
    before = sandbox.limits.spent
    good = program.json("check", SYNC_PRIVACY__LEAVE_OUT="notes,organizations.Score")
    assert finding(good, "privacy")["status"] == "ok"
    assert sandbox.limits.spent - before == 22  # users/me, and organization fields for the clock and for the names


def test_webhooks_that_nobody_wants_are_no_warning_and_cost_nothing(program: Program, sandbox: Sandbox) -> None:
    webhooks = finding(program.json("check"), "webhooks")
    assert (webhooks["status"], webhooks["remedy"]) == ("ok", "")
    assert "not wanted (WEBHOOK_PUBLIC_URL): changes are found by polling" in webhooks["message"]
    assert not [call for call in sandbox.calls if call.path.endswith("/webhooks")]


def test_webhooks_that_are_wanted_and_not_installed_are_a_warning(program: Program, sandbox: Sandbox) -> None:
    before = sandbox.limits.spent
    document = program.json("check", **HERE)
    webhooks = finding(document, "webhooks")
    assert (document["ok"], webhooks["status"]) == (True, "warn")
    assert webhooks["message"] == f"Pipedrive delivers nothing to {URL}"
    assert "`pipedrive-sync webhooks install`" in webhooks["remedy"]
    assert sandbox.limits.spent - before == 12 + 10


def test_webhooks_that_are_installed_are_looked_at(program: Program, company: Company) -> None:
    program.fill()
    program.run("webhooks", "install", **HERE)
    well = finding(program.json("check", **HERE), "webhooks")
    assert (well["status"], well["message"]) == ("ok", f"8 subscriptions deliver to {URL}")
    # They go on without the setting, and so does the look at them.
    assert finding(program.json("check"), "webhooks") == well

    company.delete("webhooks", 1)
    company.update("webhooks", 2, {"is_active": 0})
    gone = finding(program.json("check", **HERE), "webhooks")
    assert (gone["status"], gone["message"]) == ("warn", "2 of 8 subscriptions are gone or inactive")
    assert "`pipedrive-sync webhooks install`" in gone["remedy"]
    program.run("webhooks", "install", **HERE)
    assert finding(program.json("check", **HERE), "webhooks") == well

    moved = finding(program.json("check", WEBHOOK_PUBLIC_URL="https://elsewhere.example.com"), "webhooks")
    assert moved["message"] == "Pipedrive delivers nothing to https://elsewhere.example.com/webhooks/pipedrive"


@pytest.mark.parametrize(("answer", "verdict"), [(200, "ok"), (204, "ok"), (401, "warn"), (503, "warn")])
def test_webhooks_whose_deliveries_fail_are_a_warning(
    program: Program, company: Company, answer: int, verdict: str
) -> None:
    program.fill()
    program.run("webhooks", "install", **HERE)
    company.annotate("webhooks", 4, {"last_http_status": answer})
    webhooks = finding(program.json("check", **HERE), "webhooks")
    assert webhooks["status"] == verdict
    if verdict == "warn":
        assert webhooks["message"] == f"the last delivery (deal) to {URL} was answered with {answer}"
        assert "with this database and these credentials?" in webhooks["remedy"]


def test_webhooks_that_can_not_be_listed_fail_and_the_rest_is_still_checked(program: Program, sandbox: Sandbox) -> None:
    sandbox.faults.fail(status=403, times=9, path="*/webhooks")
    document = program.json("check", code=2, **HERE)
    assert finding(document, "webhooks")["status"] == "fail"
    assert statuses(document)["privacy"] == "ok"


def test_definitions_that_can_not_be_read_fail(program: Program, sandbox: Sandbox) -> None:
    sandbox.faults.fail(status=403, times=9, path="/api/v2/organizationFields*")
    document = program.json("check", code=2)
    assert finding(document, "fields")["status"] == "fail"
    assert "clock" not in statuses(document)


def test_the_tokens_it_spends_are_few_and_booked(program: Program, sandbox: Sandbox) -> None:
    program.fill()
    before, spent = program.json("status")["tokens"], sandbox.limits.spent
    program.json("check")
    after = program.json("status")["tokens"]
    assert sandbox.limits.spent - spent == 12
    assert after["used_today"] - before["used_today"] == 12
    assert after["used_by_purpose"]["check"] - before["used_by_purpose"]["check"] == 12


def test_a_share_that_is_used_up_is_a_warning(program: Program) -> None:
    program.fill()
    document = program.json("check", SYNC_BUDGET__SHARE="0.00001")
    assert finding(document, "tokens")["status"] == "warn"
    assert document["ok"] is True


def test_a_day_that_is_spent_fails_with_the_time_it_comes_back(program: Program, sandbox: Sandbox) -> None:
    sandbox.limits.spend(sandbox.limits.remaining or 0)
    document = program.json("check", code=1)
    assert "tokens of this day are spent" in finding(document, "token")["message"]
    assert "spent until" in finding(document, "tokens")["message"]


def test_another_company_in_the_database_is_a_warning(program: Program, company: Company) -> None:
    program.fill()
    with program.database.writing() as connection:
        (held,) = connection.execute(select(companies)).mappings()
        connection.execute(companies.insert().values({**held, "company_id": 5, "name": "Other"}))
        for table in metadata.sorted_tables:
            if table is not companies and "company_id" in table.c:
                connection.execute(update(table).values(company_id=5))
        connection.execute(delete(companies).where(companies.c.company_id != 5))
    other = finding(program.json("check"), "company")
    assert other["status"] == "warn"
    assert f"holds 5 (Other), and not yet this token's company {company.id}" in other["message"]


def test_it_runs_beside_a_sync(program: Program) -> None:
    program.fill()
    with sole_instance(program.database):
        assert program.json("check")["ok"] is True


def test_it_runs_as_a_program_in_a_clean_environment(program: Program) -> None:
    ended = program.process("check")
    assert ended.returncode == 0
    assert ended.stdout.startswith("ok    settings")
    assert program.sandbox.token not in ended.stdout + ended.stderr
