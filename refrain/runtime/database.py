"""A service's SQL database: SQLite by default, PostgreSQL by URL, durable in both, and its schema revision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url

BUSY_TIMEOUT_SECONDS = 20
"""How long a SQLite writer waits for another one (docs/decisions/0001)."""

LEDGER_MIGRATIONS = "refrain.runtime:migrations"
"""Revisions of the engines' ledgers; intake, notify and chart have revisions of their own, as ``package:folder``."""

READING = "refrain_reading"
"""Execution option of a connection that only reads: it must not take SQLite's write lock."""


class WrongRevision(Exception):
    """The database has not the schema that this program was written for. The text is a sentence for the operator."""


def open_database(url: str, service: str) -> Engine:
    """Connect lazily. In PostgreSQL the service lives in a schema of its own name; in SQLite in a file of its own.

    What was written, a patient's data, never stands in the text of an error.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError(f"a ledger is SQLite or PostgreSQL, not {parsed.get_backend_name()}")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args={"options": f"-csearch_path={service}", "connect_timeout": 10},
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # this module says BEGIN itself
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(READING, False)
        connection.exec_driver_sql("begin" if reading else "begin immediate")

    return engine


def upgrade(url: str, service: str, migrations: str = LEDGER_MIGRATIONS) -> None:
    """Bring the database to this program's revision. Harmless when it is there; run before workers start."""
    engine = open_database(url, service)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f'create schema if not exists "{service}"'))
            command.upgrade(_alembic(service, migrations, connection), "head")
    finally:
        engine.dispose()


def check(engine: Engine, service: str, migrations: str = LEDGER_MIGRATIONS) -> None:
    """Raise :class:`WrongRevision` when the database is not at this program's revision."""
    wanted = ScriptDirectory.from_config(_alembic(service, migrations)).get_current_head()
    with engine.connect().execution_options(**{READING: True}) as connection:
        found = MigrationContext.configure(
            connection, opts={"version_table": _version_table(service)}
        ).get_current_revision()
    if found != wanted:
        state = "has no schema yet" if found is None else f"is at schema revision {found}"
        raise WrongRevision(
            f"The database of {service} {state}, but this program needs {wanted}: "
            f"run `python -m services.{service} migrate` and start again."
        )


def _version_table(service: str) -> str:
    """Named after the service, so that one SQLite file cannot become the ledger of two services."""
    return f"{service}_revision"


def _alembic(service: str, migrations: str, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", migrations)
    config.attributes["version_table"] = _version_table(service)
    config.attributes["connection"] = connection
    return config
