"""`status`: what state the mirror is in, from the database alone; it needs neither credentials nor a network."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer

from sync.cli.company import Company, choose_company
from sync.cli.formats import minute, one_line
from sync.cli.output import Json, print_json, print_table
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.mirror.state import Backfill, EntityState, ListState, State, SweepState, Tokens, load_state
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.store.upgrade import revision_of

_NOTHING = "Nothing is copied from Pipedrive yet: run `pipedrive-sync check`, then `pipedrive-sync backfill`."
_COLUMNS = ("list", "rows", "deleted", "set aside", "first copy", "changes up to", "last run", "next run", "sweep")


def register(app: typer.Typer) -> None:
    """Add the command of this room."""
    app.command("status")(status)


def status(company: Company = None, json: Json = False) -> None:
    """Show how far everything is copied, what it costs, and what needs attention."""
    settings = start()
    with migrated_database(settings) as database:
        where = {"name": database.name, "revision": revision_of(database)}
        chosen = _company(database, company)
        if chosen is None:
            _print_nothing(where, json)
            return
        with database.reading() as connection:
            state = load_state(connection, chosen["company_id"], settings, SystemClock().now())
    if json:
        print_json(document(chosen, where, state))
    else:
        _print(chosen, where, state)


def document(company: Mapping[str, Any], database: Mapping[str, Any], state: State) -> Mapping[str, Any]:
    """The state as JSON."""
    return {
        "company": {
            "id": company["company_id"],
            **{name: company[name] for name in ("name", "domain", "user_id", "currency")},
        },
        "database": database,
        "entities": [asdict(one) for one in state.entities],
        "accounts": state.accounts,
        "tokens": asdict(state.tokens),
        "rejected": state.rejected,
        "attention": state.attention,
    }


def _company(database: Database, wanted: int | None) -> Mapping[str, Any] | None:
    with database.reading() as connection:
        held = load_companies(connection)
    return choose_company(database, wanted) if held or wanted is not None else None


def _print_nothing(database: Mapping[str, Any], json: bool) -> None:
    if json:
        empty: Mapping[str, Any] = {"company": None, "database": database, "entities": [], "attention": [_NOTHING]}
        print_json(empty)
    else:
        typer.echo(f"Database  {database['name']}, revision {database['revision']}")
        typer.echo(_NOTHING)


def _print(company: Mapping[str, Any], database: Mapping[str, Any], state: State) -> None:
    name, currency = one_line(company["name"]), one_line(company["currency"])
    typer.echo(f"Company   {name} ({company['company_id']}), valued in {currency}")
    typer.echo(f"Database  {database['name']}, revision {database['revision']}")
    typer.echo(f"Accounts  {state.accounts['active']:,} active, {state.accounts['former']:,} former")
    for line in _token_lines(state.tokens):
        typer.echo(line)
    typer.echo()
    rows = [_cells(entity, listing) for entity in state.entities for listing in entity.listings]
    print_table("", _COLUMNS, rows, right=("rows", "deleted", "set aside"))
    typer.echo()
    for line in state.attention:
        typer.secho(f"! {one_line(line)}", bold=True)
    if not state.attention:
        typer.echo("Nothing needs attention.")


def _cells(entity: EntityState, listing: ListState) -> tuple[object, ...]:
    is_first = listing is entity.listings[0]
    return (
        listing.listing,
        listing.rows,
        listing.deleted,
        entity.rejected if is_first else "",
        "left out" if entity.left_out else _backfill(listing.backfill),
        _second(listing.high_water_mark),
        _second(listing.last_run),
        "" if entity.left_out else "with the next sync" if listing.with_next_sync else _second(listing.next_run),
        "" if entity.left_out else _sweep(listing.sweep, listing.rows),
    )


def _backfill(backfill: Backfill | None) -> str:
    if backfill is None:
        return "always whole"
    return f"{backfill.rows:,} rows so far" if backfill.state == "incomplete" else backfill.state


def _sweep(sweep: SweepState | None, rows: int) -> str:
    if sweep is None:
        return ""
    if sweep.held_deletions:
        return f"{sweep.held_deletions:,} deletions held"
    if sweep.state == "under way":
        return f"{sweep.rows:,} of {rows:,} rows since {sweep.started_at:%Y-%m-%d %H:%M}"
    return f"done {sweep.completed_at:%Y-%m-%d %H:%M}" if sweep.completed_at else sweep.state


def _token_lines(tokens: Tokens) -> list[str]:
    by_purpose = ", ".join(f"{one_line(name)} {used:,}" for name, used in sorted(tokens.used_by_purpose.items()))
    ours = f"Tokens    {tokens.used_today:,} used today" + (f" ({by_purpose})" if by_purpose else "")
    ours += f", of our share of {tokens.our_limit:,} ({tokens.share:.0%} of the day's)"
    if tokens.company_left is None:
        return [ours]
    limit = f" of {tokens.company_limit:,}" if tokens.company_limit is not None else ""
    company = f"          the company has {tokens.company_left:,}{limit} left, as of {minute(tokens.seen_at)}"
    return [ours, f"{company}; they come back at {minute(tokens.resets_at)}"]


def _second(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
