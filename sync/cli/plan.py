"""What would be written to Pipedrive, as a readable diff or as JSON; and what was."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from sync.accounts.fields import Fields, load_fields
from sync.cli.errands import described
from sync.cli.formats import count, custom, one_line
from sync.cli.output import print_json
from sync.mirror.company import Mirror
from sync.settings import Settings
from sync.store.journal import State
from sync.writeback.errands import load_errands
from sync.writeback.filling import fill_fields, take_up_own_edits, unapproved_fields
from sync.writeback.preview import PlannedWrite, plan_writes
from sync.writeback.push import Pushed

_WOULD_WRITE = 1  # the exit code: there is something that was not done


def never_sending(settings: Settings) -> Settings:
    """The same settings, under which nothing is written to Pipedrive."""
    return settings.model_copy(update={"write_back": settings.write_back.model_copy(update={"dry_run": True})})


def show_plan(mirror: Mirror, *, json: bool) -> None:
    """Print what would be written; exits 1 if that is anything."""
    fill_fields(mirror)
    take_up_own_edits(mirror)
    company_id = mirror.company_id
    with mirror.database.reading() as connection:
        fields = load_fields(connection, company_id, mirror.settings)
        planned = plan_writes(connection, company_id, mirror.settings)
        unapproved = unapproved_fields(connection, company_id, mirror.settings)
        errands = [one for one in load_errands(connection, company_id) if one.state is not State.FAILED]
    if json:
        accounts = [asdict(one) for one in planned]
        print_json({"accounts": accounts, "fields": unapproved, "errands": [asdict(one) for one in errands]})
    else:
        _print_plan(planned, fields)
        for title in unapproved:
            typer.echo(
                f"Custom field “{one_line(title)}”, made if it is not there, would be filled once it is approved."
            )
        for errand in errands:
            typer.echo(f"Asked for: {described(mirror.database, company_id, errand)}.")
        sent = count(sum(bool(one.body) for one in planned), "account")
        anything = planned or unapproved or errands
        typer.echo(f"{sent} would be written; nothing was." if anything else "Nothing is to be written.")
    if planned or unapproved or errands:
        raise typer.Exit(_WOULD_WRITE)


def _print_plan(planned: Sequence[PlannedWrite], fields: Fields) -> None:
    for write in planned:
        typer.secho(f"{one_line(write.account)}  (organization {write.organization_id})", bold=True)
        for change in write.changes:
            old, new = (fields.readable(change.field, value) for value in (change.old_value, change.new_value))
            typer.echo(f"  {one_line(change.name)}")
            typer.secho(f"    - {custom(old) or 'nothing'}", fg="red")
            typer.secho(f"    + {custom(new) or 'nothing'}", fg="green")
        for conflict in write.conflicts:
            winner = f"{conflict['winner']} wins" if conflict["winner"] else "waits for a decision"
            here, there = (fields.readable(conflict["field"], conflict[side]) for side in ("account", "pipedrive"))
            values = f"here {custom(here)!r}, at Pipedrive {custom(there)!r}"
            typer.echo(f"  {one_line(conflict['name'])}: changed on both sides ({values}): {winner}")
        for name, reason in write.parked.items():
            typer.echo(f"  {one_line(name)}: can't be written: {one_line(reason)}")


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
