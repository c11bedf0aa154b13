"""What would be written to Pipedrive, as a readable diff or as JSON; and what was."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from sync.cli.formats import count, custom, one_line
from sync.cli.output import print_json
from sync.mirror.company import Mirror
from sync.settings import Settings
from sync.writeback.preview import PlannedWrite, plan_writes
from sync.writeback.push import Pushed

_WOULD_WRITE = 1  # the exit code: there is something that was not done


def never_sending(settings: Settings) -> Settings:
    """The same settings, under which nothing is written to Pipedrive."""
    return settings.model_copy(update={"write_back": settings.write_back.model_copy(update={"dry_run": True})})


def show_plan(mirror: Mirror, *, json: bool) -> None:
    """Print what would be written; exits 1 if that is anything."""
    with mirror.database.reading() as connection:
        planned = plan_writes(connection, mirror.company_id, mirror.settings)
    if json:
        print_json([asdict(one) for one in planned])
    else:
        _print_plan(planned)
    if planned:
        raise typer.Exit(_WOULD_WRITE)


def _print_plan(planned: Sequence[PlannedWrite]) -> None:
    for write in planned:
        typer.secho(f"{one_line(write.account)}  (organization {write.organization_id})", bold=True)
        for change in write.changes:
            typer.echo(f"  {one_line(change.name)}")
            typer.secho(f"    - {custom(change.old_value) or 'nothing'}", fg="red")
            typer.secho(f"    + {custom(change.new_value) or 'nothing'}", fg="green")
        for conflict in write.conflicts:
            winner = f"{conflict['winner']} wins" if conflict["winner"] else "waits for a decision"
            values = f"here {custom(conflict['account'])!r}, at Pipedrive {custom(conflict['pipedrive'])!r}"
            typer.echo(f"  {one_line(conflict['name'])}: changed on both sides ({values}): {winner}")
        for name, reason in write.parked.items():
            typer.echo(f"  {one_line(name)}: can't be written: {one_line(reason)}")
    sent = sum(bool(one.body) for one in planned)
    typer.echo(f"{count(sent, 'account')} would be written; nothing was." if planned else "Nothing is to be written.")


def print_pushed(pushed: Pushed) -> None:
    """What became of edits, in one sentence; nothing where there were none."""
    if pushed == Pushed():
        return
    accounts, fields = count(pushed.writes, "account"), count(pushed.sent, "field")
    parts = [f"{accounts} written ({fields})"] if pushed.writes else []
    parts += [f"{count(pushed.conflicts, 'conflict')} decided or kept"] if pushed.conflicts else []
    parts += [f"{count(pushed.parked, 'field')} parked: `pipedrive-sync conflicts list`"] if pushed.parked else []
    parts += [f"activities and notes: {pushed.errands:,} sent"] if pushed.errands else []
    refused = pushed.refused_errands
    parts += [f"{refused:,} of them refused: `pipedrive-sync accounts errands`"] if refused else []
    if parts:
        typer.echo(f"Back to Pipedrive: {', '.join(parts)}.")
