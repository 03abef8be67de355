"""People's answers: one transaction each, and the same answer when the same request comes again.

A request that was refused left nothing behind, and is decided anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from services.notify.adapters.desk import Desk
from services.notify.adapters.store import Store
from services.notify.adapters.tables import REQUESTS, microseconds
from services.notify.domain.life import Acknowledge, Reassign, RecordReadBack, Refused, Snooze
from services.notify.domain.thread import Thread

REMEMBERED = timedelta(days=30)
"""How long a request is answered again; far longer than anybody tries."""

Answer = Acknowledge | RecordReadBack | Snooze | Reassign


class UnknownAlert(LookupError):
    """There is no alert with this id."""


class AnotherRequest(ValueError):
    """The request's id was used before, for something else."""


class Answers:
    """Takes what people answer to alerts."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def give(self, request: UUID, hash: str, alert: UUID, answer: Answer) -> Thread:
        """The alert as this answer left it. Of two people at once one wins; the other gets life's ``Refused``.

        ``hash`` stands for all that was asked. Blocking; UnknownAlert, AnotherRequest, SQLAlchemyError.
        """

        def decide(desk: Desk) -> Thread:
            if (given := self._given(desk, request, hash)) is not None:
                return given
            if desk.thread(alert) is None:
                raise UnknownAlert
            try:
                thread = desk.happen(alert, answer).thread
            except Refused:  # perhaps by this very request, answered elsewhere since it was looked for
                if (given := self._given(desk, request, hash)) is not None:
                    return given
                raise
            row = {
                "cluster": self._store.cluster, "request": str(request), "hash": hash,
                "at": microseconds(self._now()), "thread": thread.model_dump_json(),
            }  # fmt: skip
            desk.sql.execute(REQUESTS.insert(), row)
            return thread

        return self._store.work(decide)

    def forget(self) -> int:
        """Drop requests older than :data:`REMEMBERED`; how many."""
        old = REQUESTS.c.at <= microseconds(self._now() - REMEMBERED)
        with self._store.writing() as sql:
            return sql.execute(REQUESTS.delete().where(old)).rowcount

    def _given(self, desk: Desk, request: UUID, hash: str) -> Thread | None:
        query = select(REQUESTS.c.hash, REQUESTS.c.thread).where(
            REQUESTS.c.cluster == self._store.cluster, REQUESTS.c.request == str(request)
        )
        row = desk.sql.execute(query).first()
        if row is None:
            return None
        if row.hash != hash:
            raise AnotherRequest
        return Thread.model_validate_json(row.thread)
