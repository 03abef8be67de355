"""How an alert lives: what reconcile raises, amends, closes, supersedes and retracts, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.contracts.alerting import AnyAlert, Context, Finding, IssuedAlerts, reconcile
from refrain.contracts.events import (
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    CareEvent,
    Evidence,
    Infection,
    PatientId,
    RuleRef,
)
from refrain.contracts.ids import derive
from refrain.contracts.topics import ALERTS

PATIENT = PatientId(authority="LAB", type="MR", id="0007")
START = datetime(2025, 1, 1, tzinfo=UTC)
RULE = RuleRef(id="R-1", version="1.0.0")
CAUSE = CareEvent(
    patient=PATIENT, occurred_at=START, recorded_at=START, trace="t", key="k", body=Infection(onset=START.date())
).identified()  # fmt: skip
CONTEXT = Context(patient=PATIENT, cause=(CAUSE,), settings="abc")


def piece(name: str, text: str = "10 g/L", version: int = 0, day: int = 0) -> Evidence:
    result = derive("result", name)
    return Evidence(
        result=result, version=derive("version", name, version), analyte="IGG", text=text,
        collected_at=START + timedelta(days=day),
    )  # fmt: skip


def found(opener: str = "a", *evidence: Evidence, **more: Any) -> Finding:
    shown = evidence or (piece(opener),)
    base: dict[str, Any] = {
        "kind": "WATCH", "tier": "P2", "due_hours": 72, "subject": "VEGF", "opener": str(derive("result", opener)),
        "text": "look", "at": START, "rule": RULE, "evidence": shown, "line": 1,
    }  # fmt: skip
    return Finding(**base | more)


class Told:
    """What was issued so far, and the events of the last call."""

    def __init__(self) -> None:
        self.issued: IssuedAlerts = {}
        self.events: tuple[AnyAlert, ...] = ()
        self.all: list[AnyAlert] = []

    def __call__(self, *wanted: Finding, now: Sequence[Evidence] | None = None) -> list[str]:
        counting = {each.result: each for finding in wanted for each in finding.evidence}
        if now is not None:
            counting = {each.result: each for each in now}
        self.issued, self.events = reconcile(wanted, self.issued, counting, CONTEXT)
        assert reconcile(wanted, self.issued, counting, CONTEXT) == (self.issued, ())
        self.events = tuple(ALERTS.decode(ALERTS.encode(event)) for event in self.events)
        self.all.extend(self.events)
        return [event.fact.removeprefix("alert_") for event in self.events]

    def states(self) -> Mapping[str, str]:
        return {alert.kind: alert.state for alert in self.issued.values()}


def test_what_is_wanted_is_raised_once() -> None:
    told = Told()
    assert told(found()) == ["raised"]
    assert told(found()) == []
    [event] = told.all
    assert isinstance(event, AlertRaised)
    assert event.alert == found().alert_id(PATIENT)
    assert (event.sequence, event.caused_by, event.trace, event.settings) == (0, (CAUSE.event_id,), "t", "abc")
    assert event.rule == RULE
    assert event == event.identified()


def test_history_that_opened_and_closed_is_silent() -> None:
    told = Told()
    assert told(found(state="closed", closed_because="over")) == []
    assert told.issued == {}


def test_a_notice_is_born_closed() -> None:
    told = Told()
    assert told(found(notice=True, state="closed")) == ["raised"]
    assert told.states() == {"WATCH": "closed"}
    assert told(found(state="closed", closed_because="history now")) == []


def test_an_end_in_the_normal_course_closes() -> None:
    told = Told()
    told(found())
    assert told(found(state="closed", closed_because="a later sample")) == ["closed"]
    [event] = told.events
    assert isinstance(event, AlertClosed)
    assert (event.reason, event.sequence, event.superseded_by) == ("a later sample", 1, None)


def test_closing_keeps_the_urgency_that_was_told() -> None:
    told = Told()
    told(found())
    told(found(tier="P3", due_hours=None, text="For the weekly digest.", state="closed", closed_because="over"))
    [closed] = told.events
    assert (closed.tier, closed.due_hours, closed.text) == ("P2", 72, "look"), "the text says how urgent it is"


def test_another_urgency_text_or_evidence_amends() -> None:
    for change, words in (
        ({"due_hours": 24}, "urgency changed"),
        ({"text": "look twice"}, "context changed"),
        ({"tags": ("multi_axis",)}, "context changed"),
        ({"evidence": (piece("a"), piece("b"))}, "evidence changed"),
    ):
        told = Told()
        told(found())
        assert told(found(**change)) == ["amended"]
        [event] = told.events
        assert isinstance(event, AlertAmended)
        assert (event.what_changed, event.values, event.still_open) == (words, (), True)


def test_a_new_version_with_the_same_value_tells_nothing() -> None:
    told = Told()
    told(found())
    assert told(found("a", piece("a", version=1))) == []
    assert next(iter(told.issued.values())).evidence == (piece("a", version=1),)


def test_a_corrected_value_is_shown_with_the_old_one() -> None:
    told = Told()
    told(found())
    assert told(found("a", piece("a", "12 g/L", version=1))) == ["amended"]
    [event] = told.events
    assert isinstance(event, AlertAmended)
    assert event.what_changed == "IGG was 10 g/L, is 12 g/L"
    assert [(value.before, value.after) for value in event.values] == [("10 g/L", "12 g/L")]


def test_a_corrected_time_is_told_too() -> None:
    told = Told()
    told(found())
    assert told(found("a", piece("a", version=1, day=3))) == ["amended"]
    [event] = told.events
    assert isinstance(event, AlertAmended)
    assert event.what_changed == "IGG 10 g/L was collected at another time"


def test_a_closed_alert_is_amended_only_when_a_value_it_told_was_corrected() -> None:
    over = {"state": "closed", "closed_because": "over"}
    told = Told()
    told(found())
    told(found(**over))
    assert told(found(**over, text="other words", tier="P3", due_hours=None)) == []
    assert told(found("a", piece("a", "12 g/L"), **over)) == ["amended"]
    [event] = told.events
    assert isinstance(event, AlertAmended)
    assert not event.still_open
    assert told.states() == {"WATCH": "closed"}


def test_a_closed_alert_opens_again() -> None:
    told = Told()
    told(found())
    told(found(state="closed", closed_because="over"))
    assert told(found()) == ["amended"]
    [event] = told.events
    assert isinstance(event, AlertAmended)
    assert (event.what_changed, event.still_open, event.sequence) == ("open again", True, 2)


def test_what_no_longer_holds_is_retracted_with_both_values() -> None:
    told = Told()
    told(found("a", piece("a"), piece("b", "5 g/L")))
    assert told(now=[piece("a", "1 g/L", version=1)]) == ["retracted"]
    [event] = told.events
    assert isinstance(event, AlertRetracted)
    assert [(value.before, value.after) for value in event.values] == [("10 g/L", "1 g/L"), ("5 g/L", None)]
    assert event.tier == "P2"
    assert "no longer counts" in event.reason
    assert told(now=[]) == []


def test_a_retraction_says_why() -> None:
    for now, words in (
        ([piece("a", "1 g/L")], "the laboratory corrected a result"),
        ([], "a result it rested on no longer counts"),
        ([piece("a")], "a later fact changed the course"),
    ):
        told = Told()
        told(found())
        told(now=now)
        assert words in told.events[0].reason  # type: ignore[union-attr]  # a retraction, else this test fails


def test_a_closed_alert_is_retracted_too() -> None:
    told = Told()
    told(found())
    told(found(state="closed", closed_because="over"))
    assert told(now=[]) == ["retracted"]


def test_one_retraction_takes_back_a_whole_episode_at_the_higher_tier() -> None:
    told = Told()
    watch = found(state="closed", closed_because="confirmed", episode="e")
    told(replace(watch, state="open"))
    confirmed = found(kind="CONFIRMED", due_hours=24, episode="e")
    assert told(watch, confirmed) == ["raised", "closed"]
    assert told(now=[]) == ["retracted"]
    [event] = told.events
    assert isinstance(event, AlertRetracted)
    assert (event.kind, event.due_hours) == ("CONFIRMED", 24)
    assert event.with_alerts == (watch.alert_id(PATIENT),)
    assert told.states() == {"WATCH": "retracted", "CONFIRMED": "retracted"}


def test_what_remains_of_an_episode_is_named() -> None:
    told = Told()
    watch, confirmed = found(episode="e"), found(kind="CONFIRMED", due_hours=24, episode="e")
    told(watch, confirmed)
    assert told(watch) == ["retracted"]
    assert "what remains open: WATCH" in told.events[0].reason  # type: ignore[union-attr]  # as above


def test_a_retracted_alert_may_be_raised_again() -> None:
    told = Told()
    told(found())
    told(now=[])
    assert told(found(state="closed", closed_because="history")) == []
    assert told(found()) == ["raised"]
    assert [event.sequence for event in told.all] == [0, 1, 2]


def test_an_earlier_opener_that_arrives_late_closes_the_old_alert() -> None:
    told = Told()
    told(found("b"))
    earlier = found("a", piece("a"), piece("b"), covers=(str(derive("result", "b")),))
    assert told(earlier) == ["raised", "closed"]
    closed = told.events[1]
    assert isinstance(closed, AlertClosed)
    assert (closed.alert, closed.superseded_by) == (found("b").alert_id(PATIENT), earlier.alert_id(PATIENT))
    assert told(earlier, now=[piece("a"), piece("b")]) == []


def test_a_superseded_alert_is_ended_for_good() -> None:
    told = Told()
    told(found("b"))
    told(found("a", piece("a"), piece("b"), covers=(str(derive("result", "b")),)))
    assert told(now=[]) == ["retracted"]
    assert told.events[0].alert == found("a").alert_id(PATIENT)


def test_a_superseded_alert_comes_back_when_the_earlier_opener_is_withdrawn() -> None:
    told = Told()
    told(found("b"))
    told(found("a", piece("a"), piece("b"), covers=(str(derive("result", "b")),)))
    assert told(found("b")) == ["amended", "retracted"]
    assert told.issued[found("b").alert_id(PATIENT)].state == "open"


def test_an_old_opener_whose_value_was_corrected_is_retracted_not_superseded() -> None:
    told = Told()
    told(found("b"))
    now = (piece("a"), piece("b", "12 g/L", version=1))
    earlier = found("a", *now, covers=(str(derive("result", "b")),))
    assert told(earlier) == ["raised", "retracted"]


def test_an_alert_of_another_episode_is_no_heir() -> None:
    told = Told()
    told(found("b"))
    assert told(found("c"), now=[piece("b"), piece("c")]) == ["raised", "retracted"]


def test_an_heir_that_is_closed_and_never_told_is_not_named() -> None:
    told = Told()
    told(found("b"))
    over = found("a", covers=(str(derive("result", "b")),), state="closed", closed_because="resolved since")
    assert told(over, now=[piece("a"), piece("b")]) == ["closed"]
    [event] = told.events
    assert isinstance(event, AlertClosed)
    assert (event.reason, event.superseded_by) == ("resolved since", None)


def test_ids_depend_on_patient_line_kind_subject_and_opener_only() -> None:
    base = found()
    assert base.alert_id(PATIENT) == replace(base, tier="P3", text="x", tags=("y",), evidence=()).alert_id(PATIENT)
    others: list[UUID] = [
        replace(base, line=2).alert_id(PATIENT),
        replace(base, kind="X").alert_id(PATIENT),
        replace(base, subject="X").alert_id(PATIENT),
        replace(base, opener="X").alert_id(PATIENT),
        base.alert_id(PatientId(authority="LAB", type="MR", id="7")),
    ]
    assert len({base.alert_id(PATIENT), *others}) == 6


findings = st.builds(
    lambda opener, text, state, notice, tier: found(
        opener, piece(opener, text), state="closed" if notice else state, notice=notice, tier=tier,
        due_hours=72 if tier == "P2" else None, closed_because="over",
    ),
    st.sampled_from("abc"), st.sampled_from(("1 g/L", "2 g/L")), st.sampled_from(("open", "closed")), st.booleans(),
    st.sampled_from(("P2", "P3")),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(findings, max_size=3, unique_by=lambda each: each.opener), min_size=1, max_size=5))
def test_events_replayed_by_a_reader_end_where_the_issuer_ends(steps: list[list[Finding]]) -> None:
    told = Told()
    for wanted in steps:
        told(*wanted)
        open_now = {finding.alert_id(PATIENT) for finding in wanted if finding.state == "open"}
        assert {alert for alert, record in told.issued.items() if record.state == "open"} == open_now
    assert reader(told.all) == {alert: record.state for alert, record in told.issued.items()}
    assert len({event.event_id for event in told.all}) == len(told.all)


def reader(events: Sequence[AnyAlert]) -> dict[UUID, str]:
    """What somebody who sees only the events takes for the state of each alert."""
    states: dict[UUID, str] = {}
    for event in events:
        match event:
            case AlertRaised():
                states[event.alert] = "closed" if event.notice else "open"
            case AlertAmended():
                states[event.alert] = "open" if event.still_open else "closed"
            case AlertClosed():
                states[event.alert] = "closed"
            case AlertRetracted():
                states |= dict.fromkeys((event.alert, *event.with_alerts), "retracted")
    return states
