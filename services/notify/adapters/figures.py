"""Shows what only the database knows, every few seconds: open alerts by age, what waits, what may be forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from services.notify import metrics
from services.notify.adapters.answers import Answers
from services.notify.adapters.outbox import Outbox
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from services.notify.adapters.timers import pause

log = logging.getLogger(__name__)

TURN_SECONDS = 10.0
FORGET_EVERY = timedelta(days=1)


class Figures:
    """The gauges of one store. Every replica shows the same: take the largest, never the sum."""

    def __init__(self, store: Store, outbox: Outbox, answers: Answers, now: Callable[[], datetime]) -> None:
        self._channels = tuple(store.roster.channels)
        self._queries = Queries(store)
        self._outbox = outbox
        self._answers = answers
        self._now = now
        self._forget_at = now()

    async def run(self, until: asyncio.Event) -> None:
        """Until told to stop. While the database is away the gauges stay as they were."""
        while not until.is_set():
            try:
                await asyncio.to_thread(self.turn)
            except SQLAlchemyError as error:
                log.warning("figures wait for the database", extra={"reason": type(error).__name__})
            await pause(until, TURN_SECONDS)

    def turn(self) -> None:
        """Read and show once. Blocking."""
        now = self._now()
        metrics.show_open(self._queries.open_since([now - age for _, age in metrics.AGES]))
        metrics.show_untold(self._queries.untold(now))
        unsent = self._queries.unsent()
        for channel in self._channels:
            metrics.UNSENT.labels(channel).set(unsent.get(channel, 0))
        metrics.UNPUBLISHED.set(self._outbox.waiting())
        if now >= self._forget_at:
            self._answers.forget()
            self._forget_at = now + FORGET_EVERY
