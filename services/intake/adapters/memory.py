"""What intake remembers: bodies it has seen, and the work list of what it could not use (SQL, no patient data).

Losing this memory costs a counter, never a result: ids are derived, so a body published twice is one result.
A body counts as seen only on the Kafka log it was written to: another cluster or a wiped log starts empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    delete,
    event,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from refrain.contracts.events import Quarantined
from refrain.runtime.database import READING, open_database

SEEN_FOR = timedelta(days=365)
"""How long a body counts as seen (feeds.md 9)."""
SERVICE = "intake"
VERSION_TABLE = f"{SERVICE}_revision"
PAGE_LIMIT = 500
"""Largest page of the work list that is given out at once."""

metadata = MetaData()
SEEN = Table(
    "seen",
    metadata,
    Column("log", String(120), primary_key=True, comment="the Kafka log it was written to"),
    Column("body", String(64), primary_key=True, comment="hash of sender and message, without what a resend changes"),
    Column("seen_at", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)
UNUSABLE = Table(
    "unusable",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("recorded_at", BigInteger, nullable=False, index=True, comment="microseconds since 1970"),
    Column("sender", String(200), nullable=False),
    Column("listener", String(200), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("place", String(80), nullable=False),
    Column("whole_message", Boolean, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the work list; ``size`` in bytes, ``hash`` the SHA-256 of the message."""

    event_id: str
    recorded_at: datetime
    sender: str
    listener: str
    reason: str
    place: str
    whole_message: bool
    hash: str
    size: int


class Memory:
    """The tables of one database. Blocking; safe from several threads. Raises SQLAlchemyError when it is away."""

    def __init__(self, url: str) -> None:
        self._engine = open_memory(url)
        self._reading = self._engine.execution_options(**{READING: True})

    def close(self) -> None:
        self._engine.dispose()

    def seen(self, log: str, body: str, at: datetime) -> bool:
        """Whether this body was remembered on this log within :data:`SEEN_FOR` before ``at``."""
        oldest = int((at - SEEN_FOR).timestamp())
        query = select(SEEN.c.seen_at).where(SEEN.c.log == log, SEEN.c.body == body, SEEN.c.seen_at > oldest)
        with self._reading.connect() as connection:
            return connection.execute(query).first() is not None

    def remember(self, log: str, body: str | None, unusable: Sequence[Quarantined], at: datetime) -> None:
        """Keeps a body (when given) and work list entries, in one transaction. Repeating is harmless."""
        with self._engine.begin() as connection:
            if body is not None:
                row = {"log": log, "body": body, "seen_at": int(at.timestamp())}
                insert = _insert(connection)(SEEN).values(row)
                keys = [SEEN.c.log, SEEN.c.body]
                connection.execute(insert.on_conflict_do_update(index_elements=keys, set_={"seen_at": row["seen_at"]}))
            for one in unusable:
                insert = _insert(connection)(UNUSABLE).values(_row(one))
                connection.execute(insert.on_conflict_do_nothing(index_elements=[UNUSABLE.c.event_id]))

    def forget(self, at: datetime) -> int:
        """Drops bodies that no longer count as seen; how many."""
        with self._engine.begin() as connection:
            old = SEEN.c.seen_at <= int((at - SEEN_FOR).timestamp())
            return connection.execute(delete(SEEN).where(old)).rowcount

    def unusable(self, *, sender: str = "", reason: str = "", limit: int = 100, before: str = "") -> list[Item]:
        """The work list, newest first, at most ``limit`` entries, after the entry with the id ``before``.

        KeyError when no entry has that id.
        """
        query = select(UNUSABLE).order_by(UNUSABLE.c.recorded_at.desc(), UNUSABLE.c.event_id.desc())
        if sender:
            query = query.where(UNUSABLE.c.sender == sender)
        if reason:
            query = query.where(UNUSABLE.c.reason == reason)
        with self._reading.connect() as connection:
            if before:
                mark = connection.execute(select(UNUSABLE).where(UNUSABLE.c.event_id == before)).mappings().first()
                if mark is None:
                    raise KeyError(before)
                same = (UNUSABLE.c.recorded_at == mark["recorded_at"]) & (UNUSABLE.c.event_id < before)
                query = query.where((UNUSABLE.c.recorded_at < mark["recorded_at"]) | same)
            return [_item(row) for row in connection.execute(query.limit(limit)).mappings()]


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def _row(one: Quarantined) -> dict[str, Any]:
    copied = {
        name: getattr(one, name) for name in ("sender", "listener", "reason", "place", "whole_message", "hash", "size")
    }
    return copied | {"event_id": str(one.event_id), "recorded_at": _microseconds(one.recorded_at)}


def _item(row: Any) -> Item:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["recorded_at"])
    return Item(**{**row, "recorded_at": moment})


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# --- the database ---------------------------------------------------------------------------------------------


def open_memory(url: str) -> Engine:
    """The runtime's engine, with a lighter SQLite: after a power cut the newest rows may be forgotten, harmlessly."""
    engine = open_database(url, SERVICE)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous=normal"))
    return engine


def upgrade(url: str) -> None:
    """Brings the database to the newest revision. Does nothing when it is there already."""
    with _disposed(open_database(url, SERVICE)) as engine, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"create schema if not exists {SERVICE}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(url: str) -> str | None:
    """A sentence when the database is on another revision than this program; None when they agree."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    reading = {READING: True}
    with _disposed(open_database(url, SERVICE)) as engine, engine.connect().execution_options(**reading) as connection:
        opts = {"version_table": VERSION_TABLE}
        found = MigrationContext.configure(connection, opts=opts).get_current_revision()
    if found == wanted:
        return None
    state = "has no schema yet" if found is None else f"is at schema revision {found}"
    return f"Intake's database {state}, but this program needs {wanted}: run `python -m services.intake migrate` first."


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "services.intake.adapters:migrations")
    config.attributes["version_table"] = VERSION_TABLE
    return config


@contextmanager
def _disposed(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()
