"""Whose company a token reads, and what everything in the mirror's work needs at hand: the `Mirror`."""

from dataclasses import dataclass
from typing import Any

from sync.accounts.valuation import Valuation
from sync.clock import Clock
from sync.mirror.privacy import Privacy
from sync.pipedrive.client import Client
from sync.pipedrive.errors import MalformedAnswer
from sync.pipedrive.limits import TokenBudget
from sync.pipedrive.purpose import Purpose
from sync.settings import Settings
from sync.store.database import Database
from sync.store.dialect import put
from sync.store.schema import companies
from sync.store.tokens import load_budget, save_budget

_ME = "/api/v1/users/me"
_ME_COST = 2


@dataclass(frozen=True, slots=True)
class Me:
    """The token's user and company, as `GET users/me` tells."""

    user_id: int
    user_name: str
    company_id: int
    company_name: str
    company_domain: str
    default_currency: str | None
    sees_everything: bool  # administers the sales app, so that no visibility rule hides a record


@dataclass(frozen=True, slots=True)
class Mirror:
    """One company, its remote side and its local side."""

    client: Client
    database: Database
    clock: Clock
    settings: Settings
    budget: TokenBudget
    me: Me
    valuation: Valuation
    privacy: Privacy  # nothing is read but the definitions before they have resolved it

    @property
    def company_id(self) -> int:
        return self.me.company_id

    @property
    def accounts_basis(self) -> str:
        """What all accounts are built from, besides the rows: when it changes, they are built again."""
        return " ".join([self.valuation.basis, *(f"-{name}" for name in sorted(self.privacy.entities))])


def fetch_me(client: Client) -> Me:
    """Ask Pipedrive whose token this is. Raises `PipedriveError`."""
    answer = client.get(_ME, cost=_ME_COST, purpose=Purpose.CHECK.label, priority=Purpose.CHECK.priority)
    data = answer.data if isinstance(answer.data, dict) else {}
    if type(data.get("id")) is not int or type(data.get("company_id")) is not int:
        raise MalformedAnswer("Pipedrive did not say whose token this is.", "Check PIPEDRIVE_BASE_URL.")
    return Me(
        user_id=data["id"],
        user_name=str(data.get("name") or ""),
        company_id=data["company_id"],
        company_name=str(data.get("company_name") or ""),
        company_domain=str(data.get("company_domain") or ""),
        default_currency=data.get("default_currency") or None,
        sees_everything=_administers_sales(data.get("access")),
    )


def _administers_sales(access: Any) -> bool:
    grants = access if isinstance(access, list) else []
    return any(
        isinstance(grant, dict) and grant.get("app") == "sales" and grant.get("admin") is True for grant in grants
    )


def open_mirror(client: Client, database: Database, clock: Clock, settings: Settings, budget: TokenBudget) -> Mirror:
    """Find out whose company this is, remember it, and go on with the day's tokens where the last run left them."""
    me = fetch_me(client)
    currency = settings.currency.base or me.default_currency or "USD"
    with database.writing() as connection:
        values = {
            "name": me.company_name,
            "domain": me.company_domain,
            "user_id": me.user_id,
            "currency": currency,
            "synced_at": clock.now(),
        }
        put(connection, companies, {"company_id": me.company_id}, values)
        budget.resume(load_budget(connection, me.company_id), clock.now())
        save_budget(connection, me.company_id, budget)
    valuation = Valuation(currency, settings.currency.rates)
    return Mirror(client, database, clock, settings, budget, me, valuation, Privacy())
