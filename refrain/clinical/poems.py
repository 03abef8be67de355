"""POEMS progression: the numbers of condition P and what they mean, for response and for the relapse ladder.

Rules POEMS-V-PDV and POEMS-H-PDH 1.0.0 (clinical.md 11.1 and 11.2). Nobody has signed the unverified ones.
"""

from __future__ import annotations

from decimal import Decimal

from refrain.clinical.threevalued import Span, Truth, every, exceeds

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
NOTHING_PROVEN = "NEH"
"""An M-protein surely below every level that its baseline can grade, none of which names it (HEM-4)."""


def vegf_rise(value: Span, nadir: Span, above: Truth) -> Truth:
    """``v > 1.5 n`` and v above its own interval (POEMS-V-PDV). None when the data cannot decide (G-2)."""
    return every((exceeds(value, nadir.times(VEGF_RISE)), above))


def m_protein_rise(value: Span, nadir: Span) -> Truth:
    """``v >= 1.25 n`` and ``v - n >= 5 g/L``, both inclusive (POEMS-H-PDH). A nadir of 0 meets the first (NAD-3)."""
    limits = (nadir.times(M_PROTEIN_RISE), nadir.plus(M_PROTEIN_STEP))
    return every(exceeds(value, limit, or_equal=True) for limit in limits)
