"""POEMS progression: the numbers of condition P and what they mean, for response and for the relapse ladder.

Rules POEMS-V-PDV and POEMS-H-PDH 1.0.0 (clinical.md 11.1 and 11.2). Nobody has signed the unverified ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from refrain.clinical.values import Comparator

VEGF_RISE = Decimal("1.5")
"""Times the nadir, strict: exactly 1.5 times is no rise. PDV-Q, VT. The guard at the upper limit: POLICY, UNV."""
M_PROTEIN_RISE = Decimal("1.25")
"""Times the nadir, inclusive. DS12-T, UNV."""
M_PROTEIN_STEP = Decimal("5")
"""g/L over the nadir, inclusive. DS12-T, UNV."""

RESPONSE_LEVELS = {
    "VEGF": ("PDV", "NRV", "PRV", "CRV"),
    "HEMATOLOGIC": ("PDH", "NRH", "PRH", "VGPRH", "CRH"),
    "PET": ("PD-PET", "NR-PET", "PR-PET", "CR-PET"),
}
"""Levels of each axis, worst first (clinical.md 11.1 to 11.3)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """All that is known of a value: every point between two ends, each open or closed (clinical.md R-8)."""

    low: Decimal
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, number: Decimal, comparator: Comparator | None = None) -> Bounds:
        """A measurement is one point; ``<x`` is [0, x), ``>x`` is (x, infinity)."""
        match comparator:
            case None:
                return cls(number, number)
            case "<" | "<=":
                return cls(Decimal(0), number, high_open=comparator == "<")
            case ">" | ">=":
                return cls(number, None, low_open=comparator == ">")


def _certainly_at_least(value: Bounds, factor: Decimal, step: Decimal, nadir: Bounds, *, strict: bool) -> bool:
    if nadir.high is None:
        return False
    limit = factor * nadir.high + step
    reached_only_by_neither = value.low_open or nadir.high_open
    return value.low > limit or (value.low == limit and (not strict or reached_only_by_neither))


def _certainly_below(value: Bounds, factor: Decimal, step: Decimal, nadir: Bounds, *, strict: bool) -> bool:
    if value.high is None:
        return False
    limit = factor * nadir.low + step
    reached_only_by_neither = value.high_open or nadir.low_open
    return value.high < limit or (value.high == limit and (strict or reached_only_by_neither))


def _rise(value: Bounds, factor: Decimal, step: Decimal, nadir: Bounds, *, strict: bool) -> bool | None:
    if _certainly_at_least(value, factor, step, nadir, strict=strict):
        return True
    return False if _certainly_below(value, factor, step, nadir, strict=strict) else None


def vegf_rise(value: Bounds, nadir: Bounds, above: bool | None) -> bool | None:
    """``v > 1.5 n`` and v above its own interval (POEMS-V-PDV). None when the data cannot decide (G-2)."""
    return _all(_rise(value, VEGF_RISE, Decimal(0), nadir, strict=True), above)


def m_protein_rise(value: Bounds, nadir: Bounds) -> bool | None:
    """``v >= 1.25 n`` and ``v - n >= 5 g/L``, both inclusive (POEMS-H-PDH). A nadir of 0 meets the first (NAD-3)."""
    relative = _rise(value, M_PROTEIN_RISE, Decimal(0), nadir, strict=False)
    return _all(relative, _rise(value, Decimal(1), M_PROTEIN_STEP, nadir, strict=False))


def _all(*parts: bool | None) -> bool | None:
    if any(part is False for part in parts):
        return False
    return None if None in parts else True
