"""Since when what is shown may be out of date. Asked of Kafka and of the database, beside the reader: a reader that is
stuck, and one whose Kafka is away, say nothing themselves, and a ward without new alerts would look quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from kafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from refrain.runtime.consume import Partition
from services.chart.adapters.reading import TopicMissing

LOOK_SECONDS = 15.0
"""Between two looks at the ends of the log."""
BEHIND = timedelta(seconds=60)
"""What is older is said on every page: some looks, and a batch that takes long. Ours, no clinical limit."""

Ends = Callable[[], Mapping[Partition, int]]
"""The ends of the partitions that hold anything, as Kafka says now."""


class Freshness:
    """Remembers one look at Kafka until the database has all that was there, and then takes another."""

    def __init__(
        self, ends: Ends, stands: Callable[[Sequence[Partition]], Mapping[Partition, int]], now: Callable[[], datetime]
    ) -> None:
        self._ends = ends
        self._stands = stands
        self._now = now
        self._goals: Mapping[Partition, int] = {}
        self._looked_at = self._as_of = now()

    def look(self) -> None:
        """Blocking. Kafka or the database away is no answer, and time goes on."""
        looked_at = self._now()
        try:
            ends = self._ends()
            stands = self._stands(list(self._goals))
        except (KafkaError, SQLAlchemyError, TopicMissing):
            return
        if all(stands.get(place, 0) >= min(end, ends.get(place, 0)) for place, end in self._goals.items()):
            self._as_of = self._looked_at
            self._goals, self._looked_at = ends, looked_at

    def behind_since(self) -> datetime | None:
        """The moment up to which everything is shown; None while that is as good as now."""
        return self._as_of if self._now() - self._as_of > BEHIND else None
