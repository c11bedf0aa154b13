"""Runs the migrations on the connection, and in the transaction, handed over by `sync.store.upgrade`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
