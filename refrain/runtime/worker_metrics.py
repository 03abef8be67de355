"""The measurements that every engine makes at its edge; each engine declares them under its own name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

from refrain.contracts.events import Event, Wire
from refrain.contracts.steps import Decision, Step
from refrain.contracts.topics import TOPICS, inputs_of

Issued = TypeVar("Issued", bound=Wire)

OUTCOMES = ("new", "repeated", "dead_letter")
CAUSES = ("decode", "step")
STEP_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
END_TO_END_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """Bounded labels only: topics of the contracts, outcomes, stages, kinds of the closed lists."""

    reports: Counter
    """Records by topic and outcome."""
    observations: Counter
    """Observations inside reports, by outcome."""
    step_seconds: Histogram
    """The pure step for one patient."""
    end_to_end_seconds: Histogram
    """From ``recorded_at`` of the newest cause to Kafka's acknowledgement of the output."""
    outputs: Counter
    """Events put on Kafka, by topic."""
    dead_letters: Counter
    """By topic and stage: decode or step."""
    lag: Gauge
    """Records waiting, by topic, of the partitions that this worker has."""
    newest_fact: Gauge
    """``recorded_at`` of the newest fact as a Unix time: ``time() -`` this is its age."""
    holes: Counter
    """Skipped offsets seen by this service, earlier workers included."""
    refused: Counter
    """Outputs that Kafka refused as too large: they stay unsent in the ledger."""

    def initialise(self, service: str, holes: Iterable[tuple[str, int]] = ()) -> None:
        """Show every label from the start, so that a rate over it is defined."""
        for topic in inputs_of(service):
            for outcome in OUTCOMES:
                self.reports.labels(topic.name, outcome)
            for cause in CAUSES:
                self.dead_letters.labels(topic.name, cause)
            self.lag.labels(topic.name)
            self.holes.labels(topic.name)
        for outcome in OUTCOMES:
            self.observations.labels(outcome)
        for topic in TOPICS:
            if service in topic.written_by:
                self.outputs.labels(topic.name)
                self.refused.labels(topic.name)
        for name, count in holes:
            self.holes.labels(name).inc(count)

    def timed(self, step: Step[Issued]) -> Step[Issued]:
        """The same step, with its time taken."""

        def measured(facts: Sequence[Event], issued: Issued, cause: Sequence[Event]) -> Decision[Issued]:
            with self.step_seconds.time():
                return step(facts, issued, cause)

        return measured
