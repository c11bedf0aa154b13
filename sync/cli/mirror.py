"""`backfill` and `sync`: the mirror's two ways of reading Pipedrive."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import structlog
import typer

from sync.accounts.counts import count_accounts
from sync.cli.active import active_mirror
from sync.cli.output import Json, print_json, print_table
from sync.cli.plan import never_sending, print_pushed, show_plan
from sync.cli.progress import shown_progress
from sync.cli.runtime import start
from sync.errors import SyncError
from sync.mirror.backfill import Copied, Task, copy, finish, survey, unfinished
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.ingest import Ingested
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import BY_NAME, ENTITIES, Entity, Listing
from sync.store.checkpoints import load_checkpoints
from sync.writeback.cycle import whole_cycle

_GO_ON = "Run the same command again: it goes on from the last committed page."


class UnknownEntity(SyncError):
    """A name on the command line is no entity."""

    exit_code = 2


def backfill(
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity; may be given several times.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Copy again from the beginning.")] = False,
    use_all_tokens: Annotated[
        bool, typer.Option("--use-all-tokens", help="Use the whole of the day's tokens, not only the share set.")
    ] = False,
    json: Json = False,
) -> None:
    """Copy everything once, go on where a stopped copy left off, and build the accounts.

    Exits 0 only when everything is copied.
    """
    entities = _entities(entity or [])
    settings = start()
    with active_mirror(settings, remedy=_GO_ON, use_all_tokens=use_all_tokens) as mirror:
        copied = fill(mirror, entities, restart=restart, quiet=json)
        if json:
            print_json(
                {
                    "company": mirror.company_id,
                    "copied": [asdict(one) for one in copied],
                    "accounts": _accounts(mirror),
                    "tokens": _tokens(mirror),
                }
            )
        else:
            print_copied(mirror, copied)


def sync(
    sweep: Annotated[bool, typer.Option("--sweep", help="Do a whole sweep for deletions in this run.")] = False,
    accept_deletions: Annotated[
        bool,
        typer.Option("--accept-deletions", help="Sweep, and mark deletions however many they are: lifts the brake."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Read, then show what would be written, and write nothing; exits 1 if anything."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Do one whole incremental cycle and exit, for cron and for now: read, build the accounts, write changes back.

    On an empty database it does the backfill first.
    """
    settings = never_sending(start()) if dry_run else start()
    remedy = "Run `pipedrive-sync sync` again: it goes on from what was committed."
    with active_mirror(settings, remedy=remedy) as mirror:
        if unfinished(mirror, ENTITIES):
            typer.echo("The first copy of this company is not complete: doing the backfill first.", err=True)
            fill(mirror, ENTITIES, quiet=json)
        if dry_run:
            run_cycle(mirror, whole_sweep=sweep, accept_deletions=accept_deletions)
            show_plan(mirror, json=json)
            return
        done, pushed = whole_cycle(mirror, whole_sweep=sweep, accept_deletions=accept_deletions)
        if json:
            document = {"company": mirror.company_id, **asdict(done), "written": asdict(pushed)}
            print_json({**document, "accounts": _accounts(mirror), "tokens": _tokens(mirror)})
        else:
            print_cycle(mirror, done)
            print_pushed(pushed)


def print_cycle(mirror: Mirror, done: Ingested) -> None:
    """What a cycle did, in two sentences."""
    typer.echo(
        f"In step with {mirror.me.company_name or mirror.company_id}: {done.changed:,} changed, {done.deleted:,} "
        f"deleted, {done.rejected:,} rejected of {done.read:,} records read. {_totals(mirror)}"
    )


def fill(
    mirror: Mirror, entities: Collection[Entity], *, restart: bool = False, quiet: bool = False
) -> Sequence[Copied]:
    """The backfill with everything that is said about it. Raises what stops it."""
    refusals = Refusals()
    mirror, _ = read_reference(mirror, refusals, only_due=not restart)
    lists = unfinished(mirror, entities, restart=restart)
    if not lists:
        finish(mirror)
        if not quiet:
            typer.echo("Everything is copied already; `--restart` copies it again.", err=True)
        return []
    tasks = survey(mirror, lists)
    if not quiet:
        typer.echo(_forecast(mirror, tasks), err=True)
    try:
        with shown_progress(mirror.clock, mirror.budget) as progress:
            copied = copy(mirror, tasks, progress)
    except (SyncError, KeyboardInterrupt):
        typer.echo(_so_far(mirror, lists), err=True)
        raise
    structlog.get_logger(__name__).info("backfill_done", rows={one.listing: one.rows for one in copied})
    refusals.raise_first()
    return copied


def _so_far(mirror: Mirror, lists: Sequence[tuple[Entity, Listing]]) -> str:
    with mirror.database.reading() as connection:
        checkpoints = load_checkpoints(connection, mirror.company_id)
    rows = {listing.name: checkpoints.get(listing.name, {}).get("backfill_rows", 0) for _, listing in lists}
    return "Copied so far: " + ", ".join(f"{name} {count:,}" for name, count in rows.items()) + "."


def _entities(names: Sequence[str]) -> Sequence[Entity]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        known = ", ".join(BY_NAME)
        raise UnknownEntity(f"Unknown: {', '.join(unknown)}.", f"The entities are {known}.")
    return [BY_NAME[name] for name in names] or ENTITIES


def _forecast(mirror: Mirror, tasks: Sequence[Task]) -> str:
    rows = sum(task.expected or 0 for task in tasks)
    tokens = sum(task.tokens for task in tasks)
    left = mirror.budget.available(mirror.clock.now())
    enough = (
        "" if left is None else f"; {left:,} may be used today" + ("" if tokens <= left else ", so it may take days")
    )
    resumed = sum(task.rows for task in tasks)
    begun = f" {resumed:,} rows are there from an earlier run." if resumed else ""
    return f"To copy: at most {rows:,} records, for at most {tokens:,} tokens{enough}.{begun}"


def print_copied(mirror: Mirror, copied: Sequence[Copied]) -> None:
    """What the copy brought, list by list."""
    if copied:
        rows = [(one.listing, one.rows, one.rejected) for one in copied]
        print_table("Copied", ["list", "rows", "rejected"], rows, right=["rows", "rejected"])
    typer.echo(_totals(mirror))


def _totals(mirror: Mirror) -> str:
    accounts, tokens = _accounts(mirror), _tokens(mirror)
    left = "" if tokens["available"] is None else f", {tokens['available']:,} may still be used"
    return (
        f"{accounts['active']:,} accounts in {mirror.valuation.currency} ({accounts['former']:,} former). "
        f"Tokens used today: {tokens['used_today']:,}{left}."
    )


def _accounts(mirror: Mirror) -> dict[str, int]:
    with mirror.database.reading() as connection:
        return count_accounts(connection, mirror.company_id)


def _tokens(mirror: Mirror) -> dict[str, Any]:
    state = mirror.budget.snapshot()
    return {
        "used_today": state.used_by_us if state else 0,
        "available": mirror.budget.available(mirror.clock.now()),
    }
