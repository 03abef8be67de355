"""Codes that results came with and that led nowhere, in SQL: how often, since when, under which name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from refrain.runtime.database import READING
from services.intake.adapters.tables import UNMAPPED, microseconds, moment_of, upsert
from services.intake.domain.code_map import Sighting

MOST = 1_000
"""Codes that are listed at once."""


@dataclass(frozen=True, slots=True)
class UnmappedCode:
    """One code of one sender. ``count`` counts results, those of a message that came again included."""

    sender: str
    code: str
    system: str
    name: str
    count: int
    first_seen_at: datetime
    last_seen_at: datetime


class UnmappedCodes:
    """Blocking. Raises SQLAlchemyError when the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._reading = engine.execution_options(**{READING: True})

    def all(self, sender: str = "") -> list[UnmappedCode]:
        """Every code that ever led nowhere, most frequent first; whether it leads somewhere now is not looked at."""
        order = UNMAPPED.c.count.desc(), UNMAPPED.c.sender, UNMAPPED.c.code, UNMAPPED.c.system
        query = select(UNMAPPED).order_by(*order)
        if sender:
            query = query.where(UNMAPPED.c.sender == sender)
        with self._reading.connect() as connection:
            return [
                UnmappedCode(
                    row["sender"], row["code"], row["system"], row["name"], row["count"],
                    moment_of(row["first_seen_at"]), moment_of(row["last_seen_at"]),
                )
                for row in connection.execute(query).mappings()
            ]  # fmt: skip


def saw(connection: Connection, sightings: Sequence[Sighting], at: datetime) -> None:
    """Counts the codes of one message, within the transaction that remembers it."""
    now = microseconds(at)
    for one in sightings:
        row = {
            "sender": one.sender, "code": one.code, "system": one.system, "name": one.name, "count": one.count,
            "first_seen_at": now, "last_seen_at": now,
        }  # fmt: skip
        changed = {"count": UNMAPPED.c.count + one.count, "name": one.name, "last_seen_at": now}
        insert = upsert(connection, UNMAPPED).values(row)
        connection.execute(insert.on_conflict_do_update(index_elements=list(UNMAPPED.primary_key), set_=changed))
