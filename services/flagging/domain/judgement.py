"""flagging's pure step: place every result of a patient against its range, and tell what that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

from pydantic import Field

from refrain.contracts.alerting import AnyAlert, Context, Finding, IssuedAlerts, reconcile
from refrain.contracts.care import current_care_events
from refrain.contracts.events import CareEvent, Event, Evidence, FlaggedReport, LabReport, Processing, Wire
from refrain.contracts.site import SiteSettings
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import ALERTS, FLAGGED_REPORTS
from services.flagging.domain import alerts, rules
from services.flagging.domain.history import worlds
from services.flagging.domain.patient import Patient, judge
from services.flagging.domain.views import view


class FlaggingIssued(Wire):
    """What everybody was told last about one patient."""

    views: dict[UUID, str] = Field(default={})
    """Digest of the view that was issued last, by report id."""
    alerts: dict[Processing, IssuedAlerts] = Field(default={})
    """Live, test and training apart."""


def place(
    facts: Sequence[Event], issued: FlaggingIssued, cause: Sequence[Event], site: SiteSettings
) -> Decision[FlaggingIssued]:
    """Judge all of a patient's results and issue the views and alerts that differ from what was issued.

    ``facts`` are all lab reports and care events of one patient, the new ones (``cause``) included, in any
    order. A view is issued when it is new or says something else than before, apart from its revision. The
    outputs are views by time and id, then alert events; none when nothing changed.
    """
    known = {fact.event_id: fact for fact in facts}
    reports = sorted(
        (fact for fact in known.values() if isinstance(fact, LabReport)),
        key=lambda report: (report.occurred_at, report.event_id),
    )
    if not reports:
        return Decision(issued, ())
    care = current_care_events(fact for fact in known.values() if isinstance(fact, CareEvent))
    judged = {processing: judge(group, care, site) for processing, group in worlds(reports).items()}
    views, new = _views(reports, judged, issued.views, _Telling(cause or reports, len(known), site.hash))
    told: dict[Processing, IssuedAlerts] = dict(issued.alerts)
    events: list[AnyAlert] = []
    for processing, patient in judged.items():
        context = Context(reports[0].patient, cause or reports, site.hash, processing)
        told[processing], changed = _alerts(patient, issued.alerts.get(processing, {}), context)
        events.extend(changed)
    outputs = (
        *(Output(FLAGGED_REPORTS, report) for report in new),
        *(Output(ALERTS, event) for event in events),
    )
    return Decision(FlaggingIssued(views=views, alerts=told), outputs)


class _Telling:
    """What all views of one decision have in common."""

    def __init__(self, cause: Sequence[Event], revision: int, settings: str) -> None:
        self.revision = revision
        self.settings = settings
        self.recorded_at = max(fact.recorded_at for fact in cause)
        self.caused_by = tuple(sorted(fact.event_id for fact in cause))
        self.trace = max((fact.recorded_at, fact.trace) for fact in cause)[1]


def _views(
    reports: Iterable[LabReport], judged: Mapping[Processing, Patient], issued: Mapping[UUID, str], telling: _Telling
) -> tuple[dict[UUID, str], list[FlaggedReport]]:
    """Digests of all views, and the views that are new or changed."""
    digests, new = {}, []
    for report in reports:
        flagged = _view(report, judged[report.processing], telling)
        digests[report.event_id] = _digest(flagged)
        if issued.get(report.event_id) != digests[report.event_id]:
            new.append(flagged)
    return digests, [view.model_copy(update={"issued_together": len(new)}).identified() for view in new]


def _view(report: LabReport, patient: Patient, telling: _Telling) -> FlaggedReport:
    """A report with the flags of its versions. A version shows its newest translation, in every report it is in."""
    versions = dict.fromkeys(observation.version for observation in report.observations)
    return FlaggedReport(
        patient=report.patient, occurred_at=report.occurred_at, recorded_at=telling.recorded_at,
        caused_by=telling.caused_by, trace=telling.trace, rule=rules.FLAGGING, report=report.event_id,
        revision=telling.revision, settings=telling.settings, sender=report.sender, processing=report.processing,
        translation=report.translation, order=report.order,
        observations=tuple(view(patient.versions[version]) for version in versions),
    )  # fmt: skip


def _digest(flagged: FlaggedReport) -> str:
    """What a view says, without how often it was counted and how it travelled."""
    untold = {"event_id", "revision", "issued_together", "recorded_at", "caused_by", "trace"}
    return sha256(flagged.model_dump_json(exclude=untold).encode()).hexdigest()[:16]


def _alerts(patient: Patient, issued: IssuedAlerts, context: Context) -> tuple[IssuedAlerts, tuple[AnyAlert, ...]]:
    """Reconcile twice: what speaks of a withdrawal itself still rests on it, everything else no longer does."""
    wanted = alerts.findings(patient, context.processing)
    now = alerts.standing(patient)
    gone = alerts.withdrawn(patient)
    valued = {result: piece for result, piece in now.items() if result not in gone}
    after: IssuedAlerts = {}
    events: list[AnyAlert] = []
    for about_withdrawn, standing in ((False, valued), (True, now)):
        part, changed = _reconciled(wanted, issued, standing, context, about_withdrawn)
        after |= part
        events.extend(changed)
    return after, tuple(events)


def _reconciled(
    wanted: Sequence[Finding], issued: IssuedAlerts, now: Mapping[UUID, Evidence], context: Context, about: bool
) -> tuple[IssuedAlerts, tuple[AnyAlert, ...]]:
    kinds = alerts.ABOUT_THE_WITHDRAWN
    return reconcile(
        [finding for finding in wanted if (finding.kind in kinds) == about],
        {alert: old for alert, old in issued.items() if (old.kind in kinds) == about},
        now,
        context,
    )
