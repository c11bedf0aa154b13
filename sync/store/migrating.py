"""Running the migrations with Alembic. Imported by `sync.store.upgrade`, and only where a migration is missing."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of this connection."""
    command.upgrade(config(connection), "head")


def config(connection: Connection) -> Config:
    """What Alembic's commands are told: where the migrations are, and the connection to run them on."""
    told = Config(attributes={"connection": connection})
    told.set_main_option("script_location", str(files("sync.store") / "migrations"))
    told.set_main_option("path_separator", "os")
    return told
