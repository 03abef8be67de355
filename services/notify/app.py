"""The way of an alert to people and back:

    alerts.v1 ─▶ alerts_in ─┐                        ┌─▶ dispatcher ─▶ mail, webhook, apprise ─▶ sent, failed ─┐
    clock ─────▶ timers ────┼─▶ advance ─▶ database ─┤                                                         │
    people ────▶ answers ───┤                        └─▶ outbox ─▶ alert-actions.v1                            │
                            └──────────────────────────────────────────────────────────────────────────────────┘

Every arrow into ``advance`` is one transaction over the thread, its actions and its messages. Telling people never
waits for Kafka, and Kafka's offsets are acknowledged after the database has the batch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from refrain.runtime.leaving import ExitCode, Leave, leave, place_of

log = logging.getLogger(__name__)

SERVICE = "notify"
READER_SECONDS = 10.0
"""How long the reader may take to finish its batch at a stop. One that does not come back is acknowledged by nobody."""


class Loop(Protocol):
    """Works until told to stop, then finishes what it began."""

    async def run(self, until: asyncio.Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Notify:
    """What runs, and in which order it ends."""

    read: Callable[[threading.Event], None]
    """Takes alerts in; blocking, for a thread of its own."""
    timers: Loop
    figures: Loop
    dispatcher: Loop
    outbox: Loop
    leave: Leave = leave

    async def run(self, until: asyncio.Event) -> None:
        """Until told to stop: then nothing is begun, what is under way is finished, and what was done is published."""
        stop_reading, stop_sending, stop_publishing = threading.Event(), asyncio.Event(), asyncio.Event()
        reader = threading.Thread(target=self.read, args=(stop_reading,), name="reader", daemon=True)
        reader.start()
        begins = [self._start(self.timers, until), self._start(self.figures, until)]
        sends, publishes = self._start(self.dispatcher, stop_sending), self._start(self.outbox, stop_publishing)
        await until.wait()
        stop_reading.set()
        await asyncio.to_thread(reader.join, READER_SECONDS)
        await asyncio.gather(*begins)
        stop_sending.set()
        await sends
        stop_publishing.set()
        await publishes

    def _start(self, loop: Loop, until: asyncio.Event) -> asyncio.Task[None]:
        return asyncio.create_task(self._watched(loop.run(until)))

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """A loop that ended by a defect ends the process: whoever watches starts another one."""
        try:
            await work
        except Exception as error:
            self.leave(ExitCode.DEFECT, place_of(error))
            raise
