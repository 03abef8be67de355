"""What can happen to a thread, what comes of it, and why a person's answer is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from refrain.contracts.alerting import AnyAlert
from refrain.contracts.events import Actor, AlertAction, AlertRetracted, Occasion, Recipient
from services.notify.domain.thread import Message, Thread, ToldOnce


@dataclass(frozen=True, slots=True)
class Issued:
    """An alert event came in."""

    event: AnyAlert
    at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The retraction of another alert of the episode names this one too; the other one tells those who were told."""

    event: AlertRetracted
    at: datetime


@dataclass(frozen=True, slots=True)
class Inherits:
    """This alert superseded another: what was told and answered there holds here."""

    predecessor: Thread
    """As it stood before it was closed."""
    at: datetime


@dataclass(frozen=True, slots=True)
class HeardThere:
    """A message of an alert that this one superseded was on its way then, and reached somebody since."""

    entry: ToldOnce
    rank: int
    """Of the superseded alert in the order of urgency."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A person takes it on; ``reason`` is a code of :mod:`refrain.contracts.acknowledging`."""

    actor: Actor
    reason: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordReadBack:
    """A critical result was read back, ``by`` whom; acknowledges it too when nobody has."""

    actor: Actor
    by: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Snooze:
    actor: Actor
    until: datetime
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reassign:
    """``to`` is a person of the roster."""

    actor: Actor
    to: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Begun:
    """A channel is about to be tried with a message for the first time."""

    delivery: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A channel took a message, be it one that was withdrawn while it was on its way."""

    delivery: UUID
    to: Recipient
    occasion: Occasion
    level: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """A channel gave a message up. ``reason``: refused, unreachable, channel_dead, ...: never the server's text."""

    message: Message
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Woke:
    """``wake_at`` has come. A timer that fires early, twice or for nothing changes nothing."""

    at: datetime


Happening = (
    Issued | TakenBack | Inherits | HeardThere | Acknowledge | RecordReadBack | Snooze | Reassign
    | Begun | Sent | Failed | Woke
)  # fmt: skip

Why = Literal[
    "ALREADY_ACKNOWLEDGED", "ENDED", "NOT_CRITICAL", "ALREADY_READ_BACK", "TOO_LONG", "NOT_ON_ROSTER", "NOT_LIVE"
]  # fmt: skip


class IsPast(ValueError):
    """A snooze would end before it begins. Asking again for one that was made is no such case: it is answered again."""


class Refused(Exception):
    """A person's answer makes no sense (any more). ``by`` and ``at``: who was first, and when; nothing of a patient."""

    def __init__(self, reason: Why, *, by: str = "", at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason: Why = reason
        self.by = by
        self.at = at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one happening made of one thread. Nothing changed: the same thread and three empty tuples."""

    thread: Thread
    actions: tuple[AlertAction, ...] = ()
    """Oldest first; numbered from the thread's ``number`` before, in steps of one."""
    messages: tuple[Message, ...] = ()
    """To be sent; they are in ``thread.unsent`` too."""
    withdrawn: tuple[UUID, ...] = ()
    """Deliveries not to be sent any more."""
