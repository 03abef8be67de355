"""The calls of an assessment as short lines, one per line of therapy and axis: the history of what was said."""

from __future__ import annotations

from collections.abc import Mapping

from refrain.contracts.events import Assessability, Axis, ResponseAssessed

WORDS: Mapping[Assessability, str] = {
    "ASSESSED": "assessed", "NOT_ASSESSABLE": "not assessable", "INCOMPLETE": "incomplete",
    "INDETERMINATE": "indeterminate", "NE": "not evaluated",
}  # fmt: skip


def calls_of(assessment: ResponseAssessed) -> dict[str, str]:
    """``line:AXIS`` to e.g. ``CRV confirmed`` or ``NEH, candidate CRH, incomplete: URINE_IFE_MISSING``."""
    return {
        f"{line.line}:{name}": call_of(axis) for line in assessment.lines for name, axis in sorted(line.axes.items())
    }


def call_of(axis: Axis) -> str:
    """One axis as one line; a candidate is never shown as a plain call (clinical.md 10)."""
    parts = [axis.call or "no call"]
    if axis.assessability == "ASSESSED" and axis.confirmation != "not_required":
        parts[0] += f" {axis.confirmation}"
    if axis.candidate:
        parts.append(f"candidate {axis.candidate}")
    if axis.assessability != "ASSESSED":
        reasons = f": {', '.join(axis.reasons)}" if axis.reasons else ""
        parts.append(WORDS[axis.assessability] + reasons)
    return ", ".join(parts)
