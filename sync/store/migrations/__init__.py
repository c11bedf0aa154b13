"""The history of the schema, as Alembic scripts: frozen statements that never import the living schema."""
