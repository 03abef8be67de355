"""Alerts as Flags (P1, P2 and watches) and as DetectedIssues (data quality, and repairs that wait for a person)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.contracts.fhir_names import ACKNOWLEDGE_REASONS, ALERT_KINDS
from refrain.contracts.kinds import kind_of
from services.chart.domain.course_view import WATCHES
from services.chart.domain.course_words import REPAIRS, with_code
from services.chart.domain.fhir.judgements import rule_parts
from services.chart.domain.fhir.pieces import (
    Piece,
    coding,
    concept,
    instant,
    ours,
    part,
    parts,
    reference,
    some,
    text,
    with_meta,
)
from services.chart.domain.views import AlertRow, AlertView, ObservationView

Kind = Literal["Flag", "DetectedIssue"]
REPAIR_PREFIX = "repair."
FLAG_DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"
"""FHIR's own extension of Flag: the record that supports it."""
FLAG_STATUS = {"open": "active", "closed": "inactive", "retracted": "entered-in-error"}
ISSUE_STATUS = {"open": "preliminary", "closed": "final", "retracted": "entered-in-error"}
"""Preliminary while somebody still has to settle it."""


def kind_of_resource(row: AlertRow) -> Kind | None:
    """Which resource an alert is. Notices and reminders (P3) are none: they ask for no attention to a patient."""
    if row.tier == "DQ":
        return "DetectedIssue"
    return "Flag" if row.tier in ("P1", "P2") or row.kind in WATCHES else None


def status_of(row: AlertRow) -> str:
    statuses = FLAG_STATUS if kind_of_resource(row) == "Flag" else ISSUE_STATUS
    return statuses["closed" if row.notice and row.fact_state == "open" else row.fact_state]


def resource_of(view: AlertView) -> Piece:
    """The resource that an alert is, which must be one."""
    return flag(view) if kind_of_resource(view.row) == "Flag" else issue(view)


def flag(view: AlertView) -> Piece:
    """One alert for the ward. Active while its reason holds, answered or not: the extension says who answered."""
    row = view.row
    ended = _ended(view)
    resource = some(
        resourceType="Flag",
        id=str(row.alert),
        extension=[*_standing(view), *_evidence(view)],
        status=status_of(row),
        category=[concept(coding("http://terminology.hl7.org/CodeSystem/flag-category", "lab", "Laboratory"))],
        code=concept(coding(ALERT_KINDS, row.kind, kind_of(row.kind).short), words=_sentence(row)),
        subject=reference("Patient", row.chart_id),
        period=some(start=instant(row.raised_at), end=ended and instant(ended)),
        author={"display": "Refrain"},
    )
    return with_meta(resource, _newest(view), row.processing)


def issue(view: AlertView) -> Piece:
    """One question about the data; ``implicated`` are the results that it is about."""
    row = view.row
    resource = some(
        resourceType="DetectedIssue",
        id=str(row.alert),
        extension=_standing(view),
        status=status_of(row),
        code=concept(coding(ALERT_KINDS, row.kind, kind_of(row.kind).short), words=kind_of(row.kind).sentence),
        patient=reference("Patient", row.chart_id),
        identifiedDateTime=instant(row.raised_at),
        author={"display": "Refrain"},
        implicated=[reference("Observation", each) for each in _results(view)],
        evidence=[{"detail": [reference("Observation", each)]} for each in _results(view)],
        detail=_sentence(row),
        mitigation=_mitigation(row),
    )
    return with_meta(resource, _newest(view), row.processing)


def repair(view: ObservationView) -> Piece | None:
    """A repaired reading as an issue of its own: preliminary while a person has to say whether it may be used."""
    counting = next((each for each in view.versions if each.counts), None)
    repaired = counting.observation.repaired if counting else None
    if counting is None or repaired is None or repaired.review == "not_required":
        return None
    resource = some(
        resourceType="DetectedIssue",
        id=f"{REPAIR_PREFIX}{view.row.result}",
        status="preliminary" if repaired.review == "pending" else "final",
        code=ours("repair", repaired.repair_rule_id, with_code(REPAIRS, repaired.repair_rule_id)),
        patient=reference("Patient", view.chart_id),
        identifiedDateTime=instant(counting.recorded_at),
        author={"display": "Refrain"},
        implicated=[reference("Observation", view.row.result)],
        evidence=[{"detail": [reference("Observation", view.row.result)]}],
        detail="A repaired reading stands beside the value as received; see its Observation.",
        mitigation=(
            [] if repaired.review == "pending" else [{"action": ours("repair-review", repaired.review)}]
        ),
    )  # fmt: skip
    return with_meta(resource, view.row.recorded_at, view.row.processing)


def _sentence(row: AlertRow) -> str:
    said = f"{kind_of(row.kind).sentence} {row.text}".strip()
    changed = f" {row.what_changed[:1].upper()}{row.what_changed[1:]}." if row.what_changed else ""
    return text(f"{said}{changed}") or row.kind


def _standing(view: AlertView) -> list[Piece]:
    """Urgency, where the alert stands with people, and the rule behind it."""
    row = view.row
    return parts(
        "alert",
        part("tier", "Code", row.tier),
        None if row.due_hours is None else {"url": "dueHours", "valueInteger": row.due_hours},
        part("subject", "String", row.subject),
        None if row.line is None else {"url": "line", "valueInteger": row.line},
        part("state", "Code", row.state),
        {"url": "waiting", "valueBoolean": row.waiting},
        part("answer", "Code", row.acknowledge_reason),
        part("answeredAt", "Instant", row.acknowledged_at and instant(row.acknowledged_at)),
        part("supersededBy", "String", row.superseded_by and str(row.superseded_by)),
        *rule_parts(view.rule),
    )


def _evidence(view: AlertView) -> list[Piece]:
    """Each as the extension that FHIR has for it."""
    return [{"url": FLAG_DETAIL, "valueReference": reference("Observation", each)} for each in _results(view)]


def _results(view: AlertView) -> list[UUID]:
    """What it rests on, as far as it is a result that is known here: a clinical relapse rests on what was recorded."""
    return [each.evidence.result for each in view.values if each.state is not None]


def _mitigation(row: AlertRow) -> list[Piece]:
    reason = REASON_BY_CODE.get(row.acknowledge_reason)
    if reason is None or row.acknowledged_at is None:
        return []
    action = concept(coding(ACKNOWLEDGE_REASONS, reason.code), words=reason.words)
    return [{"action": action, "date": instant(row.acknowledged_at)}]


def _ended(view: AlertView) -> datetime | None:
    """When its reason ended, as far as its events say."""
    if status_of(view.row) == "active":
        return None
    return max(view.retracted_by.recorded_at if view.retracted_by else view.row.raised_at, view.events[-1].recorded_at)


def _newest(view: AlertView) -> datetime:
    """Of the records about it, those of people's answers too."""
    events = [*view.events, *([view.retracted_by] if view.retracted_by else [])]
    return max([*(event.recorded_at for event in events), *(action.at for action in view.actions)])
