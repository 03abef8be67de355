"""The step of relapse: from the newest assessment and the care events to the alerts that should stand.

What should stand is a function of the facts (:func:`evaluate`); what is told is the difference to what was told
before. Two things depend on what was told: a watch's end is told only to those who were told of the watch, and a
call that a correction changed is told when no alert of its own says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from pydantic import Field

from refrain.contracts.alerting import AnyAlert, Context, Finding, IssuedAlert, IssuedAlerts, reconcile
from refrain.contracts.events import AlertAmended, AlertRetracted, CareEvent, Event, Evidence, ResponseAssessed, Wire
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import ALERTS
from services.relapse.domain.corrections import calls_of, corrected_calls
from services.relapse.domain.course import Course
from services.relapse.domain.findings import findings
from services.relapse.domain.findings.ladder_alerts import DOES_NOT_AGREE, WATCH_KIND
from services.relapse.domain.ladder import fold

RULES_VERSION = "1.0.0"
"""Of the whole set of findings; part of what is issued (answers 5)."""


class RelapseIssued(Wire):
    """What relapse has told about one patient, and what it had seen when it told it."""

    revision: int = 0
    """Of the snapshot judged last."""
    rules: str = ""
    settings: str = ""
    alerts: IssuedAlerts = Field(default={})
    seen: dict[UUID, Evidence] = Field(default={})
    """Every result that counted then, with the value it had."""
    calls: dict[str, str] = Field(default={})
    """The call of each axis then, by line and axis."""


def advance(
    facts: Sequence[ResponseAssessed | CareEvent],
    issued: RelapseIssued,
    cause: Sequence[Event],
    site: SiteSettings,
) -> Decision[RelapseIssued]:
    """Bring a patient's alerts to what the facts say. ``facts`` in any order; ``cause`` are the new ones."""
    snapshot = newest(facts)
    course = Course.of(snapshot, [fact for fact in facts if isinstance(fact, CareEvent)], site)
    context = Context(
        patient=facts[0].patient,
        cause=cause,
        settings=site.hash,
        processing=snapshot.processing if snapshot else "live",
    )
    wanted = [_told_if_watched(finding, issued.alerts) for finding in _findings(course)]
    alerts, events = reconcile(wanted, _without_corrections(issued.alerts), course.counting, context)
    corrections, notes = _correct(course, issued, events, context)
    after = RelapseIssued(
        revision=snapshot.revision if snapshot else 0,
        rules=RULES_VERSION,
        settings=site.hash,
        alerts={**issued.alerts, **alerts, **corrections},
        seen=dict(course.counting),
        calls=calls_of(course),
    )
    return Decision(after, tuple(Output(ALERTS, event) for event in (*events, *notes)))


def evaluate(
    snapshot: ResponseAssessed | None, care_events: Iterable[CareEvent], site: SiteSettings
) -> tuple[Finding, ...]:
    """The alerts that the facts call for, history included (closed): what the stream, gRPC and ``assess`` all run."""
    return _findings(Course.of(snapshot, care_events, site))


def newest(facts: Iterable[Event]) -> ResponseAssessed | None:
    """The assessment that counts: the highest revision, whatever arrived last (answers 11)."""
    assessed = [fact for fact in facts if isinstance(fact, ResponseAssessed)]
    return max(assessed, key=lambda fact: (fact.revision, fact.as_of, str(fact.event_id)), default=None)


def _findings(course: Course) -> tuple[Finding, ...]:
    return findings(course, fold(course))


def _told_if_watched(finding: Finding, issued: Mapping[UUID, IssuedAlert]) -> Finding:
    """WATCH_RESOLVED becomes a notice where the watch that it ends is open for somebody."""
    if finding.kind != "WATCH_RESOLVED" or finding.closed_because:
        return finding
    kind, openers = WATCH_KIND[finding.subject], {finding.opener, *finding.covers}
    open_for_somebody = any(
        (alert.kind, alert.subject, alert.line, alert.state) == (kind, finding.subject, finding.line, "open")
        and alert.opener in openers
        for alert in issued.values()
    )
    return replace(finding, notice=True) if open_for_somebody else replace(finding, closed_because=DOES_NOT_AGREE)


def _without_corrections(issued: Mapping[UUID, IssuedAlert]) -> IssuedAlerts:
    """A note about a correction says what happened: nothing later takes it back."""
    return {alert_id: alert for alert_id, alert in issued.items() if alert.kind != "RESULT_CORRECTED"}


def _correct(
    course: Course, issued: RelapseIssued, events: Sequence[AnyAlert], context: Context
) -> tuple[IssuedAlerts, tuple[AnyAlert, ...]]:
    """RESULT_CORRECTED, only where the same fact retracts or amends no alert (RET-5, answers 17)."""
    if any(isinstance(event, AlertRetracted | AlertAmended) for event in events):
        return {}, ()
    wanted = corrected_calls(course, issued.seen, issued.calls)
    known = {finding.alert_id(context.patient) for finding in wanted}
    return reconcile(wanted, {i: issued.alerts[i] for i in known if i in issued.alerts}, course.counting, context)
