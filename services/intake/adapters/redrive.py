"""One message of the work list through the door again: read back, translate, publish, settle the list."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from services.intake import metrics
from services.intake.adapters.memory import Memory, Stored
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.tables import Act
from services.intake.adapters.work_list import Item
from services.intake.domain.framing import Frame
from services.intake.domain.translation import Translation

log = logging.getLogger(__name__)

Again = Callable[[Frame, str, datetime], Awaitable[tuple[Translation, Stored]]]
"""The door: see :meth:`services.intake.app.Intake.again`."""


class Raw(Protocol):
    """Where bytes come back from; see :class:`services.intake.adapters.raw_messages.RawMessages`."""

    def fetch(self, item: Item, seconds: float) -> Awaitable[bytes]: ...


class Refused(Exception):
    """The entry cannot be driven again. The text is a sentence for the caller, free of patient data."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of it: the message, the entry that was asked about, and what of the message is open now."""

    translation: Translation
    item: Item
    still_open: Sequence[Item]


class Redriver:
    """Drives entries again, one call each; two at once, here or in another process, end the same."""

    def __init__(self, memory: Memory, raw: Raw, again: Again) -> None:
        self._memory = memory
        self._raw = raw
        self._again = again

    async def redrive(self, event_id: str, act: Act, seconds: float) -> Redriven:
        """Kafka has all of it afterwards.

        KeyError: no such entry; Refused, Gone, Away or NotStored say why not; SQLAlchemyError when the work list is
        away. Whatever is raised, the entry is as open as it was.
        """
        until = time.monotonic() + seconds
        item = await asyncio.to_thread(self._memory.work_list.get, event_id)
        if item.decided:
            raise Refused(f"{item.resolved_by} resolved it ({item.resolution}); reopen it before driving it again.")
        frame = _frame(await self.raw(item, until - time.monotonic()), item)
        try:
            translation, stored = await self._again(frame, item.listener, item.recorded_at)
        except NotStored:
            metrics.REDRIVEN.labels("not_stored").inc()
            raise
        entries = await asyncio.to_thread(
            self._memory.redriven, item, act, translation.outcome, translation.reason or "", stored, translation.sender
        )
        metrics.REDRIVEN.labels(translation.outcome).inc()
        log.info(
            "driven again",
            extra={"event_id": event_id, "outcome": translation.outcome, "reason": translation.reason or ""},
        )
        now = next(entry for entry in entries if entry.event_id == event_id)
        return Redriven(translation, now, [entry for entry in entries if entry.open])

    async def raw(self, item: Item, seconds: float) -> bytes:
        """The message of an entry as it was received; Refused when it never was kept, Gone and Away as they are."""
        if item.raw_kept is False:
            raise Refused("The message was too large to keep; only its sender can send it again.")
        return await self._raw.fetch(item, seconds)


def _frame(raw: bytes, item: Item) -> Frame:
    """As it came in: half a message is never read as a whole one, however often it is driven again."""
    return Frame(raw, len(raw), sha256(raw).hexdigest(), incomplete=item.reason == "frame_incomplete")
