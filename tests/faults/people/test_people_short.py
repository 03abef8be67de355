"""The short run of the people's side: 60 alerts, both services stopped, half of the webhook's tries fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from refrain.cli.kafka import LocalKafka
from tests.faults.people.run import Plan, run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


def test_everybody_is_told_when_notify_and_chart_are_killed(
    tmp_path: Path,
    private_kafka: Callable[[], LocalKafka],
    ledger: Callable[[str], str],
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():
        wrong = run(Plan(seed, alerts=60, seconds=12, pace=0.3, every=(2.0, 5.0)), tmp_path, private_kafka(), ledger)
    assert wrong == []
