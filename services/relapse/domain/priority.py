"""How urgent a ladder alert is (clinical.md 12.4, site policy): steps up first, then down."""

from __future__ import annotations

from typing import NamedTuple

from refrain.contracts.events import Tier


class Urgency(NamedTuple):
    """A tier and the hours within which somebody must acknowledge; None where nobody waits."""

    tier: Tier
    due_hours: int | None


P2_24 = Urgency("P2", 24)
P2_72 = Urgency("P2", 72)
P3 = Urgency("P3", None)
DQ = Urgency("DQ", None)

STEPS = (P2_24, P2_72, P3)
"""Of the ladder, most urgent first. P1 is never reached: VEGF comes in batches and the horizon is weeks."""


def ladder_urgency(start: Urgency, *, multi_axis: bool, infection: bool) -> Urgency:
    """One step up when two ladders are active (cap P2/24 h), then one down in an infection window (floor P3)."""
    step = STEPS.index(start)
    step = max(step - multi_axis, 0)
    step = min(step + infection, len(STEPS) - 1)
    return STEPS[step]


def in_words(urgency: Urgency) -> str:
    """How urgent, as a sentence of the alert's text."""
    match urgency:
        case ("DQ", _):
            return "For the laboratory, within 2 working days."
        case ("P3", _):
            return "For the weekly digest."
        case (_, hours):
            return f"Act within {hours} hours."
