"""The clinical axis (clinical.md 11.4): what clinicians entered, never inferred from laboratory data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from refrain.contracts.events import Axis, CareEvent, ClinicalFinding
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.series import Window
from services.response.domain.verdict import no_call

BETTER = frozenset({"better", "much better"})
WORSE = frozenset({"worse", "much worse"})
UNCHANGED = frozenset({"unchanged"})
SEVERITY = {"much better": 0, "better": 1, "unchanged": 2, "worse": 3, "much worse": 4}

Direction = Literal["better", "worse", "unchanged"]

STEPS = {"ONLS": Decimal(1), "ASCITES": Decimal(1), "EFFUSION": Decimal(1), "EDEMA": Decimal(1)}
"""Points or grades, inclusive: a fall is better, a rise from the best is worse. ONLS: PUMCH; grades: DS12-T. UNV."""
MNIS_SHARE, MNIS_POINTS = Decimal("0.15"), Decimal(10)
"""mNIS+7: a change of 15 % and at least 10 points, both inclusive. DS12-T, UNV."""
RVSP_EVALUABLE = Decimal(40)
"""mmHg: evaluable at >= 40, better under it, worse when it reappears. DS12-T, UNV."""
DLCO_EVALUABLE = Decimal(70)
"""Percent of predicted: evaluable under 70, better at >= 70, worse when it reappears. DS12-T, UNV."""


@dataclass(frozen=True, slots=True)
class Visit:
    """All that was entered for one date."""

    on: date
    symptoms: dict[str, str]
    scores: dict[str, Decimal]
    new_feature: bool
    events: tuple[CareEvent, ...]


def clinical_axis(care: Iterable[CareEvent], window: Window, rules: RuleSet) -> Axis:
    """The axis at the newest visit of the line that has symptoms, scores or a new feature."""
    visits = [visit for visit in _visits(care) if visit.symptoms or visit.scores or visit.new_feature]
    inside = [visit for visit in visits if window.during(visit.on)]
    rule = rules.rule("CLINICAL")
    if not inside:
        return no_call("CLINICAL", rule, "NO_DATA").model_copy(update={"confirmation": "not_required"})
    newest = inside[-1]
    before = [visit for visit in visits if window.baseline(visit.on)]
    found = {name: _word(word) for name, word in newest.symptoms.items()}
    found |= {name: _score(name, value, before, inside) for name, value in newest.scores.items()}
    known = {name: direction for name, direction in found.items() if direction is not None}
    overall = _overall(set(known.values()) | ({"worse"} if newest.new_feature else set()))
    event = newest.events[-1]
    return Axis(
        axis="CLINICAL", as_of=event.event_id, call=overall, assessability="ASSESSED" if overall else "NE",
        reasons=() if overall else ("NO_DATA",), confirmation="not_required", symptoms=newest.symptoms,
        best_response=None, rule_id=rule.id, rule_version=rule.version, source=rule.source,
        verification=rule.verification, evidence=tuple(event.event_id for event in newest.events),
        why_not=_why_not(overall, known),
    )  # fmt: skip


def _visits(care: Iterable[CareEvent]) -> list[Visit]:
    """By date. Two entries of one date are one visit; where they disagree the worse word counts."""
    days: dict[date, list[tuple[CareEvent, ClinicalFinding]]] = {}
    for event in care:
        if isinstance(event.body, ClinicalFinding):
            days.setdefault(event.body.on, []).append((event, event.body))
    return [_visit(on, entries) for on, entries in sorted(days.items())]


def _visit(on: date, entries: Sequence[tuple[CareEvent, ClinicalFinding]]) -> Visit:
    symptoms: dict[str, str] = {}
    scores: dict[str, Decimal] = {}
    for _, body in entries:
        for name, word in body.symptoms.items():
            symptoms[name] = max(symptoms.get(name, word), word, key=lambda one: SEVERITY.get(one, -1))
        for name, value in body.scores.items():
            known = scores.get(name.upper(), value)
            scores[name.upper()] = min(known, value) if name.upper() == "DLCO" else max(known, value)
    new_feature = any(body.new_feature for _, body in entries)
    return Visit(on, symptoms, scores, new_feature, tuple(event for event, _ in entries))


def _word(word: str) -> Direction | None:
    if word in BETTER:
        return "better"
    if word in WORSE:
        return "worse"
    return "unchanged" if word in UNCHANGED else None


def _score(name: str, value: Decimal, before: Sequence[Visit], inside: Sequence[Visit]) -> Direction | None:
    """A score against the line's baseline and its best so far; None when it has neither or is not evaluable."""
    earlier = [visit.scores[name] for visit in (*before, *inside[:-1]) if name in visit.scores]
    baseline = next((visit.scores[name] for visit in reversed(before) if name in visit.scores), None)
    if not earlier:
        return None
    if name == "RVSP":
        return _limit(value >= RVSP_EVALUABLE, [old >= RVSP_EVALUABLE for old in earlier])
    if name == "DLCO":
        return _limit(value < DLCO_EVALUABLE, [old < DLCO_EVALUABLE for old in earlier])
    if name == "PAPILLEDEMA":
        return _limit(value > 0, [old > 0 for old in earlier])
    if name == "MNIS+7":
        return _mnis(value, baseline, min(earlier))
    if name not in STEPS:
        return None
    if value - min(earlier) >= STEPS[name]:
        return "worse"
    return "better" if baseline is not None and baseline - value >= STEPS[name] else "unchanged"


def _limit(present: bool, earlier: Sequence[bool]) -> Direction | None:
    """Something that is there or not: gone is better, back again is worse."""
    if not any(earlier):
        return "worse" if present else None
    if present:
        return "worse" if not all(earlier) else "unchanged"
    return "better"


def _mnis(value: Decimal, baseline: Decimal | None, lowest: Decimal) -> Direction:
    rise = value - lowest
    if rise >= MNIS_POINTS and rise >= MNIS_SHARE * lowest:
        return "worse"
    if baseline is not None and baseline - value >= MNIS_POINTS and baseline - value >= MNIS_SHARE * baseline:
        return "better"
    return "unchanged"


def _overall(found: set[Direction]) -> str | None:
    if {"better", "worse"} <= found:
        return "mixed"
    for direction, word in (("better", "improved"), ("worse", "worsened"), ("unchanged", "stable")):
        if direction in found:
            return word
    return None


def _why_not(overall: str | None, known: dict[str, Direction]) -> dict[str, str]:
    worse = sorted(name for name, direction in known.items() if direction == "worse")
    if overall in ("mixed", "worsened") and worse:
        return {"improved": f"worse: {', '.join(worse)}"}
    return {} if overall == "improved" else {"improved": "nothing is recorded as better"}
