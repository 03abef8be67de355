"""People who may sign in: local ones with a password, and those whom the provider vouches for; changes are audited."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from refrain.runtime.database import READING
from services.chart.adapters.web import passwords
from services.chart.adapters.web.accounts import FAILURES, SESSIONS, USERS, hashed, microseconds, moment_of
from services.chart.adapters.web.audit import note
from services.chart.adapters.web.roles import Role

ID = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
FAILURES_PER_PERSON = 10
FAILURES_PER_ADDRESS = 50
"""A ward shares one address; so does a password sprayer, over many names."""
FAILURES_WITHIN = timedelta(minutes=15)

UNKNOWN = "(unknown)"
"""In the audit, for a name that is nobody's: it may be a password typed into the wrong field."""

Source = Literal["local", "oidc"]


class Refused(Exception):
    """A change or a sign-in that is not possible. The text is a sentence for the person who asked."""


class TooManyAttempts(Refused):
    """Wrong passwords, too many of them."""


@dataclass(frozen=True, slots=True)
class User:
    """One account."""

    id: str
    name: str
    role: Role
    source: Source
    must_change: bool
    created_at: datetime
    disabled_at: datetime | None
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class By:
    """Who changes an account, and in which request."""

    actor: str
    request: str = ""


def normal_id(text: str) -> str:
    """As it is stored: without blanks around it, in lower case."""
    return text.strip().lower()


class Users:
    """Blocking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- reading ---

    def all(self) -> list[User]:
        """In order of their ids."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            return [_user(row) for row in connection.execute(select(USERS).order_by(USERS.c.id)).mappings()]

    def find(self, user: str) -> User | None:
        """One account."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            row = connection.execute(select(USERS).where(USERS.c.id == user)).mappings().one_or_none()
        return None if row is None else _user(row)

    # --- signing in ---

    def with_password(self, typed: str, password: str, address: str, now: datetime, request: str = "") -> User:
        """The person, when name and password are right; Refused otherwise, in the same time whatever is wrong."""
        row = self._recognised(normal_id(typed), password, address, now, request)
        with self._engine.begin() as connection:
            return self._signs_in(connection, row, now, request, address)

    def _recognised(self, user: str, password: str, address: str, now: datetime, request: str) -> Any:
        self._count_failure(user, address, now)
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            row = connection.execute(select(USERS).where(USERS.c.id == user)).mappings().one_or_none()
        right = passwords.matches(password, row["password"] if row else None)
        with self._engine.begin() as connection:
            if right and row is not None and row["disabled_at"] is None:
                connection.execute(delete(FAILURES).where(FAILURES.c.who == hashed(user)))
                return row
            known = user if row else UNKNOWN
            note(connection, now, actor=known, what="signin_refused", subject=known, detail=address, request=request)
        raise Refused("The name or the password is not right, or the account is disabled.")

    def _count_failure(self, user: str, address: str, now: datetime) -> None:
        """Before the password is looked at, so that many at once are counted; taken back when it is right."""
        since = microseconds(now - FAILURES_WITHIN)
        who = hashed(user)
        recent = select(func.count()).select_from(FAILURES).where(FAILURES.c.at > since)
        with self._engine.begin() as connection:
            connection.execute(delete(FAILURES).where(FAILURES.c.at <= since))
            of_person = connection.scalar(recent.where(FAILURES.c.who == who)) or 0
            of_address = connection.scalar(recent.where(FAILURES.c.address == address)) or 0
            full = of_person >= FAILURES_PER_PERSON or of_address >= FAILURES_PER_ADDRESS
            if not full:
                connection.execute(insert(FAILURES).values(at=microseconds(now), who=who, address=address))
        if full:
            minutes = FAILURES_WITHIN // timedelta(minutes=1)
            raise TooManyAttempts(f"There were too many attempts to sign in. Wait {minutes} minutes and try again.")

    def from_provider(
        self, user: str, name: str, role: Role, subject: str, now: datetime, request: str = "", address: str = ""
    ) -> User:
        """The person for whom the provider vouches, made at the first sign-in, with the role of this one.

        The subject is the person: one whom the provider calls otherwise now keeps the account, under the new name.
        """
        user = normal_id(user)
        if not ID.fullmatch(user):
            raise Refused("Your name at the sign-in cannot be used here. Ask an administrator.")
        with self._engine.begin() as connection:
            known = self._of_subject(connection, user, subject)
            if known is None:
                self._insert(connection, user, name, role, "oidc", now, subject=subject)
                note(connection, now, actor=user, what="created", subject=user, detail=role, request=request)
            elif known["id"] != user:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.person == known["id"]))
                connection.execute(update(USERS).where(USERS.c.subject == subject).values(id=user))
                note(connection, now, actor=user, what="renamed", subject=user, detail=known["id"], request=request)
            if known is not None and known["role"] != role:
                note(connection, now, actor=user, what="role", subject=user, detail=role, request=request)
            connection.execute(update(USERS).where(USERS.c.id == user).values(name=name, role=role.value))
            row = connection.execute(select(USERS).where(USERS.c.id == user)).mappings().one()
            return self._signs_in(connection, row, now, request, address)

    def _of_subject(self, connection: Connection, user: str, subject: str) -> Any:
        """The account of this person of the provider; None when there is none yet. Refused when it may not be used."""
        rows = connection.execute(select(USERS).where(or_(USERS.c.id == user, USERS.c.subject == subject))).mappings()
        known = rows.all()
        if any(row["subject"] != subject for row in known):
            raise Refused("Your name at the sign-in belongs to somebody else here. Ask an administrator.")
        if any(row["disabled_at"] for row in known):
            raise Refused("Your account is disabled here. Ask an administrator.")
        return known[0] if known else None

    def welcome(self, user: str, subject: str) -> bool:
        """Whether this person of the provider may ask with a token: not disabled here, and nobody else's name."""
        with self._engine.connect().execution_options(**{READING: True}) as connection:
            try:
                self._of_subject(connection, user, subject)
            except Refused:
                return False
        return True

    def _signs_in(self, connection: Connection, row: Any, now: datetime, request: str, address: str) -> User:
        connection.execute(update(USERS).where(USERS.c.id == row["id"]).values(signed_in_at=microseconds(now)))
        note(connection, now, actor=row["id"], what="signed_in", subject=row["id"], detail=address, request=request)
        return _user(row)

    # --- changing ---

    def add(self, user: str, name: str, role: Role, password: str, now: datetime, by: By, *, must_change: bool) -> None:
        """A local person; Refused when the id is taken or cannot be used, or the password is too weak."""
        user = normal_id(user)
        if not ID.fullmatch(user):
            raise Refused("A name to sign in with has small letters, digits and . _ @ + - only, at most 100.")
        if problem := passwords.problem_of(password, user):
            raise Refused(problem)
        stored = passwords.hash_of(password)
        try:
            with self._engine.begin() as connection:
                self._insert(
                    connection, user, name.strip() or user, role, "local", now, password=stored, must_change=must_change
                )
                note(connection, now, actor=by.actor, what="created", subject=user, detail=role, request=by.request)
        except IntegrityError:
            raise Refused(f"There is a person with the name {user} already.") from None

    def set_role(self, user: str, role: Role, now: datetime, by: By) -> None:
        """Of a local person; from the next request on. Refused for the last administrator."""
        with self._engine.begin() as connection:
            self._existing(connection, user, local=True)
            if role is not Role.ADMINISTRATOR:
                self._not_the_last(connection, user)
            connection.execute(update(USERS).where(USERS.c.id == user).values(role=role.value))
            note(connection, now, actor=by.actor, what="role", subject=user, detail=role, request=by.request)

    def disable(self, user: str, now: datetime, by: By) -> None:
        """Ends the person's sessions. Refused for the last administrator."""
        with self._engine.begin() as connection:
            self._existing(connection, user)
            self._not_the_last(connection, user)
            connection.execute(update(USERS).where(USERS.c.id == user).values(disabled_at=microseconds(now)))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.person == user))
            note(connection, now, actor=by.actor, what="disabled", subject=user, request=by.request)

    def enable(self, user: str, now: datetime, by: By) -> None:
        with self._engine.begin() as connection:
            self._existing(connection, user)
            connection.execute(update(USERS).where(USERS.c.id == user).values(disabled_at=None))
            note(connection, now, actor=by.actor, what="enabled", subject=user, request=by.request)

    def reset_password(self, user: str, now: datetime, by: By) -> str:
        """A new password, to be told to the person and changed at their next sign-in; ends their sessions."""
        password = passwords.generated()
        stored = passwords.hash_of(password)
        with self._engine.begin() as connection:
            self._existing(connection, user, local=True)
            self._set_password(connection, user, stored, must_change=True)
            note(connection, now, actor=by.actor, what="password_reset", subject=user, request=by.request)
        return password

    def change_password(self, user: str, old: str, new: str, address: str, now: datetime, request: str) -> None:
        """By the person, who knows the old one; ends all of their sessions. Counts wrong ones as at the sign-in."""
        self._recognised(user, old, address, now, request)
        if problem := passwords.problem_of(new, user) or ("" if new != old else "The new password is the old one."):
            raise Refused(problem)
        stored = passwords.hash_of(new)
        with self._engine.begin() as connection:
            self._set_password(connection, user, stored, must_change=False)
            note(connection, now, actor=user, what="password_changed", subject=user, request=request)

    def _set_password(self, connection: Connection, user: str, stored: str, *, must_change: bool) -> None:
        connection.execute(update(USERS).where(USERS.c.id == user).values(password=stored, must_change=must_change))
        connection.execute(delete(SESSIONS).where(SESSIONS.c.person == user))
        connection.execute(delete(FAILURES).where(FAILURES.c.who == hashed(user)))

    def _insert(
        self,
        connection: Connection,
        user: str,
        name: str,
        role: Role,
        source: Source,
        now: datetime,
        *,
        subject: str | None = None,
        password: str | None = None,
        must_change: bool = False,
    ) -> None:
        row: dict[str, Any] = {"id": user, "name": name, "role": role.value, "source": source, "subject": subject}
        row |= {"password": password, "must_change": must_change, "created_at": microseconds(now)}
        connection.execute(insert(USERS).values(row))

    def _existing(self, connection: Connection, user: str, *, local: bool = False) -> None:
        source = connection.scalar(select(USERS.c.source).where(USERS.c.id == user))
        if source is None:
            raise Refused("There is no such person.")
        if local and source != "local":
            raise Refused("Role and password of this person are kept where they sign in, not here.")

    def _not_the_last(self, connection: Connection, user: str) -> None:
        others = select(func.count()).where(
            USERS.c.role == Role.ADMINISTRATOR.value, USERS.c.disabled_at.is_(None), USERS.c.id != user
        )
        own = select(USERS.c.role).where(USERS.c.id == user)
        if connection.scalar(own) == Role.ADMINISTRATOR.value and not connection.scalar(others):
            raise Refused("This is the last administrator: make another one first.")


def _user(row: Any) -> User:
    def moment(name: str) -> datetime | None:
        return None if row[name] is None else moment_of(row[name])

    return User(
        row["id"], row["name"], Role(row["role"]), row["source"], row["must_change"], moment_of(row["created_at"]),
        moment("disabled_at"), moment("signed_in_at"),
    )  # fmt: skip
