"""What clinicians recorded, visit by visit, and whether it is better or worse (clinical.md 11.4).

Response makes the clinical axis of it, relapse the clinical ladder: both read the same words and scores alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from refrain.contracts.care import Line
from refrain.contracts.events import CareEvent, ClinicalFinding

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

    @property
    def says_something(self) -> bool:
        return bool(self.symptoms or self.scores or self.new_feature)


@dataclass(frozen=True, slots=True)
class JudgedVisit:
    """A visit after a line's first dose, with the direction of each symptom and score that says one."""

    visit: Visit
    directions: Mapping[str, Direction]


def judged_visits(care: Iterable[CareEvent], line: Line, baseline_days: int) -> tuple[JudgedVisit, ...]:
    """The visits of a line after its first dose, oldest first.

    Scores are measured against the last one at most ``baseline_days`` before that dose, and the best since.
    """
    seen = [visit for visit in _visits(care) if visit.says_something]
    first = line.first_dose - timedelta(days=baseline_days)
    before = [visit for visit in seen if first <= visit.on <= line.first_dose]
    inside = [visit for visit in seen if visit.on > line.first_dose and (line.end is None or visit.on < line.end)]
    return tuple(JudgedVisit(visit, _directions(visit, before, inside[:at])) for at, visit in enumerate(inside))


def _directions(visit: Visit, before: Sequence[Visit], since: Sequence[Visit]) -> dict[str, Direction]:
    found = {name: _word(word) for name, word in visit.symptoms.items()}
    found |= {name: _score(name, value, before, since) for name, value in visit.scores.items()}
    return {name: direction for name, direction in found.items() if direction is not None}


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


def _score(name: str, value: Decimal, before: Sequence[Visit], since: Sequence[Visit]) -> Direction | None:
    """A score against the line's baseline and its best so far; None when it has neither or is not evaluable."""
    earlier = [visit.scores[name] for visit in (*before, *since) if name in visit.scores]
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
