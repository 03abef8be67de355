"""What intake remembers in SQL: bodies it has seen, the work list, codes that lead nowhere.

Losing the bodies costs a counter, never a result: ids are derived, so a body published twice is one result.
A body counts as seen only on the Kafka log it was written to: another cluster or a wiped log starts empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, case, delete, event, select, text

from refrain.runtime.database import READING, open_database
from services.intake.adapters import unmapped, work_list
from services.intake.adapters.code_maps import CodeMaps
from services.intake.adapters.tables import SEEN, Act, upsert
from services.intake.adapters.unmapped import UnmappedCodes
from services.intake.adapters.work_list import Item, Kept, WorkList
from services.intake.domain.code_map import Sighting
from services.intake.domain.resolutions import Wrong, settled
from services.intake.domain.translation import Outcome

SEEN_FOR = timedelta(days=365)
"""How long a body counts as seen (feeds.md 9)."""
SERVICE = "intake"
VERSION_TABLE = f"{SERVICE}_revision"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message that is on Kafka, as far as it is remembered; ``body`` None when it may not count as seen."""

    log: str
    body: str | None
    translation: int = 0
    """Number of the reading: the same body read anew is no duplicate."""
    kept: Sequence[Kept] = ()
    unmapped: Sequence[Sighting] = ()

    @property
    def nothing(self) -> bool:
        return self.body is None and not self.kept and not self.unmapped


class Memory:
    """The tables of one database. Blocking; safe from several threads. Raises SQLAlchemyError when it is away."""

    def __init__(self, url: str) -> None:
        self._engine = open_memory(url)
        self._reading = self._engine.execution_options(**{READING: True})
        self.work_list = WorkList(self._engine)
        self.code_maps = CodeMaps(self._engine)
        self.unmapped = UnmappedCodes(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def seen(self, log: str, body: str, at: datetime, translation: int = 0) -> bool:
        """Whether this body was remembered on this log within :data:`SEEN_FOR` before ``at``, in no older reading."""
        oldest = int((at - SEEN_FOR).timestamp())
        mine = (SEEN.c.log == log) & (SEEN.c.body == body)
        query = select(SEEN.c.seen_at).where(mine, SEEN.c.seen_at > oldest, SEEN.c.translation >= translation)
        with self._reading.connect() as connection:
            return connection.execute(query).first() is not None

    def remember(self, stored: Stored, at: datetime) -> None:
        """Keeps what came of one message, in one transaction. Repeating is harmless."""
        with self._engine.begin() as connection:
            _keep(connection, stored, at)
            work_list.came_again(connection, stored.kept, at)

    def redriven(self, item: Item, act: Act, outcome: Outcome, reason: str, stored: Stored, sender: str) -> list[Item]:
        """Settles the work list after the message of ``item`` was driven again; its entries, as they are then.

        In one transaction: what is still wrong is open, what is no more is resolved, and the redrive is written down.
        """
        senders = {"", item.sender, sender}
        with self._engine.begin() as connection:
            before = work_list.of_message(connection, item, senders)
            _keep(connection, stored, act.at)
            decided = {one.event_id for one in before if one.decided}
            now = [Wrong(str(one.entry.event_id), one.entry.place, one.entry.whole_message) for one in stored.kept]
            was_open = [Wrong(one.event_id, one.place, one.whole_message) for one in before if one.open]
            back = {one.event_id for one in before if not one.open} & {wrong.event_id for wrong in now} - decided
            work_list.settle(connection, act, settled(outcome, was_open, now, decided), sorted(back))
            work_list.note_redrive(connection, act, item.event_id, f"{outcome} {reason}".strip())
            return work_list.of_message(connection, item, senders)

    def forget(self, at: datetime) -> int:
        """Drops bodies that no longer count as seen; how many."""
        with self._engine.begin() as connection:
            old = SEEN.c.seen_at <= int((at - SEEN_FOR).timestamp())
            return connection.execute(delete(SEEN).where(old)).rowcount


def _keep(connection: Connection, stored: Stored, at: datetime) -> None:
    if stored.body is not None:
        row = {
            "log": stored.log, "body": stored.body, "seen_at": int(at.timestamp()), "translation": stored.translation
        }  # fmt: skip
        insert = upsert(connection, SEEN).values(row)
        newest = case((SEEN.c.translation > stored.translation, SEEN.c.translation), else_=stored.translation)
        changed = {"seen_at": row["seen_at"], "translation": newest}
        connection.execute(insert.on_conflict_do_update(index_elements=[SEEN.c.log, SEEN.c.body], set_=changed))
    work_list.keep(connection, stored.kept)
    unmapped.saw(connection, stored.unmapped, at)


# --- the database ---------------------------------------------------------------------------------------------


def open_memory(url: str) -> Engine:
    """The runtime's engine, with a lighter SQLite: after a power cut the newest rows may be forgotten, harmlessly."""
    engine = open_database(url, SERVICE)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous=normal"))
    return engine


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the database to a revision, the newest if none is named. Does nothing when it is there already."""
    with _disposed(open_database(url, SERVICE)) as engine, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"create schema if not exists {SERVICE}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


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
