"""What was recorded about a patient, other than results, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import get_args

from refrain.contracts.events import (
    CareBody,
    CareEvent,
    ClinicalFinding,
    CloneStated,
    Collection,
    Drug,
    Engraftment,
    Infection,
    LineStarted,
    LineStopped,
    RepairReviewed,
    RuleSetAssigned,
    SeriesJoined,
    Transplant,
)

KINDS: dict[str, str] = {
    "clone_stated": "clone", "line_started": "therapy line started", "line_stopped": "therapy line stopped",
    "drug": "drug", "transplant": "transplant", "collection": "cells collected", "engraftment": "engraftment",
    "infection": "infection", "clinical_finding": "clinical finding", "repair_reviewed": "repair reviewed",
    "series_joined": "series joined", "rule_set_assigned": "rule set assigned",
}  # fmt: skip
BODIES = get_args(get_args(CareBody)[0])


@dataclass(frozen=True, slots=True)
class CareLine:
    """One care event: what kind, when, and what it says."""

    event: CareEvent
    kind: str
    when: str
    says: str


def care_lines(events: Iterable[CareEvent]) -> tuple[CareLine, ...]:
    """Newest first; what has no date of its own comes first."""
    found = [CareLine(event, KINDS[event.body.type], *_said(event.body)) for event in events]
    return tuple(sorted(found, key=lambda line: (line.when or "9999", line.kind, line.event.key), reverse=True))


def _said(body: CareBody) -> tuple[str, str]:
    """When, and what."""
    match body:
        case CloneStated(heavy=heavy, light=light, evidence=evidence):
            chains = f"{heavy or 'heavy chain not known'}, {light or 'light chain not known'}"
            return "", chains + (f" ({', '.join(evidence)})" if evidence else "")
        case LineStarted():
            return str(body.start), _line(body)
        case LineStopped(line=line, end=end, reason=reason):
            return str(end), f"line {line}" + (f": {reason}" if reason else "")
        case Drug():
            planned = "; planned, not given" if body.status == "planned" else ""
            return _span(body.first, body.last), f"{body.drug} {body.dose}".strip() + planned
        case Transplant(on=on, kind=kind):
            return str(on), kind
        case Collection(on=on, cell=cell, text=text, number=number, unit=unit):
            written = text or ("no number" if number is None else f"{number} {unit}".strip())
            return str(on), f"{cell}: {written}"
        case Engraftment(on=on, cell=cell):
            return str(on), cell
        case Infection(name=name, onset=onset, end=end):
            return _span(onset, end) if end else f"from {onset}", name or "infection"
        case ClinicalFinding():
            return str(body.on), _finding(body)
        case RepairReviewed(repair_rule_id=rule, decision=decision, by=by, at=at):
            return str(at.date()), f"{rule} {decision} by {by}"
        case SeriesJoined(by=by, at=at):
            return str(at.date()), f"two series joined by {by}"
        case RuleSetAssigned(line=line, rule_set=rule_set, at=at):
            return str(at.date()), f"line {line}: {rule_set}"


def _line(body: LineStarted) -> str:
    parts = [f"line {body.line}", f"rule set {body.rule_set}"]
    if body.second_rule_set:
        parts.append(f"beside it {body.second_rule_set}")
    if body.m_component_source != "MPROT_S":
        parts.append(f"M component from {body.m_component_source}")
    return ", ".join(parts) + (f": {', '.join(body.plan)}" if body.plan else "")


def _finding(body: ClinicalFinding) -> str:
    parts = [f"{name} {word}" for name, word in sorted(body.symptoms.items())]
    parts += [f"{name} {value}" for name, value in sorted(body.scores.items())]
    parts += body.findings
    parts += [f"new feature: {body.new_feature}"] if body.new_feature else []
    return "; ".join(parts) or "nothing stated"


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"
