"""`db`: the database's schema."""

import typer

from sync.cli.output import Json, print_json
from sync.cli.runtime import start
from sync.store.database import Database
from sync.store.upgrade import newest_revision, upgrade


def upgrade_command(json: Json = False) -> None:
    """Run the migrations that are missing (every other command does so too)."""
    settings = start()
    database = Database(settings.database_url.get_secret_value())
    try:
        done = upgrade(database)
    finally:
        database.close()
    if json:
        print_json({"database": database.name, "migrated": done, "revision": newest_revision()})
    elif done:
        typer.echo(f"Migrated {database.name} to revision {newest_revision()}.")
    else:
        typer.echo(f"{database.name} is at the newest revision, {newest_revision()}.")
