"""Who looked at whom, and who changed which account: written before the answer is sent, never changed afterwards.

What cannot be written down is not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import Connection, Engine, Select, insert, select
from sqlalchemy.exc import SQLAlchemyError

from refrain.runtime.database import READING
from services.chart import metrics
from services.chart.adapters.web.accounts import ACCOUNT_EVENTS, LOOKS, microseconds, moment_of
from services.chart.adapters.web.roles import Person, signed_in

PAGE = 100
"""Rows of the audit shown at once."""
LONGEST_SUBJECT = 200
"""Characters; a path may say more, and the rest of it is dropped."""


ACCOUNT_EVENT_WORDS = {
    "created": "Account made", "role": "Role set", "disabled": "Disabled", "enabled": "Enabled",
    "password_reset": "Password reset", "password_changed": "Password changed", "signed_in": "Signed in",
    "signed_out": "Signed out", "signin_refused": "Sign-in refused", "token_added": "Token made",
    "token_revoked": "Token revoked", "renamed": "Renamed by the provider",
}  # fmt: skip
"""All that :func:`note` is given."""


class AuditAway(Exception):
    """A look could not be written down, so nothing may be shown."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a patient, or at something that may hold a patient's data."""

    id: int
    at: datetime
    person: str
    role: str
    via: str
    patient: str | None
    what: str
    subject: str
    request: str


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One change of an account, or one sign-in."""

    id: int
    at: datetime
    actor: str
    what: str
    subject: str
    detail: str
    request: str


class Audit:
    """Blocking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(
        self, person: Person, now: datetime, *, patient: UUID | None, what: str, subject: str, request: str
    ) -> None:
        """Write one look down; AuditAway when it could not be."""
        self.look_at_each(person, now, patients=(patient,), what=what, subject=subject, request=request)

    def look_at_each(
        self,
        person: Person,
        now: datetime,
        *,
        patients: Sequence[UUID | None],
        what: str,
        subject: str = "",
        request: str,
    ) -> None:
        """Write down one look that shows several patients, a row for each; AuditAway when it could not be."""
        row = {
            "at": microseconds(now), "person": person.id, "role": person.role.value, "via": person.via,
            "what": what, "subject": subject[:LONGEST_SUBJECT], "request": request,
        }  # fmt: skip
        rows = [row | {"patient": str(patient) if patient else None} for patient in patients]
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(LOOKS), rows)
        except SQLAlchemyError as error:
            metrics.LOOKS.labels("failed").inc()
            raise AuditAway from error
        metrics.LOOKS.labels("written").inc()

    def looked(self, person: Person, since: datetime, *, what: str, subject: str) -> bool:
        """Whether the person's look at the same was written down since then."""
        same = (LOOKS.c.person == person.id, LOOKS.c.what == what, LOOKS.c.subject == subject[:LONGEST_SUBJECT])
        wanted = select(LOOKS.c.id).where(*same, LOOKS.c.at >= microseconds(since)).order_by(LOOKS.c.id.desc())
        return bool(self._read(wanted.limit(1)))

    def looks(
        self,
        *,
        person: str = "",
        patient: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = PAGE,
    ) -> list[Look]:
        """Newest first. ``before``: id of the last one of the page before."""
        wanted = select(LOOKS).order_by(LOOKS.c.id.desc()).limit(limit)
        if person:
            wanted = wanted.where(LOOKS.c.person == person)
        if patient:
            wanted = wanted.where(LOOKS.c.patient == patient)
        if since is not None:
            wanted = wanted.where(LOOKS.c.at >= microseconds(since))
        if until is not None:
            wanted = wanted.where(LOOKS.c.at < microseconds(until))
        if before is not None:
            wanted = wanted.where(LOOKS.c.id < before)
        return [Look(**{**row, "at": moment_of(row["at"])}) for row in self._read(wanted)]

    def account_events(self, *, subject: str = "", before: int | None = None, limit: int = PAGE) -> list[AccountEvent]:
        """Newest first."""
        wanted = select(ACCOUNT_EVENTS).order_by(ACCOUNT_EVENTS.c.id.desc()).limit(limit)
        if subject:
            wanted = wanted.where(ACCOUNT_EVENTS.c.subject == subject)
        if before is not None:
            wanted = wanted.where(ACCOUNT_EVENTS.c.id < before)
        return [AccountEvent(**{**row, "at": moment_of(row["at"])}) for row in self._read(wanted)]

    def _read(self, wanted: Select[Any]) -> list[dict[str, Any]]:
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            return [dict(row) for row in connection.execute(wanted).mappings()]


def note(
    connection: Connection, now: datetime, *, actor: str, what: str, subject: str, detail: str = "", request: str = ""
) -> None:
    """Write a change of an account down, in the transaction of the change itself."""
    row = {"at": microseconds(now), "actor": actor, "what": what, "subject": subject, "detail": detail}
    connection.execute(insert(ACCOUNT_EVENTS).values(row | {"request": request}))


async def look(request: Request, what: str, *, patient: UUID | None, subject: str = "") -> None:
    """For a page that learns only from its own reading whose data it shows: call it before it answers."""
    console = request.app.state.console
    await asyncio.to_thread(
        console.audit.look,
        signed_in(request),
        console.now(),
        patient=patient,
        what=what,
        subject=subject,
        request=request.state.request_id,
    )


async def look_at_each(request: Request, what: str, patients: Sequence[UUID]) -> None:
    """For a page that shows several patients; a look at nobody in particular when there are none."""
    console = request.app.state.console
    await asyncio.to_thread(
        console.audit.look_at_each,
        signed_in(request),
        console.now(),
        patients=patients or (None,),
        what=what,
        request=request.state.request_id,
    )


async def goes_on(request: Request, what: str, subject: str) -> bool:
    """Whether a page that refreshes itself was asked for by the person before: that look was written down.

    The page says by itself that it is a refresh, so a claim without such a look is a look of its own.
    """
    console = request.app.state.console
    since = console.now() - console.sessions.times.longest
    found: bool = await asyncio.to_thread(console.audit.looked, signed_in(request), since, what=what, subject=subject)
    return found


def looks_at(what: str, subject: str = "") -> Callable[..., Awaitable[None]]:
    """Dependency of a page about one patient, whose path has ``chart_id``.

    ``subject`` names the path parameter of what else is looked at: ``looks_at("result", "result")``.
    """

    async def dependency(request: Request, chart_id: UUID) -> None:
        looked = str(request.path_params[subject]) if subject else ""
        await look(request, what, patient=chart_id, subject=looked)

    return dependency
