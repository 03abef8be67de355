"""What ``refrain translate`` prints: one JSON object for one message (feeds.md section 13, system.md section 6)."""

from __future__ import annotations

from typing import Any

from refrain.contracts.events import LabReport, Observation
from services.intake.domain.acks import ack_code
from services.intake.domain.translation import Translation

_VALUE = ("kind", "comparator", "number", "unit_raw", "unit", "text")
_VALUE_WHEN_SET = ("ordinal", "missing", "companion")
_RANGE = ("kind", "text", "low", "high", "low_inclusive", "high_inclusive")
_RANGE_WHEN_SET = ("unit", "expected", "by_sex", "reason")
_REPORT = ("patient", "patient_received", "sender", "profile", "processing", "sex", "age_at_collection", "order")
_OBSERVATION = (
    "result", "version", "code", "system", "analyte", "name", "sub_id", "repeat", "status", "status_class",
    "issued_at", "issued_from", "value", "canonical", "repaired", "range", "reported_flags", "collected_at",
    "time_precision", "collected_from", "specimen", "method", "notes", "quality", "segment",
)  # fmt: skip
_OBSERVATION_WHEN_SET = ("isotype", "attributes")


def as_listing(translation: Translation, source: str = "") -> dict[str, Any]:
    """The object for one message; ``source`` is ``FILE#INDEX``. Numbers are text, times carry their offset."""
    return {
        "source": source,
        "ack": ack_code(translation),
        "outcome": translation.outcome,
        "reason": translation.reason,
        "care_events": [],
        "reports": [_report(report) for report in translation.reports],
        "quarantined": [{"place": part.place, "reason": part.reason} for part in translation.unusable],
    }


def _report(report: LabReport) -> dict[str, Any]:
    content = report.model_dump(mode="json", by_alias=True)
    listed = {name: content[name] for name in _REPORT}
    listed["observations"] = [_observation(observation, report.sex) for observation in report.observations]
    if report.other_ids:
        listed["other_ids"] = content["other_ids"]
    if report.parts > 1:
        listed |= {"part": report.part, "parts": report.parts}
    return listed


def _observation(observation: Observation, sex: str | None) -> dict[str, Any]:
    content = observation.model_dump(mode="json", by_alias=True)
    content["value"] = _picked(content["value"], _VALUE, _VALUE_WHEN_SET)
    if content["range"]["by_sex"]:
        # A range split by sex reads as the interval of the patient's own; unknown, only both halves are shown.
        content["range"] |= content["range"]["by_sex"].get((sex or "").strip().upper()[:1], {})
    content["range"] = _picked(content["range"], _RANGE, _RANGE_WHEN_SET)
    return _picked(content, _OBSERVATION, _OBSERVATION_WHEN_SET)


def _picked(content: dict[str, Any], always: tuple[str, ...], when_set: tuple[str, ...]) -> dict[str, Any]:
    return {name: content[name] for name in always} | {name: content[name] for name in when_set if content[name]}
