"""A consumer that joins its group gets its partitions, the first time and at once."""

from __future__ import annotations

import logging
import threading
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from refrain.contracts.topics import ALERTS
from refrain.runtime.consume import Batch, Consumer
from refrain.runtime.consumer_metrics import ConsumerMetrics
from refrain.runtime.leaving import ExitCode


@pytest.mark.kafka
def test_the_partitions_are_known_before_they_are_shared_out(kafka: str, caplog: pytest.LogCaptureFixture) -> None:
    """Else the leader of a new group shares out nothing, and kafka-python may never notice that there is more."""
    registry, stop, assigned = CollectorRegistry(), threading.Event(), threading.Event()
    metrics = ConsumerMetrics(
        Counter("records", "of a test", ["topic", "outcome"], registry=registry),
        Counter("dead_letters", "of a test", ["topic", "cause"], registry=registry),
        Gauge("lag", "of a test", ["topic"], registry=registry),
        Gauge("newest", "of a test", registry=registry),
    )

    def take(_: Batch) -> None: ...

    def starts(partitions: object) -> dict[object, int]:
        assigned.set()
        return dict.fromkeys(partitions, 0)  # type: ignore[call-overload, no-any-return]

    def leave(code: ExitCode, reason: str) -> None:
        raise AssertionError(code, reason)

    consumer = Consumer(
        "notify", kafka, (ALERTS,), take, metrics, group=f"joins-{uuid4()}", starts=starts, leave=leave  # type: ignore[arg-type]
    )  # fmt: skip
    thread = threading.Thread(target=consumer.run, args=(stop,))
    with caplog.at_level(logging.WARNING, "kafka.coordinator"):
        thread.start()
        came = assigned.wait(60)
        stop.set()
        thread.join(60)
    assert came
    assert not [one for one in caplog.records if "No partition metadata" in one.getMessage()]
