"""The day's tokens, kept across restarts: what we used by purpose, and what the headers last said.

The bookkeeping itself is `pipedrive.limits.TokenBudget`; this saves its state and restores it.
"""

from dataclasses import asdict
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from sync.pipedrive.limits import BudgetState, TokenBudget
from sync.store.dialect import insert_into, put
from sync.store.schema import token_budgets, token_usage


def load_budget(connection: Connection, company_id: int) -> BudgetState | None:
    """The state of the budget as it was last saved; None for a company never read."""
    saved = connection.execute(select(token_budgets).where(token_budgets.c.company_id == company_id)).one_or_none()
    if saved is None:
        return None
    usage = connection.execute(
        select(token_usage.c.purpose, token_usage.c.tokens).where(
            token_usage.c.company_id == company_id, token_usage.c.day == saved.day
        )
    )
    by_purpose = {row.purpose: row.tokens for row in usage}
    return BudgetState(
        day=saved.day,
        used_by_us=sum(by_purpose.values()),
        by_purpose=by_purpose,
        daily_limit=saved.daily_limit,
        left=saved.tokens_left,
        resets_at=saved.resets_at,
        spent_until=saved.spent_until,
        seen_at=saved.seen_at,
    )


def load_usage(connection: Connection, company_id: int, since: date) -> dict[date, dict[str, int]]:
    """What we used on each day from one on, by purpose; days without any use are left out."""
    columns = token_usage.c
    query = select(columns.day, columns.purpose, columns.tokens).where(
        columns.company_id == company_id, columns.day >= since
    )
    usage: dict[date, dict[str, int]] = {}
    for day, purpose, tokens in connection.execute(query.order_by(columns.day, columns.purpose)):
        usage.setdefault(day, {})[purpose] = tokens
    return usage


def save_budget(connection: Connection, company_id: int, budget: TokenBudget) -> None:
    """Save what was used since the last time, and what is known of the day."""
    for (day, purpose), tokens in sorted(budget.drain().items()):
        spent = {"company_id": company_id, "day": day, "purpose": purpose, "tokens": tokens}
        connection.execute(_add_statement(connection.dialect.name), spent)
    state = budget.snapshot()
    if state is None:
        return
    values = {
        name: value for name, value in asdict(state).items() if name not in ("left", "by_purpose", "used_by_us")
    } | {"tokens_left": state.left}
    put(connection, token_budgets, {"company_id": company_id}, values)


@lru_cache
def _add_statement(dialect: str) -> Any:
    insert = insert_into(token_usage, dialect).values({column.name: bindparam(column.name) for column in token_usage.c})
    return insert.on_conflict_do_update(
        index_elements=["company_id", "day", "purpose"],
        set_={"tokens": token_usage.c.tokens + insert.excluded.tokens},
    )
