"""Whether a worker makes progress. A process that runs is not alive: one whose loop stands still is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STALE_SECONDS = 60.0
"""Longest time with work waiting and nothing done. Longer than the retries inside a batch."""


class Progress:
    """Told by the worker when it starts and ends a batch, and how far it is behind."""

    def __init__(self, stale_seconds: float = STALE_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        self._stale = stale_seconds
        self._now = now
        self._last = now()
        self._busy = False
        self._behind = 0

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around the work on one batch. Starting one is no progress, ending one is."""
        self._busy = True
        try:
            yield
            self._last = self._now()
        finally:
            self._busy = False

    def behind(self, records: int) -> None:
        """How many records wait. Nothing waiting counts as progress."""
        self._behind = records
        if not records and not self._busy:
            self._last = self._now()

    @property
    def alive(self) -> bool:
        """False when something waits and nothing was finished for too long."""
        return not (self._busy or self._behind) or self._now() - self._last < self._stale
