"""What a service that reads with :mod:`refrain.runtime.consume` measures; each declares it under its own name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Gauge

from refrain.contracts.topics import Topic

OUTCOMES = ("new", "dead_letter")
CAUSES = ("decode", "step")


@dataclass(frozen=True, slots=True)
class ConsumerMetrics:
    """Declared by each service under its own name."""

    records: Counter
    """Records by topic and outcome (new, dead_letter)."""
    dead_letters: Counter
    """By topic and stage: decode or step."""
    lag: Gauge
    """Records waiting, by topic, of the partitions that this process has."""
    newest_fact: Gauge
    """``recorded_at`` of the newest fact as a Unix time."""

    def initialise(self, topics: Sequence[Topic]) -> None:
        """Show every label from the start, so that a rate over it is defined."""
        for topic in topics:
            self.lag.labels(topic.name)
            for outcome in OUTCOMES:
                self.records.labels(topic.name, outcome)
            for cause in CAUSES:
                self.dead_letters.labels(topic.name, cause)
