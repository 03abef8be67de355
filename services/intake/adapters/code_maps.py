"""What people said that senders' codes mean, in SQL, with who said it and why; withdrawn, never deleted.

Changes of one sender's mappings wait for one another (its row in ``code_maps`` is locked), so that its revision grows
in the order in which they become visible: two readings of a message never have one number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, select, update

from refrain.runtime.database import READING
from services.intake.adapters.tables import CODE_MAPS, MAPPINGS, Act, audit, microseconds, moment_of, upsert
from services.intake.domain.code_map import CodeMap, newer

MOST = 1_000
"""Mappings that are listed at once."""


class Contradicted(Exception):
    """The change does not fit what stands. The text is a sentence for the caller, free of patient data."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One thing that a person said; withdrawn when ``withdrawn_at`` is set."""

    sender: str
    code: str
    system: str
    analyte: str
    mapped_by: str
    mapped_at: datetime
    reason: str
    revision: int
    """Of the sender's code map, since the last change of this mapping."""
    withdrawn_by: str
    withdrawn_at: datetime | None
    withdrawn_reason: str


class CodeMaps:
    """Blocking; safe from several threads and processes. Raises SQLAlchemyError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**{READING: True})

    def current(self) -> dict[str, CodeMap]:
        """The mappings that stand, by sender, read at one moment; a sender without any change is not in it."""
        query = select(
            MAPPINGS.c.sender, MAPPINGS.c.code, MAPPINGS.c.system, MAPPINGS.c.analyte, MAPPINGS.c.revision,
            MAPPINGS.c.withdrawn_revision,
        )  # fmt: skip
        with self._reading.connect() as connection:
            rows = list(connection.execute(query).mappings())
        return {sender: _map(row for row in rows if row["sender"] == sender) for sender in {r["sender"] for r in rows}}

    def add(self, sender: str, code: str, system: str, analyte: str, act: Act, reason: str) -> Mapping:
        """A mapping that holds from now on. Contradicted when the code is mapped; the same request gives the same."""
        with self._engine.begin() as connection:
            before = _lock(connection, sender)
            if (same := _by_request(connection, sender, code, system, MAPPINGS.c.request, act)) is not None:
                return _mapping(same)
            if (found := _standing(connection, sender, code, system)) is not None:
                raise Contradicted(
                    f"{found['mapped_by']} mapped this code to {found['analyte']}; withdraw that mapping first."
                )
            row = {
                "sender": sender, "code": code, "system": system, "analyte": analyte, "mapped_by": act.actor,
                "revision": _count_on(connection, sender, before, act.at), "mapped_at": microseconds(act.at),
                "reason": reason, "request": act.request,
            }  # fmt: skip
            connection.execute(MAPPINGS.insert().values(row))
            audit(connection, act, "mapped", f"{sender}|{code}|{system}", f"{analyte}: {reason}")
            return _mapping(_standing(connection, sender, code, system))

    def withdraw(self, sender: str, code: str, system: str, act: Act, reason: str) -> Mapping:
        """Takes a mapping back. Contradicted when there is none; the same request gives the same answer."""
        with self._engine.begin() as connection:
            before = _lock(connection, sender)
            if (same := _by_request(connection, sender, code, system, MAPPINGS.c.withdrawn_request, act)) is not None:
                return _mapping(same)
            if (found := _standing(connection, sender, code, system)) is None:
                raise Contradicted("Nobody mapped this code, or the mapping was withdrawn already.")
            changed = {
                "withdrawn_revision": _count_on(connection, sender, before, act.at), "withdrawn_by": act.actor,
                "withdrawn_at": microseconds(act.at), "withdrawn_reason": reason, "withdrawn_request": act.request,
            }  # fmt: skip
            connection.execute(update(MAPPINGS).where(MAPPINGS.c.id == found["id"]).values(changed))
            audit(connection, act, "withdrawn", f"{sender}|{code}|{system}", f"{found['analyte']}: {reason}")
            return _mapping(dict(found) | changed)

    def said(self, sender: str = "", *, with_withdrawn: bool = False, limit: int = MOST) -> list[Mapping]:
        """What people said, newest first."""
        query = select(MAPPINGS).order_by(MAPPINGS.c.id.desc()).limit(limit)
        if sender:
            query = query.where(MAPPINGS.c.sender == sender)
        if not with_withdrawn:
            query = query.where(MAPPINGS.c.withdrawn_revision.is_(None))
        with self._reading.connect() as connection:
            return [_mapping(row) for row in connection.execute(query).mappings()]


def _map(rows: Iterable[Any]) -> CodeMap:
    revision, codes = 0, {}
    for row in rows:
        revision = max(revision, row["revision"], row["withdrawn_revision"] or 0)
        if row["withdrawn_revision"] is None:
            codes[f"{row['code']}|{row['system']}"] = row["analyte"]
    return CodeMap(revision, codes)


def _lock(connection: Connection, sender: str) -> int:
    """The revision of the sender's mappings, which nobody else changes until commit."""
    first = upsert(connection, CODE_MAPS).values(sender=sender, revision=0)
    connection.execute(first.on_conflict_do_nothing(index_elements=[CODE_MAPS.c.sender]))
    mine = select(CODE_MAPS.c.revision).where(CODE_MAPS.c.sender == sender).with_for_update()
    return int(connection.execute(mine).scalar_one())


def _count_on(connection: Connection, sender: str, before: int, at: datetime) -> int:
    revision = newer(before, int(at.timestamp()))
    connection.execute(update(CODE_MAPS).where(CODE_MAPS.c.sender == sender).values(revision=revision))
    return revision


def _standing(connection: Connection, sender: str, code: str, system: str) -> Any:
    return (
        connection.execute(_of(sender, code, system).where(MAPPINGS.c.withdrawn_revision.is_(None))).mappings().first()
    )


def _by_request(connection: Connection, sender: str, code: str, system: str, request: Column[Any], act: Act) -> Any:
    """What this very request did before; None when it did nothing yet."""
    query = _of(sender, code, system).where(request == act.request)
    return connection.execute(query).mappings().first() if act.request else None


def _of(sender: str, code: str, system: str) -> Any:
    return select(MAPPINGS).where(MAPPINGS.c.sender == sender, MAPPINGS.c.code == code, MAPPINGS.c.system == system)


def _mapping(row: Any) -> Mapping:
    withdrawn_at = row["withdrawn_at"]
    return Mapping(
        sender=row["sender"], code=row["code"], system=row["system"], analyte=row["analyte"],
        mapped_by=row["mapped_by"], mapped_at=moment_of(row["mapped_at"]), reason=row["reason"],
        revision=row["withdrawn_revision"] or row["revision"],
        withdrawn_by=row["withdrawn_by"] or "", withdrawn_reason=row["withdrawn_reason"] or "",
        withdrawn_at=None if withdrawn_at is None else moment_of(withdrawn_at),
    )  # fmt: skip
