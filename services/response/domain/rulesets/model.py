"""What a response rule set is made of: thresholds as data, each with unit, strictness, source and verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from refrain.clinical.threevalued import Span, Truth, exceeds, falls_below

Verification = Literal["VT", "SEC", "UNV"]
"""verified in the text, secondary text, unverified and needs a clinician (clinical.md 1.1)."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number to compare with. ``unit`` is UCUM, or says what the number multiplies."""

    value: Decimal
    unit: str
    inclusive: bool
    source: str
    verification: Verification

    def caps(self, value: Span, reference: Span | None = None) -> Truth:
        """``value`` at or under the threshold (of ``reference``)."""
        return falls_below(value, self._limit(reference), or_equal=self.inclusive)

    def reached(self, value: Span, reference: Span | None = None) -> Truth:
        """``value`` at or over the threshold (of ``reference``)."""
        return exceeds(value, self._limit(reference), or_equal=self.inclusive)

    def _limit(self, reference: Span | None) -> Span:
        return Span.of(self.value) if reference is None else reference.times(self.value)


IN_WORDS: Mapping[Verification, str] = {
    "VT": "verified-in-text", "SEC": "secondary", "UNV": "unverified-needs-clinician",
}  # fmt: skip
"""The mark as it travels on a call (clinical.md 1.1)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One level as a clinician reads it: quoted in every call."""

    id: str
    level: str
    says: str
    source: str
    verification: Verification
    version: str = "1.0.0"

    @property
    def how_verified(self) -> str:
        """The mark in words, for the call that quotes the rule."""
        return IN_WORDS[self.verification]


@dataclass(frozen=True, slots=True)
class MProteinLevel:
    """A response level of the M-protein: a fall to a share of the baseline, or visible by immunofixation only."""

    name: str
    fall_to: Threshold
    minimum: Threshold | None
    """Smallest baseline that may be graded; None where any quantified one may."""
    immunofixation_only: bool
    """Also reached by an unmeasurable spike with a positive serum immunofixation."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All numbers of one response table."""

    id: str
    title: str
    m_protein: tuple[MProteinLevel, ...]
    """Best first."""
    no_response_minimum: Threshold | None
    """Smallest baseline for a graded "no response"."""
    vegf_partial: Threshold
    vegf_eligible: Threshold
    pet_new_sum: Threshold
    pet_rise: Threshold
    pet_partial: Threshold
    rules: Mapping[str, Rule]
    """By level; NEH and the clinical axis included."""

    def rule(self, *levels: str | None) -> Rule:
        """The rule of the first level given that is not None."""
        return self.rules[next(level for level in levels if level is not None)]
