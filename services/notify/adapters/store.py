"""What notify keeps, in SQL: every happening is one transaction over threads, actions and messages.

Blocking, safe from several threads and several replicas. SQLAlchemyError when the database is away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from refrain.runtime.database import READING
from services.notify.adapters.desk import Conflict, Desk, Step, inserting
from services.notify.adapters.tables import HOLDS, microseconds
from services.notify.domain.roster import Roster

SERVICE = "notify"
MIGRATIONS = "services.notify.adapters:migrations"
ATTEMPTS = 20
"""How often a happening is decided again because somebody else changed its thread meanwhile."""
BEHIND_SECONDS = 0.05
RETRIED = ("40001", "40P01")
"""PostgreSQL's serialization failure and deadlock: the transaction is gone, and may be done again at once."""

Result = TypeVar("Result")
Committed = Callable[[Sequence[Step]], None]


class Contradiction(Exception):
    """What should be written contradicts what is there, however often it is decided: a defect, never a race."""


class Store:
    """The database of one Kafka cluster. ``committed`` is told what was written, once it is durable."""

    def __init__(self, engine: Engine, cluster: str, roster: Roster, committed: Committed = lambda _: None) -> None:
        self._engine = engine
        self.cluster = cluster
        self.roster = roster
        self._committed = committed

    def close(self) -> None:
        self._engine.dispose()

    def reading(self) -> Connection:
        """A connection that only reads."""
        return self._engine.connect().execution_options(**{READING: True})

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction as a context, for what changes no thread."""
        return self._engine.begin()

    def work(self, decide: Callable[[Desk], Result], attempts: int = ATTEMPTS) -> Result:
        """Run one happening in a transaction, again from the start when a thread was changed under it.

        ``decide`` must have no other effect than on its desk. What it raises undoes everything.
        """
        retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=wait_random(0, BEHIND_SECONDS),
            retry=retry_if_exception_type((Conflict, Contradiction)),
            reraise=True,
        )
        result: Result = retrying(self._once, decide)
        return result

    def _once(self, decide: Callable[[Desk], Result]) -> Result:
        try:
            with self._engine.begin() as sql:
                desk = Desk(sql, self.cluster, self.roster)
                result = decide(desk)
                desk.write()
        except IntegrityError as error:  # two wrote the same new row, or, if it stays, the decision is wrong
            raise Contradiction(type(error.orig).__name__) from None
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in RETRIED:
                raise Conflict from error
            raise
        if desk.steps:
            self._committed(desk.steps)
        return result

    def hold(self, work: str, holder: str, now: datetime, seconds: float) -> bool:
        """Whether ``holder`` may do this work alone until ``now + seconds``; holding it already prolongs it."""
        row = {"cluster": self.cluster, "work": work, "holder": holder}
        until = microseconds(now + timedelta(seconds=seconds))
        with self._engine.begin() as sql:
            insert = inserting(sql)(HOLDS).values(row | {"until": until})
            free = (HOLDS.c.holder == holder) | (HOLDS.c.until <= microseconds(now))
            taken = insert.on_conflict_do_update(
                index_elements=HOLDS.primary_key.columns,
                set_={"holder": insert.excluded.holder, "until": insert.excluded.until},
                where=free,
            ).returning(HOLDS.c.holder)
            return sql.execute(taken).first() is not None

    def let_go(self, work: str, holder: str) -> None:
        """Let others have this work at once."""
        with self._engine.begin() as sql:
            sql.execute(
                HOLDS.delete().where(HOLDS.c.cluster == self.cluster, HOLDS.c.work == work, HOLDS.c.holder == holder)
            )

    def alone(self, sql: Connection, work: str) -> None:
        """Wait until no other transaction does this work; until the end of this one nobody else does."""
        row = {"cluster": self.cluster, "work": work, "holder": "", "until": 0}
        sql.execute(inserting(sql)(HOLDS).values(row).on_conflict_do_nothing())
        mine = (HOLDS.c.cluster == self.cluster, HOLDS.c.work == work)
        sql.execute(select(HOLDS.c.work).where(*mine).with_for_update())
