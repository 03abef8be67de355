"""A value and its reference range as the laboratory sent them (clinical.md G-6: never what became of them)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from refrain.clinical.interval import Range
from refrain.clinical.values import Value
from refrain.contracts.events import Observation
from services.chart.domain.fhir.pieces import Piece, absent, ours, part, parts, quantity, some, text
from services.chart.domain.result_words import Limited, limits

ABSENT = {
    "empty": "unknown", "deleted": "unknown", "not_performed": "not-performed", "insufficient": "not-performed",
    "specimen_unsuitable": "error", "see_comment": "as-text", "pending": "temp-unknown", "not_given": "unknown",
    "not_calculable": "not-applicable",
}  # fmt: skip
"""Why a value is missing, as FHIR's data-absent-reason. ``below_quantification`` is a statement: its words are sent."""


def value_of(value: Value) -> Piece:
    """``value[x]``, or ``dataAbsentReason``. A bound keeps its comparator, and is never a plain number."""
    received = text(value.text)
    match value.kind:
        case "quantity" | "censored" if value.number is not None:
            number = quantity(value.number, value.unit, shown=value.unit_raw, comparator=value.comparator)
            return {"valueQuantity": number}
        case "titre" if value.number is not None:
            denominator = some(value=value.number, comparator=value.comparator)
            return {"valueRatio": {"numerator": {"value": Decimal(1)}, "denominator": denominator}}
        case "ordinal" if value.ordinal:
            return {"valueCodeableConcept": ours("ordinal", value.ordinal, received or value.ordinal)}
        case "missing" if value.missing != "below_quantification":
            why = value.missing or "empty"
            return {"dataAbsentReason": absent(ABSENT.get(why, "unknown"), received or why.replace("_", " "))}
    return {"valueString": received} if received else {"dataAbsentReason": absent("unknown")}


def range_of(received: Range, unit: str | None, shown: str) -> list[Piece]:
    """The printed range. Limits only where both ends are what FHIR R4 means by them: included in the range.

    An exclusive limit (``<5``) stands in the text alone, and so does a range that was not read, or that depends on
    sex.
    """
    ends = received.interval() if received.by_sex is None else None
    found: Piece = some(text=text(received.text))
    if ends is not None and ends.low_inclusive is not False and ends.high_inclusive is not False:
        in_unit = received.unit or unit
        found = _ends(ends.low, ends.high, in_unit, shown) | found
    return [found] if found else []


def judged_range(limited: Limited, unit: str | None) -> list[Piece]:
    """The interval that judged, in the canonical unit; the same care with exclusive limits."""
    words = limits(limited)
    if not words:
        return []
    said = {"text": f"{words} {unit or ''}".strip()}
    if limited.low_inclusive is False or limited.high_inclusive is False:
        return [said]
    return [_ends(limited.low, limited.high, unit, "") | said]


def _ends(low: Decimal | None, high: Decimal | None, unit: str | None, shown: str) -> Piece:
    return some(
        low=None if low is None else quantity(low, unit, shown=shown),
        high=None if high is None else quantity(high, unit, shown=shown),
    )


def as_received(observation: Observation) -> list[Piece]:
    """What the laboratory sent, character for character, as one extension."""
    value, sent = observation.value, observation
    told: list[Any] = [
        part("value", "String", text(value.text)),
        part("unit", "String", text(value.unit_raw)),
        part("companion", "String", text(value.companion or "")),
        part("referenceRange", "String", text(sent.range.text)),
        *(part("interpretation", "String", text(flag)) for flag in sent.reported_flags),
        part("status", "String", text(sent.status)),
        part("code", "String", text(sent.code)),
        part("codeSystem", "String", text(sent.system)),
        part("name", "String", text(sent.name)),
        part("specimen", "String", text(sent.specimen_raw)),
    ]
    return parts("as-received", *told)
