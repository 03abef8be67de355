"""PET scans put together from their lesions: sum, resolved or not, new lesion (clinical.md 11.3, answers 24)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from refrain.clinical.threevalued import Span, Truth, every, falls_below, negation, some, total
from services.response.domain.facts import Result
from services.response.domain.series import Mark

RESOLVED_WORDS = frozenset(
    {
        "complete metabolic resolution", "complete metabolic response", "complete response", "complete remission",
        "normal", "normal study", "no significant hypermetabolism", "no hypermetabolism", "no abnormal hypermetabolism",
        "no abnormal fdg uptake", "no fdg-avid lesion", "no fdg-avid lesions", "no fdg avid lesion",
        "no fdg avid lesions", "no avid lesion", "no avid lesions",
    }
)  # fmt: skip
"""Whole clauses of a report that state complete resolution. A closed list: other words decide nothing. UNV."""
RESIDUAL_WORDS = frozenset(
    {
        "partial metabolic response", "partial response", "stable disease", "progressive disease",
        "residual hypermetabolism", "persistent hypermetabolism", "residual fdg uptake", "persistent fdg uptake",
        "residual fdg-avid lesion", "persistent fdg-avid lesion", "residual disease", "not resolved",
    }
)  # fmt: skip
"""Whole clauses that state the contrary. UNV."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion of one scan."""

    name: str
    value: Span | None
    liver: Span | None
    result: Result

    @property
    def resolved(self) -> Truth:
        """At or under the liver of its scan, inclusive; None without both values."""
        if self.value is None or self.liver is None:
            return None
        return falls_below(self.value, self.liver, or_equal=True)


@dataclass(frozen=True, slots=True)
class Scan:
    """All lesions of one scan. ``lead`` stands for it in the trajectory."""

    lesions: tuple[Lesion, ...]
    day: date
    collected_at: datetime
    expected: frozenset[str] = frozenset()
    """Lesions of the baseline, which the scan should tell of."""

    @property
    def lead(self) -> Result:
        return self.lesions[0].result

    @property
    def issued_at(self) -> datetime:
        return max(lesion.result.issued_at for lesion in self.lesions)

    @property
    def whole(self) -> bool:
        """Every lesion has a value, and no lesion of the baseline goes unmentioned."""
        told = {lesion.name for lesion in self.lesions if lesion.value is not None}
        return len(told) == len({lesion.name for lesion in self.lesions}) and self.expected <= told

    @property
    def sum(self) -> Span:
        """Sum of lesion SUVmax. What is not told of is unknown, not gone: then the sum is at least this."""
        known = total(lesion.value for lesion in self.lesions if lesion.value is not None)
        return known if self.whole else Span(known.low, None, known.low_open)

    def mark(self) -> Mark:
        summed = self.sum
        exact = summed.low == summed.high
        number = summed.low if exact or summed.high is None else summed.high
        comparator = None if exact else (">=" if summed.high is None else "<=")
        return Mark(self.lead.id, number, comparator, self.collected_at, summed)  # type: ignore[arg-type]  # literals

    def text(self) -> str:
        mark = self.mark()
        count = len(self.lesions)
        number = f"{mark.comparator or ''}{format(mark.number, 'f') if mark.number is not None else ''}"
        return f"{number} {{SUV}}" + (f" (sum of {count} lesions)" if count > 1 else "")

    @property
    def new_lesion(self) -> Truth:
        """As the report says: any lesion marked new; None when the report does not say."""
        said = {lesion.result.view.observation.attributes.get("new_lesion", "").upper()[:1] for lesion in self.lesions}
        return True if "Y" in said else (False if "N" in said else None)

    @property
    def stated(self) -> Truth:
        """Whether the report's own words state complete resolution, or the contrary; None for other words."""
        clauses = {
            clause.strip()
            for lesion in self.lesions
            for clause in re.split(r"[;,.]", lesion.result.view.observation.attributes.get("statement", "").casefold())
        }
        good, bad = bool(clauses & RESOLVED_WORDS), bool(clauses & RESIDUAL_WORDS)
        return good if good != bad else None

    def avid(self) -> Truth:
        """Any lesion above the liver of the scan (or so stated); a lesion without a value or liver is unknown."""
        if self.stated is False:
            return True
        return some(negation(lesion.resolved) for lesion in self.lesions)


def scans_of(results: Sequence[Result]) -> tuple[Scan, ...]:
    """Scan = laboratory and time of collection (answers 14); oldest first, lesions by name."""
    grouped: dict[tuple[datetime, str], list[Lesion]] = {}
    for result in results:
        grouped.setdefault((result.collected_at, result.view.observation.lab), []).append(_lesion(result))
    return tuple(
        Scan(tuple(sorted(lesions, key=lambda lesion: (lesion.name, lesion.result.id))), lesions[0].result.day, at)
        for (at, _), lesions in sorted(grouped.items())
    )


def _lesion(result: Result) -> Lesion:
    attributes = result.view.observation.attributes
    name = attributes.get("lesion") or result.view.observation.sub_id
    return Lesion(name.strip().casefold(), result.bounds, _decimal(attributes.get("liver_suvmax", "")), result)


def _decimal(text: str) -> Span | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return Span.of(number) if number.is_finite() else None


def resolved(scan: Scan, baseline: Scan) -> tuple[Truth, str | None]:
    """Whether every lesion of the baseline is at or under the liver, and why that cannot be said."""
    now = {lesion.name: lesion for lesion in scan.lesions}
    known = {lesion.name for lesion in baseline.lesions}
    truths: list[Truth] = []
    reason: str | None = None
    for lesion in baseline.lesions:
        if lesion.resolved:
            continue
        found = now.get(lesion.name)
        truths.append(found.resolved if found is not None else None)
        if found is None or found.value is None or lesion.value is None:
            reason = reason or "LESION_MISSING"
            truths.append(None)
        elif found.liver is None:
            reason = reason or "LIVER_SUV_MISSING"
        elif found.resolved is None:
            reason = reason or "CENSORED"
    others = [lesion for lesion in scan.lesions if lesion.name not in known]
    if any(lesion.resolved is False for lesion in others) and scan.new_lesion is not False:
        truths.append(None)
        reason = reason or "CONFLICTING_EVIDENCE"
    truth = every(truths)
    return truth, reason if truth is None else None
