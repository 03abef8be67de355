"""The long run of the people's side (``make test-faults``): 1,000 alerts, some 40 stops, a pause, two outages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from refrain.cli.kafka import LocalKafka
from tests.faults.people.run import Plan, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]


def test_everybody_is_told_of_a_thousand_alerts_while_everything_fails(
    tmp_path: Path,
    private_kafka: Callable[[], LocalKafka],
    ledger: Callable[[str], str],
    seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alerts = int(os.environ.get("REFRAIN_FAULTS_ALERTS", "1000"))
    plan = Plan(seed, alerts, seconds=alerts / 10, pace=0.6, every=(1.5, 4.5), pause=True, outage=True)
    with capsys.disabled():
        wrong = run(plan, tmp_path, private_kafka(), ledger)
    assert wrong == []
