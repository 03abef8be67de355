"""A worker with a step that only counts: the whole of the runtime, none of the medicine. Run as a program.

Reads two topics, writes one assessment per decision with the number of facts, as the engines do. Killed by
``test_worker_kills.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import faust
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pydantic_settings import SettingsConfigDict

from refrain.contracts.events import Event, ResponseAssessed, Wire
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import CARE_EVENTS, RESPONSES
from refrain.runtime.database import open_database
from refrain.runtime.deciding import Decider
from refrain.runtime.engine import attach, cluster_id, run
from refrain.runtime.ledger import Ledger
from refrain.runtime.settings import WorkerSettings
from refrain.runtime.stream import stream_app
from refrain.runtime.worker import Worker
from refrain.runtime.worker_metrics import WorkerMetrics

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
NAME = "counting"


class Settings(WorkerSettings):
    """COUNTING_… in the environment; ``run_id`` makes the topics of one test its own."""

    model_config = SettingsConfigDict(env_prefix="COUNTING_")
    run_id: str


class Counted(Wire):
    count: int = 0


def topics(run_id: str) -> tuple:
    """Two inputs and the output of one test run."""
    inputs = [replace(CARE_EVENTS, name=f"{run_id}-{which}", read_by=(NAME,), partitions=4) for which in ("a", "b")]
    return inputs[0], inputs[1], replace(RESPONSES, name=f"{run_id}-out", read_by=(), partitions=4)


def counting_into(output):
    def count(facts: Sequence[Event], issued: Counted, cause: Sequence[Event]) -> Decision[Counted]:
        if any(fact.trace == "poison" for fact in cause):
            raise RuntimeError("this fact is poison to the step")
        assert len(facts) == issued.count + len(cause)
        event = ResponseAssessed(
            patient=cause[0].patient, occurred_at=EPOCH, recorded_at=max(fact.recorded_at for fact in cause),
            caused_by=tuple(fact.event_id for fact in cause), revision=len(facts), as_of=EPOCH, lines=(),
        ).identified()  # fmt: skip
        return Decision(Counted(count=len(facts)), (Output(output, event),))

    return count


def metrics() -> WorkerMetrics:
    registry = CollectorRegistry()
    return WorkerMetrics(
        reports=Counter("reports", "-", ("topic", "outcome"), registry=registry),
        observations=Counter("observations", "-", ("outcome",), registry=registry),
        step_seconds=Histogram("step_seconds", "-", registry=registry),
        end_to_end_seconds=Histogram("end_to_end_seconds", "-", registry=registry),
        outputs=Counter("outputs", "-", ("topic",), registry=registry),
        dead_letters=Counter("dead_letters", "-", ("topic", "cause"), registry=registry),
        lag=Gauge("lag", "-", ("topic",), registry=registry),
        newest_fact=Gauge("newest_fact", "-", registry=registry),
        holes=Counter("holes", "-", ("topic",), registry=registry),
        refused=Counter("refused", "-", ("topic",), registry=registry),
    )


def build(settings: Settings) -> faust.App:
    first, second, output = topics(settings.run_id)
    engine = open_database(settings.ledger, NAME)
    ledger = Ledger(engine, cluster_id(settings.kafka_broker), (first, second, output), Counted)
    app = stream_app(NAME, settings)
    worker = Worker(
        (first, second), Decider(NAME, ledger, counting_into(output)), metrics(), lambda: app.producer,
        settings.patience_seconds,
    )  # fmt: skip

    @app.agent(app.topic(first.name, second.name, key_type=bytes, value_type=bytes), name=NAME)
    async def count(stream) -> None:
        async for batch in stream.noack_take(settings.batch, within=settings.within_seconds):
            for part in worker.parts(batch):
                async with worker.batch():
                    facts, poison = await worker.read(part)
                    settled = await worker.settle(facts, poison)
                    await worker.publish(settled)
                    await worker.acknowledge(stream, part)

    attach(app, worker, settings, (), ())
    return app


if __name__ == "__main__":
    sys.path.pop(0)
    run(NAME, Settings, build)
