"""Who has to answer: chart's copy of notify's rule (services do not import one another)."""

from __future__ import annotations

from itertools import product
from typing import get_args
from uuid import uuid4

from records import records_of, told

from refrain.contracts.events import AlertRaised, Processing, ThreadState, Tier
from services.chart.domain.alerts import waits
from services.chart.domain.views import FactState
from services.notify.domain.thread import Thread

STORY = {
    "subject": {"id": "S"},
    "therapy_lines": [{"line": 1, "rule_set": "poems", "start": "2026-01-05"}],
    "observations": [
        {"id": "a", "code": "IGG", "specimen": "SERUM", "lab": "LAB", "status": "F",
         "collected_at": "2026-02-05T08:00:00Z", "issued_at": "2026-02-05T10:00:00Z",
         "received": {"value": "3.1", "unit": "g/L", "range": "7-16"}},
    ],
}  # fmt: skip


def test_the_rule_is_that_of_notify_for_every_tier_and_state() -> None:
    alert = next(event for event in records_of(STORY) if isinstance(event, AlertRaised))
    action = told(alert)
    cases = list(product(get_args(FactState), get_args(Tier), get_args(ThreadState), get_args(Processing)))
    assert len(cases) == 3 * 4 * 8 * 3
    for fact_state, tier, state, processing in cases:
        thread = Thread(
            alert=alert.alert, patient=alert.patient, kind=alert.kind, tier=tier, episode=uuid4(), text=alert.text,
            at=alert.at, clock_from=alert.at, raised_at=alert.at, recorded_at=alert.at, caused_by=action.event_id,
            fact_state=fact_state, state=state, processing=processing,
        )  # fmt: skip
        assert waits(fact_state, tier, state, processing) == thread.waiting, (fact_state, tier, state, processing)
