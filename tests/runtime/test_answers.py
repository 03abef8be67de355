"""What gRPC answers say: alerts as their newest event leaves them, and calls that lack a fact."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Axis,
    LineCourse,
    PatientId,
    ResponseAssessed,
    RuleRef,
)
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import ALERTS, RESPONSES
from refrain.runtime.grpc_events import alert_fields
from refrain.runtime.known import Known
from services.response.adapters.unreadable import mark_unreadable
from services.response.domain.judgement import ResponseIssued

AT = datetime(2024, 1, 1, tzinfo=UTC)
PATIENT = PatientId(authority="TESTWARD", type="MR", id="1")


def an_alert(kind: type[Alert], alert: UUID, **more: object) -> Output:
    head = {
        "patient": PATIENT, "occurred_at": AT, "recorded_at": AT, "alert": alert, "kind": "VEGF_RISE_WATCH",
        "tier": "P2", "subject": "VEGF", "episode": alert, "text": "a sentence", "at": AT, "sequence": 0,
        "rule": RuleRef(id="POEMS-V-PDV", version="1.0.0"),
    }  # fmt: skip
    return Output(ALERTS, kind.model_validate(head | more).identified())


def test_an_alert_is_shown_as_its_newest_event_leaves_it() -> None:
    one, two = uuid4(), uuid4()
    outputs = [
        an_alert(AlertRaised, one, notice=True),
        an_alert(AlertRaised, two, due_hours=72),
        an_alert(AlertAmended, one, what_changed="evidence changed"),
        an_alert(AlertClosed, two, reason="next sample agrees", line=1),
    ]
    shown = alert_fields(outputs)
    assert [(s["alert_id"], s["state"], s["notice"]) for s in shown] == [
        (str(one), "amended", True), (str(two), "closed", False)
    ]  # fmt: skip
    assert shown[1]["event_id"] == str(outputs[3].event.event_id)
    assert shown[0]["rule"]["id"] == "POEMS-V-PDV"


def test_a_retraction_takes_back_the_alerts_it_names() -> None:
    one, two = uuid4(), uuid4()
    outputs = [
        an_alert(AlertRaised, one),
        an_alert(AlertRaised, two),
        an_alert(AlertRetracted, two, reason="corrected", with_alerts=(one,)),
    ]
    assert [shown["state"] for shown in alert_fields(outputs)] == ["retracted", "retracted"]


def a_decision() -> Decision[ResponseIssued]:
    axis = Axis(
        axis="VEGF", call="CRV", assessability="ASSESSED", reasons=("LATE",), rule_id="POEMS-V-CRV", rule_version="1"
    )  # fmt: skip
    line = LineCourse(
        line=1, rule_set="poems", start=date(2024, 1, 1), first_dose=date(2024, 1, 1), axes={"VEGF": axis}
    )  # fmt: skip
    snapshot = ResponseAssessed(
        patient=PATIENT, occurred_at=AT, recorded_at=AT, revision=1, as_of=AT, lines=(line,)
    ).identified()
    return Decision(ResponseIssued(), (Output(RESPONSES, snapshot),))


@pytest.mark.parametrize(
    ("dead_letters", "reasons"),
    [((), ("LATE",)), (("response-care-events.v1-0-7",), ("FACT_UNREADABLE", "LATE"))],
    ids=["all facts were read", "one fact is in the dead letters"],
)
def test_a_call_says_that_it_lacks_a_fact(dead_letters: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    before = a_decision()
    known = Known(1, ResponseIssued(), {}, dead_letters)
    [output] = mark_unreadable(known, before).outputs
    assert isinstance(output.event, ResponseAssessed)
    assert output.event.lines[0].axes["VEGF"].reasons == reasons
    assert (output.event.event_id == before.outputs[0].event.event_id) is (not dead_letters)
    assert output.event.event_id == output.event.identified().event_id
