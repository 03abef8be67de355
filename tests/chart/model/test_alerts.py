"""Alerts as the work list shows them: what the services said last, where people left it, in order of urgency."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from records import (
    Feed,
    acknowledged,
    action,
    ended,
    escalated,
    read_back,
    records_of,
    reopened,
    snoozed,
    told,
)
from sqlalchemy import Engine

from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Evidence,
    PatientId,
    Reassigned,
    RuleRef,
    ValueChange,
)
from refrain.contracts.ids import derive
from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.domain.alerts import taken_back_last
from services.chart.domain.views import AlertRow, Counted

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def an_alert(name: str = "a", fact: type[Alert] = AlertRaised, *, patient: str = "0007", **more: Any) -> Any:
    """One event of an alert, P2 in 72 h, about a VEGF of 300; ``name`` tells alerts apart."""
    who = PatientId(authority="NORTH", type="MR", id=patient)
    seen = Evidence(
        result=derive("result", name),
        version=derive("version", name),
        analyte="VEGF",
        text="300 pg/mL",
        collected_at=AT,
    )
    fields: dict[str, Any] = {
        "patient": who, "occurred_at": AT, "recorded_at": AT, "alert": derive("alert", patient, name),
        "kind": "VEGF_RISE_WATCH", "tier": "P2", "due_hours": 72, "subject": "VEGF", "line": 1,
        "episode": derive("episode", name), "text": f"look at {name}", "evidence": (seen,), "at": AT, "sequence": 0,
        "rule": RuleRef(id="POEMS-V-PDV", version="1.0.0"),
    }  # fmt: skip
    return fact.model_validate(fields | more).identified()


def critical(name: str, **more: Any) -> Any:
    return an_alert(name, **{"tier": "P1", "due_hours": None, "kind": "CRITICAL_RESULT"} | more)


@pytest.fixture
def fill(projection: Projection) -> Feed:
    return Feed(projection.take)


def row_of(read_model: ReadModel, event: Alert) -> AlertRow:
    row = read_model.alert_row(event.alert)
    assert row is not None
    return row


def test_an_alert_waits_until_somebody_acknowledges_it(fill: Feed, read_model: ReadModel) -> None:
    alert = an_alert()
    fill([alert])
    row = row_of(read_model, alert)
    assert (row.state, row.waiting, row.due_at, row.number) == ("raised", True, None, 0)
    fill([told(alert)])
    assert (row_of(read_model, alert).state, row_of(read_model, alert).due_at) == (
        "delivered", alert.recorded_at + timedelta(minutes=15),
    )  # fmt: skip
    fill([acknowledged(alert)])
    row = row_of(read_model, alert)
    assert (row.state, row.waiting, row.due_at, row.assigned_to) == ("acknowledged", False, None, "m.lee")
    assert (row.acknowledged_by, row.acknowledge_reason) == ("m.lee", "will_act")
    fill([reopened(alert)])
    row = row_of(read_model, alert)
    assert (row.state, row.waiting, row.acknowledged_by, row.acknowledged_at) == ("raised", True, "", None)


def test_a_critical_one_waits_for_its_read_back(fill: Feed, read_model: ReadModel) -> None:
    alert = critical("k")
    fill([alert, told(alert), acknowledged(alert)])
    assert row_of(read_model, alert).waiting
    fill([read_back(alert)])
    assert not row_of(read_model, alert).waiting


def test_the_newest_number_counts_whatever_came_last(fill: Feed, read_model: ReadModel) -> None:
    alert = an_alert()
    fill([acknowledged(alert, 4)])
    assert read_model.alert_row(alert.alert) is None, "an action tells nothing of an alert that is not here yet"
    fill([alert])
    fill([told(alert, 1), escalated(alert, 2), snoozed(alert, 3)])
    row = row_of(read_model, alert)
    assert (row.state, row.number, row.waiting, row.level) == ("acknowledged", 4, False, 1)


def test_snoozed_escalated_and_reassigned_are_shown(fill: Feed, read_model: ReadModel) -> None:
    alert = an_alert()
    fill([alert, told(alert), snoozed(alert)])
    row = row_of(read_model, alert)
    assert (row.state, row.snoozed_until, row.waiting) == ("snoozed", alert.recorded_at + timedelta(hours=4), True)
    fill([escalated(alert, 3, level=2)])
    row = row_of(read_model, alert)
    assert (row.state, row.snoozed_until, row.level) == ("escalated", None, 2)
    assert row.overdue(AT), "whatever the clock says"
    given = Reassigned(to="a.roy", reason="on leave")
    fill([action(alert, 4, given, "escalated", assigned_to="a.roy")])
    assert [one.alert for one in read_model.alerts(assigned_to="a.roy")] == [alert.alert]
    assert read_model.alerts(assigned_to="m.lee") == []


def test_a_notice_tells_and_waits_for_nothing(fill: Feed, read_model: ReadModel) -> None:
    notice = an_alert(notice=True, tier="P3", due_hours=None)
    fill([notice])
    row = row_of(read_model, notice)
    assert (row.notice, row.fact_state, row.waiting, row.state) == (True, "closed", False, "closed")


def test_amended_closed_and_retracted_follow_the_sequence(fill: Feed, read_model: ReadModel) -> None:
    raised = an_alert()
    change = ValueChange(result=derive("result", "a"), analyte="VEGF", before="300 pg/mL", after="280 pg/mL")
    amended = an_alert(fact=AlertAmended, sequence=1, tier="P1", what_changed="VEGF was 300", values=(change,))
    fill([amended])
    fill([raised])
    row = row_of(read_model, raised)
    assert (row.fact_state, row.tier, row.events, row.repeats, row.what_changed) == ("open", "P1", 2, 1, "VEGF was 300")
    closed = an_alert(fact=AlertClosed, sequence=2, reason="the next sample does not agree", superseded_by=UUID(int=7))
    fill([closed])
    row = row_of(read_model, raised)
    assert (row.fact_state, row.waiting, row.superseded_by) == ("closed", False, UUID(int=7))
    taken = ValueChange(result=derive("result", "a"), analyte="VEGF", before="280 pg/mL", after=None)
    fill([an_alert(fact=AlertRetracted, sequence=3, reason="withdrawn", values=(taken,))])
    view = read_model.alert(raised.alert)
    assert view is not None
    assert (view.row.fact_state, view.retracted_by) == ("retracted", None)
    assert [event.sequence for event in view.events] == [0, 1, 2, 3]
    assert view.corrections == (change, taken)


def test_an_alert_that_another_ones_retraction_took_back_is_retracted(fill: Feed, read_model: ReadModel) -> None:
    watch, confirmed = an_alert("watch"), an_alert("confirmed", due_hours=24)
    both = an_alert("confirmed", AlertRetracted, sequence=1, due_hours=24, reason="no", with_alerts=(watch.alert,))
    fill([both])
    fill([watch, confirmed, told(watch)])
    view = read_model.alert(watch.alert)
    assert view is not None
    assert (view.row.fact_state, view.row.waiting, view.row.state) == ("retracted", False, "delivered")
    assert view.retracted_by == both
    again = an_alert("watch", sequence=2)
    fill([again])
    assert (row_of(read_model, watch).fact_state, row_of(read_model, watch).waiting) == ("open", True)
    fill([both])
    assert row_of(read_model, watch).waiting, "a retraction from before does not take back what was raised since"


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_retraction_by_another_has_its_place_in_any_order(
    order: tuple[int, ...], fill: Feed, read_model: ReadModel
) -> None:  # fmt: skip
    """Raised 0, taken back by another (1), raised again 2, amended 3: open. Without the last two: retracted."""
    first, again, amended = an_alert(), an_alert(sequence=2), an_alert(fact=AlertAmended, sequence=3, what_changed="x")
    other = an_alert("b", AlertRetracted, sequence=1, reason="no", with_alerts=(first.alert,))
    events = [first, other, again, amended]
    for index in order:
        fill([events[index]])
    assert row_of(read_model, first).fact_state == "open"
    assert taken_back_last([first], [other.event_id])
    assert not taken_back_last([first, again], [other.event_id, other.event_id])


def test_the_work_list_is_in_order_of_urgency_then_age_and_pages_lose_nothing(
    fill: Feed, read_model: ReadModel
) -> None:  # fmt: skip
    alerts = [
        critical("c1", at=AT), critical("c2", at=AT - timedelta(days=1)), an_alert("w1", at=AT - timedelta(days=9)),
        an_alert("w2"), an_alert("d", due_hours=24), an_alert("q", tier="DQ", due_hours=None, subject="IGG"),
        an_alert("n", tier="P3", due_hours=None), an_alert("odd", due_hours=48),
        *[an_alert(f"same{number}") for number in range(10)],
    ]  # fmt: skip
    fill(alerts)
    texts = [row.text.removeprefix("look at ") for row in read_model.alerts(waiting=True)]
    assert texts[:5] == ["c2", "c1", "d", "odd", "w1"]
    assert texts[-1] == "q"
    assert "n" not in texts, "P3 waits for nobody"
    assert len(texts) == 17
    seen: list[AlertRow] = []
    after = ""
    while page := read_model.alerts(waiting=True, limit=5, after=after):
        seen += page
        after = cursor_of(page[-1])
    assert [row.text.removeprefix("look at ") for row in seen] == texts
    newest: list[AlertRow] = []
    after = ""
    while page := read_model.alerts(newest_first=True, limit=5, after=after):
        newest += page
        after = cursor_of(page[-1])
    assert [row.at for row in newest] == sorted((row.at for row in newest), reverse=True)
    assert len({row.alert for row in newest}) == 18
    for cursor in ("", "1.2", "x.1." + str(UUID(int=1)), "1.1.not-a-uuid"):
        if cursor:
            with pytest.raises(UnknownCursor):
                read_model.alerts(after=cursor)


def test_alerts_are_filtered(fill: Feed, read_model: ReadModel) -> None:
    mine, other = an_alert("a"), an_alert("b", patient="0008")
    quality = an_alert("q", tier="DQ", due_hours=None)
    fill([mine, other, quality, critical("c"), acknowledged(other)])
    texts = {row.text for row in read_model.alerts(tiers=("P1", "DQ"))}
    assert texts == {"look at q", "look at c"}
    assert [row.text for row in read_model.alerts(tiers=("P2",), waiting=True)] == ["look at a"]
    assert [row.text for row in read_model.alerts(waiting=False)] == ["look at b"]
    assert {row.text for row in read_model.alerts(number="0008")} == {"look at b"}
    assert len(read_model.alerts(number="000")) == 4
    assert read_model.alerts(number="8") == []
    assert {row.text for row in read_model.alerts(key=other.patient.key)} == {"look at b"}


def test_alerts_of_a_test_feed_are_not_on_the_work_list(fill: Feed, read_model: ReadModel) -> None:
    heartbeat = critical("h", processing="test")
    fill([heartbeat])
    assert read_model.alerts() == []
    assert read_model.counts()["P1"] == Counted(0, 0)
    [row] = read_model.alerts(processing="test")
    assert (row.processing, row.waiting) == ("test", False)
    assert [one.alert for one in read_model.alerts(processing=None)] == [heartbeat.alert]
    [patient] = read_model.search_patients()
    assert (patient.waiting_alerts, patient.worst_tier) == (0, None)


def test_counts_say_what_waits_and_what_is_overdue(engine: Engine, fill: Feed) -> None:
    first, second, third = critical("a"), critical("b"), an_alert("c")
    fill([first, told(first), second, told(second), third, escalated(third), an_alert("d"), an_alert("e")])
    before = ReadModel(engine, lambda: AT + timedelta(minutes=14))
    assert before.counts() == {"P1": Counted(2, 0), "P2": Counted(3, 1), "P3": Counted(0, 0), "DQ": Counted(0, 0)}
    after = ReadModel(engine, lambda: AT + timedelta(minutes=16))
    assert after.counts()["P1"] == Counted(2, 2)
    assert [row.overdue(AT + timedelta(minutes=16)) for row in after.alerts(tiers=("P1",))] == [True, True]
    [patient] = after.search_patients()
    assert (patient.waiting_alerts, patient.worst_tier) == (5, "P1")
    fill([ended(first)])
    assert after.counts()["P1"] == Counted(2, 1), "its own event has not said so yet, but nothing is due"


def test_the_evidence_is_shown_as_told_and_as_it_is_now(fill: Feed, read_model: ReadModel) -> None:
    line = {"line": 1, "rule_set": "poems", "start": "2026-01-05"}
    low = {
        "id": "a", "code": "IGG", "specimen": "SERUM", "lab": "NORTH", "method": "M1", "status": "F",
        "collected_at": "2026-02-05T08:00:00Z", "issued_at": "2026-02-05T15:00:00Z",
        "received": {"value": "3.1", "unit": "g/L", "range": "7-16"},
    }  # fmt: skip
    higher = low | {
        "status": "C", "issued_at": "2026-02-07T15:00:00Z",
        "received": {"value": "3.5", "unit": "g/L", "range": "7-16"},
    }  # fmt: skip
    fill(records_of({"subject": {"id": "S"}, "therapy_lines": [line], "observations": [low]}))
    [alert] = [row for row in read_model.alerts() if row.kind == "IGG_LOW_SAFETY"]
    view = read_model.alert(alert.alert)
    assert view is not None
    [piece] = view.values
    assert (piece.evidence.text, piece.now, piece.changed) == ("3.1 g/L", "3.1 g/L", False)
    story = records_of({"subject": {"id": "S"}, "therapy_lines": [line], "observations": [low, higher]})
    only_reports = [event for event in story if event.fact in ("lab_report", "flagged_report")]
    fill(only_reports)
    view = read_model.alert(alert.alert)
    assert view is not None
    [piece] = view.values
    assert (piece.evidence.text, piece.now, piece.changed) == ("3.1 g/L", "3.5 g/L", True), "told, and as it is"
    fill([event for event in story if event not in only_reports])
    view = read_model.alert(alert.alert)
    assert view is not None
    assert [(one.before, one.after) for one in view.corrections] == [("3.1 g/L", "3.5 g/L")]
    assert view.rule is not None
    assert read_model.alert(derive("alert", "nobody's")) is None
