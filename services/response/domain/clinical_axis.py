"""The clinical axis (clinical.md 11.4): what clinicians entered, never inferred from laboratory data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refrain.contracts.events import Axis, CareEvent
from refrain.contracts.visits import Direction, judged_visits
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.series import Window
from services.response.domain.verdict import no_call


def clinical_axis(care: Iterable[CareEvent], window: Window, rules: RuleSet) -> Axis:
    """The axis at the newest visit of the line that has symptoms, scores or a new feature."""
    judged = judged_visits(care, window.line, window.baseline_days)
    rule = rules.rule("CLINICAL")
    if not judged:
        return no_call("CLINICAL", rule, "NO_DATA").model_copy(update={"confirmation": "not_required"})
    newest, known = judged[-1].visit, judged[-1].directions
    overall = _overall(set(known.values()) | ({"worse"} if newest.new_feature else set()))
    event = newest.events[-1]
    return Axis(
        axis="CLINICAL", as_of=event.event_id, call=overall, assessability="ASSESSED" if overall else "NE",
        reasons=() if overall else ("NO_DATA",), confirmation="not_required", symptoms=newest.symptoms,
        best_response=None, rule_id=rule.id, rule_version=rule.version, source=rule.source,
        verification=rule.how_verified, evidence=tuple(event.event_id for event in newest.events),
        why_not=_why_not(overall, known),
    )  # fmt: skip


def _overall(found: set[Direction]) -> str | None:
    if {"better", "worse"} <= found:
        return "mixed"
    for direction, word in (("better", "improved"), ("worse", "worsened"), ("unchanged", "stable")):
        if direction in found:
            return word
    return None


def _why_not(overall: str | None, known: Mapping[str, Direction]) -> dict[str, str]:
    worse = sorted(name for name, direction in known.items() if direction == "worse")
    if overall in ("mixed", "worsened") and worse:
        return {"improved": f"worse: {', '.join(worse)}"}
    return {} if overall == "improved" else {"improved": "nothing is recorded as better"}
