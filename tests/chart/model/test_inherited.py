"""An alert that took over from another one shows who answered that one, and how far it had come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from records import acknowledged, action, escalated, snoozed

from refrain.contracts.events import AlertRaised, Inherited, PatientId, RuleRef
from refrain.contracts.ids import derive
from services.chart.domain.alerts import alert_of

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
OLD = derive("alert", "old")


def heir() -> AlertRaised:
    fields: dict[str, Any] = {
        "patient": PatientId(authority="NORTH", type="MR", id="0007"), "occurred_at": AT, "recorded_at": AT, "at": AT,
        "alert": derive("alert", "heir"), "kind": "RESPONSE_LOSS", "tier": "P2", "due_hours": 72, "subject": "FLC",
        "episode": derive("episode", "e"), "text": "lost", "sequence": 0, "rule": RuleRef(id="R", version="1.0.0"),
    }  # fmt: skip
    return AlertRaised.model_validate(fields).identified()


def test_who_answered_the_other_one_is_shown() -> None:
    event = heir()
    body = Inherited(
        predecessor=OLD, level=1, acknowledged_by="m.lee", acknowledged_at=AT, acknowledge_reason="will_act"
    )
    row = alert_of([event], [], [action(event, 1, body, "acknowledged")])
    assert (row.state, row.waiting, row.acknowledged_by, row.acknowledged_at, row.acknowledge_reason, row.level) == (
        "acknowledged", False, "m.lee", AT, "will_act", 1,
    )  # fmt: skip


def test_a_snooze_goes_on() -> None:
    event, until = heir(), AT + timedelta(hours=3)
    row = alert_of([event], [], [action(event, 1, Inherited(predecessor=OLD, snoozed_until=until), "snoozed")])
    assert (row.state, row.snoozed_until, row.acknowledged_by) == ("snoozed", until, "")


def test_what_comes_after_it_counts() -> None:
    event = heir()
    done = [action(event, 1, Inherited(predecessor=OLD, level=1), "escalated"), escalated(event, 2, 2)]
    assert alert_of([event], [], done).level == 2
    row = alert_of([event], [], [*done, snoozed(event, 3), acknowledged(event, 4)])
    assert (row.state, row.acknowledged_by) == ("acknowledged", "m.lee")
