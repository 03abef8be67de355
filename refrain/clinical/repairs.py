"""Repairs of damaged values and ranges (clinical.md 7): proposed beside what was received, never instead of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

RepairClass = Literal["notation", "range", "magnitude", "identity", "semantics"]
Confidence = Literal["high", "medium", "low"]
Review = Literal["pending", "not_required", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One repaired reading; number and limits are in ``unit``, the analyte's canonical UCUM unit."""

    number: Decimal | None
    unit: str
    low: Decimal | None
    high: Decimal | None
    low_inclusive: bool | None
    high_inclusive: bool | None
    repair_rule_id: str
    repair_class: RepairClass
    confidence: Confidence
    review: Review
