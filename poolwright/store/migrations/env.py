"""Alembic's environment: migrations run on the connection that the caller gives."""

from alembic import context

from poolwright.store.tables import Table

connection = context.config.attributes["connection"]
# SQLite cannot alter a table in place: Alembic copies it.
context.configure(connection=connection, target_metadata=Table.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
