"""The short fault run: 2,000 reports, each service stopped by each signal, three pauses, on a Kafka of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from refrain.cli.kafka import LocalKafka
from tests.faults.run import Plan, run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


def test_nothing_is_lost_when_services_are_stopped(
    tmp_path: Path,
    private_kafka: Callable[[], LocalKafka],
    ledger: Callable[[str], str],
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():
        wrong = run(Plan(seed, patients=100, reports_each=20, stops=8, pauses=3), tmp_path, private_kafka(), ledger)
    assert wrong == []
