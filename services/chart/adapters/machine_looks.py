"""Who asked over gRPC about whom, in the same audit as the looks of people."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import grpc

from refrain.runtime.grpc_server import in_thread
from services.chart.adapters.web.audit import Audit, AuditAway
from services.chart.adapters.web.roles import Person, Role

log = logging.getLogger(__name__)

UNAUDITED = "this look cannot be written down at present, so nothing is shown: try again in a moment"
LONGEST_NAME = 150
"""Characters of a caller's name in the audit."""


@dataclass(frozen=True, slots=True)
class _Look:
    caller: Person
    at: datetime
    what: str
    patients: tuple[UUID | None, ...]
    subject: str


class MachineLooks:
    """Writes looks of machines down; blocking work runs in threads."""

    def __init__(self, audit: Audit, now: Callable[[], datetime]) -> None:
        self._audit = audit
        self._now = now
        self._waiting: list[_Look] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(
        self, context: grpc.aio.ServicerContext, what: str, patients: Sequence[UUID], subject: str = ""
    ) -> None:
        """Before it is answered; nobody in particular where nobody was found. UNAVAILABLE when it could not be."""
        try:
            await in_thread(context, self._write, self._look(context, what, patients, subject))
        except AuditAway:
            await context.abort(grpc.StatusCode.UNAVAILABLE, UNAUDITED)

    def soon(self, context: grpc.aio.ServicerContext, what: str, patients: Sequence[UUID], subject: str) -> None:
        """As soon as the database has time, without holding the answer up: an alert is worded within half a second.

        One that fails is counted and logged.
        """
        self._waiting.append(self._look(context, what, patients, subject))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        while self._waiting:
            looks, self._waiting = self._waiting, []
            await asyncio.to_thread(self._write_each, looks)

    def _write_each(self, looks: Sequence[_Look]) -> None:
        for look in looks:
            try:
                self._write(look)
            except AuditAway as away:
                log.error("a look was not written down", extra={"reason": type(away.__cause__).__name__})

    def _write(self, look: _Look) -> None:
        self._audit.look_at_each(
            look.caller, look.at, patients=look.patients, what=look.what, subject=look.subject, request=str(uuid4())
        )

    def _look(
        self, context: grpc.aio.ServicerContext, what: str, patients: Sequence[UUID], subject: str
    ) -> _Look:  # fmt: skip
        return _Look(caller(context), self._now(), f"grpc {what}", tuple(patients) or (None,), subject)


def caller(context: grpc.aio.ServicerContext) -> Person:
    """Whom its certificate names; without mutual TLS only where the call came from is known."""
    proven = context.auth_context()
    named = [
        name.decode("utf-8", "replace")
        for field in ("x509_common_name", "x509_subject_alternative_name")
        for name in proven.get(field) or ()
        if name
    ]
    host = context.peer().rpartition(":")[0] or context.peer()
    name = (named[0] if named else host)[:LONGEST_NAME]
    return Person(f"grpc:{name}", name, Role.VIEWER, "api")
