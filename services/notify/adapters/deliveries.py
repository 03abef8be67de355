"""What the dispatcher needs of the store: due deliveries, on loan, and where to write down what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notify.domain.thread import Message, Thread


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery on loan to this replica. ``bundle`` is the key it was sent under before, None if it never was."""

    message: Message
    thread: Thread
    attempts: int
    """Tries that failed and were noted by ``retry``; a try that a crash cut short is not among them."""
    bundle: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How one channel has fared, over all replicas and restarts."""

    name: str
    failures: int
    """In a row, since the last success."""
    down_since: datetime | None
    """The first failure of that row; None after a success."""
    last_success: datetime | None


class Deliveries(Protocol):
    """Blocking; safe to call from several threads, and from several replicas on one database."""

    def due_channels(self, now: datetime) -> Collection[str]:
        """Names of channels with a delivery that ``lease`` would hand out now."""

    def lease(self, now: datetime, limit: int, lease_seconds: float, channel: str | None = None) -> Sequence[Due]:
        """Due deliveries (``not_before`` passed, next try due, not on loan), of one channel if one is given.

        Most urgent tier first, then oldest. They are on loan until ``now + lease_seconds``. A bundle is lent whole,
        even if that is more than ``limit``: all that is left of it, so that a repeat says what was said before.
        """

    def bundle(self, key: UUID, messages: Sequence[Message], now: datetime) -> Mapping[UUID, Thread] | None:
        """Note, before they are sent, that these go as one message under ``key``. It never changes afterwards.

        The threads learn in the same transaction that from now on their people may have been told, and are returned by
        alert as they stand then: what they say is what must be sent, since whatever corrects it later is told besides.
        None, and nothing is noted, when one of them was withdrawn or lent to another replica since: then the loan of
        the rest has ended, and none of them may be sent under this key.
        """

    def sent(self, message: Message, now: datetime) -> None:
        """A channel took it: mark it and advance the thread by Sent, in one transaction; a repeat is harmless.

        A delivery that was withdrawn while it was on loan was told all the same, and must be noted as told.
        """

    def retry(self, message: Message, at: datetime, reason: str) -> None:
        """Another try at ``at``; the loan ends, attempts grow by one."""

    def failed(self, message: Message, reason: str, now: datetime) -> None:
        """Give it up: mark it and advance the thread by Failed, in one transaction; a repeat is harmless."""

    def release(self, messages: Sequence[Message], at: datetime) -> None:
        """End the loan without a try: due again at ``at``, attempts unchanged."""

    def channel_result(self, name: str, ok: bool, now: datetime) -> None:
        """Count a success or a failure of a channel; a success ends the row of failures."""

    def channels(self) -> Sequence[ChannelState]:
        """Every channel that was ever tried."""
