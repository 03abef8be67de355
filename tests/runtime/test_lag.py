"""To know the lag is no reason to die: a rebalance may take a partition away while it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from faust.types import TP

from refrain.contracts.topics import LAB_REPORTS
from refrain.runtime.engine import tell_lag
from refrain.runtime.health import Progress


@dataclass
class Measured:
    """What the watch needs of a worker."""

    inputs: tuple = (LAB_REPORTS,)
    metrics: Any = field(default_factory=MagicMock)
    progress: Progress = field(default_factory=lambda: Progress(stale_seconds=0.0))


def an_app(position: AsyncMock) -> MagicMock:
    app = MagicMock()
    app.consumer.assignment.return_value = {TP(LAB_REPORTS.name, 0)}
    app.consumer.highwater.return_value = 12
    app.consumer.position = position
    app.consumer.unacked = set()
    return app


async def test_the_lag_is_what_was_not_fetched() -> None:
    worker = Measured()
    await tell_lag(an_app(AsyncMock(return_value=5)), worker)  # type: ignore[arg-type]
    worker.metrics.lag.labels.assert_called_once_with(LAB_REPORTS.name)
    worker.metrics.lag.labels.return_value.set.assert_called_once_with(7)
    assert not worker.progress.alive


async def test_a_partition_that_goes_away_meanwhile_does_not_end_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    worker = Measured()
    gone = AsyncMock(side_effect=AssertionError("Partition is not assigned"))
    await tell_lag(an_app(gone), worker)  # type: ignore[arg-type]
    worker.metrics.lag.labels.assert_not_called()
    assert "the lag could not be read" in caplog.text
    assert "not assigned" not in caplog.text
