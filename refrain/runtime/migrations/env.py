"""Alembic's entry: runs on the connection that :mod:`refrain.runtime.revisions` hands over."""

from __future__ import annotations

from alembic import context

from refrain.runtime.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
