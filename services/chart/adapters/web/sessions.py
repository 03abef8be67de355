"""Sessions on the server: the browser holds a random token, the database its hash.

A session ends when nobody asked anything for a while, when it is too old, when the person signs out, is disabled or
gets another password. Pages that refresh themselves do not keep it alive.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert, or_, select, update

from refrain.runtime.database import READING
from services.chart.adapters.web.accounts import ATTEMPTS, SESSIONS, USERS, hashed, microseconds
from services.chart.adapters.web.audit import note
from services.chart.adapters.web.roles import Person, Role

TOUCH_AFTER = timedelta(seconds=30)
"""A request this long after the one written down is written down: the idle time is this much shorter at most."""
ATTEMPT_LASTS = timedelta(minutes=10)
"""From leaving for the provider to coming back."""
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """After which a session ends."""

    idle: timedelta
    longest: timedelta


def new_token() -> str:
    """For a cookie or a machine."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def csrf_of(token: str) -> str:
    """What a form must carry to come from a page of this session; says nothing about the token itself."""
    return hmac.new(token.encode(), b"csrf", "sha256").hexdigest()


class Sessions:
    """Blocking; times are given."""

    def __init__(self, engine: Engine, times: SessionTimes) -> None:
        self._engine = engine
        self.times = times

    def begin(self, person: str, now: datetime, *, id_token: str = "", instead_of: str = "") -> str:
        """The token of a new session; ends the one it replaces and forgets those that are over."""
        token, at = new_token(), microseconds(now)
        row = {"key": hashed(token), "person": person, "created_at": at, "seen_at": at, "id_token": id_token}
        with self._engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(or_(SESSIONS.c.key == hashed(instead_of), self._over(now))))
            connection.execute(insert(SESSIONS).values(row))
        return token

    def find(self, token: str, now: datetime, *, alive: bool) -> Person | None:
        """Whose session it is. ``alive``: a person did something, so the idle time starts again."""
        found, seen_at = self._person(hashed(token), now)
        if found is not None and alive and microseconds(now) - seen_at > TOUCH_AFTER // timedelta(microseconds=1):
            with self._engine.begin() as connection:
                connection.execute(
                    update(SESSIONS).where(SESSIONS.c.key == found.session).values(seen_at=microseconds(now))
                )
        return found

    def still(self, session: str, now: datetime) -> bool:
        """Whether the session of a :class:`Person` goes on: for answers that stay open. Keeps nothing alive."""
        return self._person(session, now)[0] is not None

    def end(self, token: str, now: datetime, request: str = "") -> str:
        """End it; its ID token of the provider, empty when there is none."""
        key = hashed(token)
        with self._engine.begin() as connection:
            found = connection.execute(select(SESSIONS).where(SESSIONS.c.key == key)).one_or_none()
            if found is None:
                return ""
            connection.execute(delete(SESSIONS).where(SESSIONS.c.key == key))
            note(connection, now, actor=found.person, what="signed_out", subject=found.person, request=request)
        return str(found.id_token)

    # --- on the way to the provider and back ---

    def leave(self, visit: str, attempt: dict[str, Any], now: datetime) -> None:
        """Keep what must be known when the browser of this visit comes back; only its newest attempt counts."""
        row = {"key": hashed(visit), "data": json.dumps(attempt), "expires_at": microseconds(now + ATTEMPT_LASTS)}
        over = or_(ATTEMPTS.c.key == row["key"], ATTEMPTS.c.expires_at <= microseconds(now))
        with self._engine.begin() as connection:
            connection.execute(delete(ATTEMPTS).where(over))
            connection.execute(insert(ATTEMPTS).values(row))

    def come_back(self, visit: str, now: datetime) -> dict[str, Any] | None:
        """What was kept, once; None when nothing was, or it took too long."""
        kept = (ATTEMPTS.c.key == hashed(visit), ATTEMPTS.c.expires_at > microseconds(now))
        with self._engine.begin() as connection:
            data = connection.scalar(select(ATTEMPTS.c.data).where(*kept))
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.key == hashed(visit)))
        found: dict[str, Any] | None = json.loads(data) if data else None
        return found

    def _person(self, key: str, now: datetime) -> tuple[Person | None, int]:
        found = (
            select(USERS.c.id, USERS.c.name, USERS.c.role, USERS.c.must_change, SESSIONS.c.seen_at)
            .join_from(SESSIONS, USERS, SESSIONS.c.person == USERS.c.id)
            .where(SESSIONS.c.key == key, USERS.c.disabled_at.is_(None), ~self._over(now))
        )
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            row = connection.execute(found).one_or_none()
        if row is None:
            return None, 0
        return Person(row.id, row.name, Role(row.role), "console", key, row.must_change), row.seen_at

    def _over(self, now: datetime) -> Any:
        idle, longest = microseconds(now - self.times.idle), microseconds(now - self.times.longest)
        return or_(SESSIONS.c.seen_at <= idle, SESSIONS.c.created_at <= longest)
