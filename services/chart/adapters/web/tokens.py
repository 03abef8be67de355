"""Tokens of machines for the FHIR API: shown once, stored as a hash, with a role and an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from refrain.runtime.database import READING
from services.chart.adapters.web.accounts import TOKENS, hashed, microseconds, moment_of
from services.chart.adapters.web.audit import note
from services.chart.adapters.web.roles import Person, Role
from services.chart.adapters.web.sessions import new_token
from services.chart.adapters.web.users import ID, By, Refused

PREFIX = "refrain_"
"""So that a token left in a file is found by whoever looks for such things."""
NOTE_USE_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known about a token; never the token."""

    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class Tokens:
    """Blocking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str, role: Role, days: int | None, now: datetime, by: By) -> str:
        """The token, which is not to be had again. Refused when the name is taken or cannot be used."""
        if not ID.fullmatch(name):
            raise Refused("A token's name has small letters, digits and . _ @ + - only, at most 100.")
        token = PREFIX + new_token()
        ends = None if days is None else microseconds(now + timedelta(days=days))
        row = {"key": hashed(token), "name": name, "role": role.value, "created_at": microseconds(now)}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(TOKENS).values(row | {"expires_at": ends}))
                note(connection, now, actor=by.actor, what="token_added", subject=name, detail=role, request=by.request)
        except IntegrityError:
            raise Refused(f"There is a token with the name {name} already.") from None
        return token

    def revoke(self, name: str, now: datetime, by: By) -> None:
        """From the next request on. Refused when there is no such token in use."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(TOKENS)
                .where(TOKENS.c.name == name, TOKENS.c.revoked_at.is_(None))
                .values(revoked_at=microseconds(now))
            )
            if not changed.rowcount:
                raise Refused("There is no such token in use.")
            note(connection, now, actor=by.actor, what="token_revoked", subject=name, request=by.request)

    def find(self, token: str, now: datetime) -> Person | None:
        """Which machine it is; None for a token that is unknown, over or revoked."""
        at = microseconds(now)
        wanted = select(TOKENS.c.key, TOKENS.c.name, TOKENS.c.role, TOKENS.c.used_at).where(
            TOKENS.c.key == hashed(token),
            TOKENS.c.revoked_at.is_(None),
            or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > at),
        )
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        if row.used_at is None or at - row.used_at > NOTE_USE_AFTER // timedelta(microseconds=1):
            with self._engine.begin() as connection:
                connection.execute(update(TOKENS).where(TOKENS.c.key == row.key).values(used_at=at))
        return Person(f"token:{row.name}", row.name, Role(row.role), "api")

    def all(self) -> list[Token]:
        """In order of their names."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            rows = connection.execute(select(TOKENS).order_by(TOKENS.c.name)).all()
        return [
            Token(row.name, Role(row.role), moment_of(row.created_at), _moment(row.expires_at),
                  _moment(row.revoked_at), _moment(row.used_at))
            for row in rows
        ]  # fmt: skip


def _moment(stored: int | None) -> datetime | None:
    return None if stored is None else moment_of(stored)
