"""What the services made of the patient, read back from Kafka: the newest view of each result, course, alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from refrain.cli import streams
from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    CareEvent,
    FlaggedObservation,
    FlaggedReport,
    LabReport,
    ResponseAssessed,
    ValueChange,
)
from refrain.contracts.topics import ALERTS, CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """One result as flagging shows it now, under its name in the document."""

    name: str
    view: FlaggedObservation

    @property
    def interpretation(self) -> tuple[str, ...]:
        return self.view.interpretation

    @property
    def comparator(self) -> str | None:
        return self.view.comparator

    @property
    def nominal(self) -> str | None:
        return self.view.nominal

    @property
    def number(self) -> Decimal | None:
        return self.view.number

    @property
    def low(self) -> Decimal | None:
        return self.view.low

    @property
    def high(self) -> Decimal | None:
        return self.view.high

    @property
    def repair_rule(self) -> str | None:
        repaired = self.view.observation.repaired
        return repaired.repair_rule_id if repaired else None


@dataclass(frozen=True, slots=True)
class AlertNow:
    """One alert as it stands after its last event. ``at`` is that of its first."""

    kind: str
    tier: str
    due_hours: int | None
    subject: str
    subjects: tuple[str, ...]
    text: str
    at: datetime
    state: str
    """open, amended, closed, retracted; told for a notice, which waits for nothing."""
    identifier: UUID

    @property
    def issued_by(self) -> str:
        """Flagging issues critical and data-quality alerts, relapse all others (answers 15)."""
        quality = self.kind.startswith(("DQ_", "CRITICAL_"))
        return "flagging" if quality else "relapse"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything about one patient that is on the topics."""

    reports: tuple[LabReport, ...]
    care_events: tuple[CareEvent, ...]
    flagged: tuple[FlaggedReport, ...]
    snapshots: tuple[ResponseAssessed, ...]
    """In order of their revision."""
    alert_events: tuple[Alert, ...]
    names: Mapping[UUID, str]
    """Result id to the document's id."""

    @property
    def views(self) -> dict[UUID, FlaggedObservation]:
        """By observation version, the view of the highest revision (answers 10)."""
        newest: dict[UUID, tuple[int, FlaggedObservation]] = {}
        for report in self.flagged:
            for view in report.observations:
                known = newest.get(view.observation.version)
                if known is None or report.revision >= known[0]:
                    newest[view.observation.version] = (report.revision, view)
        return {version: view for version, (_, view) in newest.items()}

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The results of the document, each as its current version shows it, oldest first."""
        current = [view for view in self.views.values() if view.current and view.observation.result in self.names]
        current.sort(key=lambda view: (view.observation.collected_at, self.names[view.observation.result]))
        return tuple(Seen(self.names[view.observation.result], view) for view in current)

    def snapshot_at(self, moment: datetime) -> ResponseAssessed | None:
        """The course as it stood when the facts of a moment were in, and none later."""
        until = [snapshot for snapshot in self.snapshots if snapshot.as_of <= moment]
        return max(until, key=lambda snapshot: (snapshot.as_of, snapshot.revision), default=None)

    @property
    def alerts(self) -> tuple[AlertNow, ...]:
        """Each alert once, in order of its first issue."""
        return tuple(fold_alerts(self.alert_events))

    def withdrawn(self, alert: UUID) -> tuple[ValueChange, ...]:
        """The values, old and new, with which an alert was taken back; nothing of one that was not."""
        events = (event for event in self.alert_events if isinstance(event, AlertRetracted))
        return tuple(value for event in events if alert in (event.alert, *event.with_alerts) for value in event.values)


def read_outcome(bootstrap: str, patient_key: str, records: Iterable[Json]) -> Outcome:
    """Read everything about a patient from the topics, up to their ends now."""
    reports, care, flagged, snapshots, alerts = (
        _once(streams.read_patient(bootstrap, topic, patient_key))
        for topic in (LAB_REPORTS, CARE_EVENTS, FLAGGED_REPORTS, RESPONSES, ALERTS)
    )
    return Outcome(
        reports=tuple(reports),
        care_events=tuple(care),
        flagged=tuple(flagged),
        snapshots=tuple(sorted(snapshots, key=lambda snapshot: snapshot.revision)),
        alert_events=tuple(alerts),
        names=name_results(reports, records),
    )


def _once(events: Iterable[Any]) -> list[Any]:
    """Each event once, in order: what is recorded again has the id it had (answers 7)."""
    return list({event.event_id: event for event in events}.values())


def name_results(reports: Iterable[LabReport], records: Iterable[Json]) -> dict[UUID, str]:
    """The document's id of each result: one code, lesion and time of collection is one record of it (answers 36)."""
    by_place = {
        (datetime.fromisoformat(one["collected_at"]), str(one["code"]), str(one.get("lesion", ""))): str(one["id"])
        for one in records
    }
    return {
        seen.result: by_place[place]
        for report in reports
        for seen in report.observations
        if (place := (seen.collected_at, seen.analyte or seen.code, seen.attributes.get("lesion", ""))) in by_place
    }


def fold_alerts(events: Sequence[Alert]) -> list[AlertNow]:
    """The state of each alert after all its events; a retraction takes its companions along."""
    newest: dict[UUID, AlertNow] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        first = newest[event.alert].at if event.alert in newest else event.at
        newest[event.alert] = AlertNow(
            event.kind, event.tier, event.due_hours, event.subject, event.subjects, event.text, first,
            _state(event, newest.get(event.alert)), event.alert,
        )  # fmt: skip
    for event in events:
        if isinstance(event, AlertRetracted):
            for companion in event.with_alerts:
                newest[companion] = replace(newest[companion], state="retracted")
    return sorted(newest.values(), key=lambda alert: (alert.at, alert.tier, alert.kind))


def _state(event: Alert, before: AlertNow | None) -> str:
    match event:
        case AlertRaised():
            return "told" if event.notice else "open"
        case AlertAmended():
            if event.still_open:
                return "amended"
            return "told" if before is not None and before.state == "told" else "closed"
        case AlertClosed():
            return "closed"
        case _:
            return "retracted"
