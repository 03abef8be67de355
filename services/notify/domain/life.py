"""The life of an alert with people: :func:`advance` for one thread, :func:`take` for what an alert event moves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from refrain.contracts.alerting import AnyAlert
from services.notify.domain.happenings import (
    Acknowledge,
    Failed,
    Happening,
    Inherits,
    Issued,
    Outcome,
    Reassign,
    RecordReadBack,
    Refused,
    Sent,
    Snooze,
    TakenBack,
    Woke,
)
from services.notify.domain.roster import Roster
from services.notify.domain.thread import Thread

__all__ = [
    "Acknowledge", "Failed", "Happening", "Inherits", "Issued", "Outcome", "Reassign", "RecordReadBack", "Refused",
    "Sent", "Snooze", "TakenBack", "Woke", "advance", "concerned", "take",
]  # fmt: skip


def advance(thread: Thread | None, happening: Happening, roster: Roster) -> Outcome:
    """Move one thread on by one happening. ``Refused`` for an answer of a person that makes no sense.

    ``thread`` is None only for the first event of an alert; anything else about an unknown alert is a ValueError.
    Alert events go through :func:`take`, which knows the other threads that they move.
    """
    raise ValueError("the body follows in the next commit")


def concerned(event: AnyAlert, threads: Mapping[UUID, Thread | None]) -> frozenset[UUID]:
    """The alerts whose threads :func:`take` needs. Load what ``threads`` lacks (None: there is none), ask again."""
    raise ValueError("the body follows in the next commit")


def take(
    event: AnyAlert, threads: Mapping[UUID, Thread | None], roster: Roster, at: datetime
) -> tuple[Outcome, ...]:  # fmt: skip
    """What an alert event makes of every thread that it concerns; only threads that changed, none twice.

    ``at`` is notify's clock. An event that was seen before gives an empty tuple.
    """
    raise ValueError("the body follows in the next commit")
