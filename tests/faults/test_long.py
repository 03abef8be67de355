"""The long fault run (``make test-faults``): 20,000 reports, 16 stops, 6 pauses of a worker, Kafka killed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from refrain.cli.kafka import LocalKafka
from tests.faults.run import Plan, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


def test_nothing_is_lost_when_services_and_kafka_are_stopped(
    tmp_path: Path,
    private_kafka: Callable[[], LocalKafka],
    ledger: Callable[[str], str],
    seed: int,
    patients: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = Plan(seed, patients=patients, reports_each=20, stops=16, pauses=6, kafka_restarts=1)
    with capsys.disabled():
        wrong = run(plan, tmp_path, private_kafka(), ledger)
    assert wrong == []
