"""The day's tokens outlive the process that used them."""

from datetime import timedelta

from sync.pipedrive.limits import TokenBudget
from sync.store.database import Database
from sync.store.tokens import load_budget, save_budget
from tests.store.conftest import NOON, NewCompany

_HEADERS = {"x-daily-ratelimit-token-limit": "30000", "x-daily-ratelimit-token-remaining": "20000"}


def _run(
    database: Database, company: int, *costs: int, hours: float = 0, headers: dict[str, str] | None = None
) -> TokenBudget:
    """One run of the program: takes up the day where the last run left it, and uses some tokens."""
    now = NOON + timedelta(hours=hours)
    budget = TokenBudget(0.5, 1000)
    with database.writing() as connection:
        budget.resume(load_budget(connection, company), now)
        for cost in costs:
            budget.require(cost, "poll", now)
            budget.record(cost, "poll", headers or {}, now)
        save_budget(connection, company, budget)
    return budget


def test_a_company_never_read_has_no_budget_yet(database: Database, company: int) -> None:
    with database.reading() as connection:
        assert load_budget(connection, company) is None


def test_what_was_used_counts_after_a_restart(database: Database, company: int) -> None:
    _run(database, company, 10, 20)
    again = _run(database, company, 5, hours=1)
    assert again.available(NOON + timedelta(hours=1)) == 500 - 35
    with database.reading() as connection:
        saved = load_budget(connection, company)
    assert saved is not None
    assert saved.used_by_us == 35
    assert saved.by_purpose == {"poll": 35}


def test_what_the_headers_told_is_known_after_a_restart(database: Database, company: int) -> None:
    _run(database, company, 10, headers=_HEADERS)
    assert _run(database, company).available(NOON) == 15_000 - 10


def test_saving_twice_counts_once(database: Database, company: int) -> None:
    budget = _run(database, company, 10)
    with database.writing() as connection:
        save_budget(connection, company, budget)
        saved = load_budget(connection, company)
    assert saved is not None
    assert saved.used_by_us == 10


def test_a_day_that_the_server_called_spent_stays_spent_after_a_restart(database: Database, company: int) -> None:
    budget = _run(database, company, 10, headers=_HEADERS)
    until = budget.exhausted({"x-ratelimit-reset": "30000"}, NOON)
    with database.writing() as connection:
        save_budget(connection, company, budget)
    assert _run(database, company, hours=1).available(NOON + timedelta(hours=1)) == 0
    assert until == NOON + timedelta(seconds=30_000)


def test_a_new_day_begins_with_nothing_used(database: Database, company: int) -> None:
    _run(database, company, 100)
    assert _run(database, company, hours=24).available(NOON + timedelta(hours=24)) == 500


def test_companies_have_their_own_tokens(database: Database, new_company: NewCompany) -> None:
    one, other = new_company(), new_company()
    _run(database, one, 100)
    assert _run(database, other).available(NOON) == 500
