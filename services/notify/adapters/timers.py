"""Timers: whoever finds a thread's ``wake_at`` passed advances it, and moves ``wake_at`` in the same transaction.

So a timer survives a restart, and fires once with any number of replicas. After a long stop an alert takes every step
whose time has passed in one happening: each level that should know by now is told once, then the usual pauses follow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from refrain.runtime.leaving import place_of
from services.notify.adapters.desk import Desk
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from services.notify.domain.life import Woke

log = logging.getLogger(__name__)

TURN_SECONDS = 0.5
"""How often due threads are looked for."""
AT_ONCE = 200
ASIDE = timedelta(minutes=1)
"""How long a thread whose timer failed makes room for the others."""


class Timers:
    """Fires what is due. ``failed`` counts a thread that could not be advanced."""

    def __init__(self, store: Store, now: Callable[[], datetime], failed: Callable[[], None]) -> None:
        self._store = store
        self._queries = Queries(store)
        self._now = now
        self._failed = failed
        self._aside: dict[UUID, datetime] = {}

    async def run(self, until: asyncio.Event) -> None:
        """Until told to stop. The database being away is waited for."""
        while not until.is_set():
            try:
                fired = await asyncio.to_thread(self.turn)
            except SQLAlchemyError as error:
                log.warning("timers wait for the database", extra={"reason": type(error).__name__})
                fired = 0
            if not fired:
                await pause(until, TURN_SECONDS)

    def turn(self) -> int:
        """Fire what is due now; how many alerts were looked at. Blocking."""
        now = self._now()
        self._aside = {alert: again for alert, again in self._aside.items() if again > now}
        due = [alert for alert in self._queries.due(now, AT_ONCE + len(self._aside)) if alert not in self._aside]
        for alert in due:
            self._fire(alert, now)
        return len(due)

    def _fire(self, alert: UUID, now: datetime) -> None:
        def wake(desk: Desk) -> None:
            thread = desk.thread(alert)
            if thread is not None and thread.wake_at is not None and thread.wake_at <= now:
                desk.happen(alert, Woke(now))

        try:
            self._store.work(wake)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - about this alert; the others must be told
            self._aside[alert] = now + ASIDE
            self._failed()
            log.error("a timer failed", extra={"record": str(alert), "reason": place_of(error)})


async def pause(until: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until the stop."""
    if not seconds:
        return
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return
