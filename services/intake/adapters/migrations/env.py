"""Runs the revisions over the connection that ``memory.upgrade`` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
