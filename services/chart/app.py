"""The way of a record to the screen:

    lab-reports ┐
    flagged     │
    responses   ├─▶ reader ─▶ projection ─▶ rows ─┬─▶ pages ─▶ people, who ask notify, intake and the engines
    care events │                                 ├─▶ FHIR ──▶ machines
    alerts      │                                 └─▶ gRPC ──▶ notify
    actions     ┘

Rows and offsets are one transaction. Reading and showing know nothing of each other: with Kafka away the pages show
what was read, and a page that fails stops no record.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

SERVICE = "chart"
READER_SECONDS = 10.0
"""How long the reader may take to finish its batch at a stop; what it does not finish is read again."""


class Door(Protocol):
    """What people and machines come in by."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Chart:
    """The reader in a thread of its own, and the doors. ``read`` blocks until it is told to stop."""

    def __init__(self, read: Callable[[threading.Event], None], doors: Sequence[Door]) -> None:
        self._read = read
        self._doors = tuple(doors)

    async def run(self, until: asyncio.Event, opened: Callable[[], None]) -> None:
        """Serve until told to stop; then close the doors, the last one opened first, and let the batch finish.

        ``opened`` is called when every door is open.
        """
        stop_reading = threading.Event()
        reader = threading.Thread(target=self._read, args=(stop_reading,), name="reader", daemon=True)
        for door in self._doors:
            await door.start()
        reader.start()
        opened()
        await until.wait()
        stop_reading.set()
        for door in reversed(self._doors):
            await door.stop()
        await asyncio.to_thread(reader.join, READER_SECONDS)
