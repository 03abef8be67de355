"""What Refrain makes of a result, apart from what was received: its reading, a repair, and everything to see why."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from refrain.contracts.events import FlaggedObservation, Observation, RuleRef
from refrain.contracts.fhir_names import INTERPRETATIONS
from services.chart.domain.course_words import HELD, NO_NORMALITY, all_with_codes
from services.chart.domain.fhir.pieces import (
    Piece,
    absent,
    coding,
    concept,
    ours,
    part,
    parts,
    quantity,
    reference,
    some,
)
from services.chart.domain.fhir.values import judged_range
from services.chart.domain.result_words import normality

DISPLAYS = {
    "N": "Normal", "L": "Low", "H": "High", "LU": "Significantly low", "HU": "Significantly high",
    "LL": "Critical low", "HH": "Critical high", "A": "Abnormal", "AA": "Critical abnormal", "<": "Off scale low",
    ">": "Off scale high", "U": "Significant change up", "D": "Significant change down", "B": "Better", "W": "Worse",
    "POS": "Positive", "NEG": "Negative", "IND": "Indeterminate", "EXP": "Expected", "UNE": "Unexpected",
}  # fmt: skip
"""As v3-ObservationInterpretation prints them."""
NOT_JUDGED_YET = "not judged yet"


def interpretations(flagged: FlaggedObservation | None) -> list[Piece]:
    """Our codes. Where none of them says normal or abnormal a word says so: a blank must not read as normal (G-3)."""
    if flagged is None:
        return [{"text": NOT_JUDGED_YET}]
    told = [interpretation(code) for code in flagged.interpretation]
    return told if normality(flagged.interpretation) else [*told, {"text": NO_NORMALITY}]


def interpretation(code: str) -> Piece:
    return concept(coding(INTERPRETATIONS, code, DISPLAYS.get(code, "")), words=DISPLAYS.get(code, code))


def components(observation: Observation, flagged: FlaggedObservation | None) -> list[Piece]:
    """``reading``: what was judged, in canonical units. ``repaired``: a proposal beside it, with its review."""
    found = [] if flagged is None else [_reading(flagged)]
    if observation.repaired is not None:
        found.append(_repaired(observation))
    return found


def _reading(flagged: FlaggedObservation) -> Piece:
    reading: Piece = {"code": ours("component", "reading", "Refrain's reading, as judged")}
    if flagged.number is not None:
        reading["valueQuantity"] = quantity(flagged.number, flagged.unit, comparator=flagged.comparator)
    elif flagged.nominal is not None:
        reading["valueCodeableConcept"] = interpretation(flagged.nominal)
    else:
        why = all_with_codes(HELD, flagged.held) or "no value that can be judged"
        reading["dataAbsentReason"] = absent("unknown", why)
    repair = flagged.observation.repaired
    return some(
        extension=[] if repair is None else _repair(flagged.observation),
        **reading,
        interpretation=interpretations(flagged),
        referenceRange=judged_range(flagged, flagged.unit),
    )


def _repaired(observation: Observation) -> Piece:
    repair = observation.repaired
    if repair is None:
        raise ValueError("nothing was repaired")
    value = (
        {"valueQuantity": quantity(repair.number, repair.unit)}
        if repair.number is not None
        else {"dataAbsentReason": absent("not-applicable", "only the reference range was repaired")}
    )
    return some(
        extension=_repair(observation),
        code=ours("component", "repaired", "Repaired reading, beside what was received"),
        **value,
        referenceRange=judged_range(repair, repair.unit),
    )


def _repair(observation: Observation) -> list[Piece]:
    repair = observation.repaired
    if repair is None:
        return []
    return parts(
        "repair",
        part("rule", "Code", repair.repair_rule_id),
        part("class", "Code", repair.repair_class),
        part("confidence", "Code", repair.confidence),
        part("review", "Code", repair.review),
    )


def why(observation: Observation, flagged: FlaggedObservation | None) -> list[Piece]:
    """Everything that a person needs to see why, as one extension (clinical.md G-10)."""
    if flagged is None:
        return parts(
            "judgement", part("state", "Code", "awaiting-flags"), *_codes("quality", observation.quality),
            part("specimenSource", "Code", observation.specimen_source),
        )  # fmt: skip
    return parts(
        "judgement",
        part("state", "Code", "judged"),
        {"url": "usable", "valueBoolean": flagged.usable},
        part("critical", "Code", flagged.critical),
        *_codes("held", flagged.held),
        *_codes("reason", flagged.reasons),
        *_codes("quality", flagged.quality),
        *_codes("caveat", flagged.caveats),
        *_codes("tag", flagged.tags),
        part("rangeSource", "Code", flagged.range_source),
        part("specimenSource", "Code", observation.specimen_source),
        part("series", "String", flagged.series),
        _previous(flagged.previous),
        part("changePercent", "Decimal", flagged.change_percent),
        *rule_parts(flagged.rule),
    )


def rule_parts(rule: RuleRef | None) -> tuple[Piece | None, ...]:
    """Which rule spoke, and how well its number is known (clinical.md 1.1)."""
    if rule is None:
        return ()
    return (
        part("rule", "String", rule.id), part("ruleVersion", "String", rule.version),
        part("source", "String", rule.source), part("verification", "Code", rule.verification),
    )  # fmt: skip


def _codes(name: str, codes: Iterable[str]) -> list[Piece | None]:
    return [part(name, "Code", code) for code in codes]


def _previous(result: UUID | None) -> Piece | None:
    return None if result is None else {"url": "previous", "valueReference": reference("Observation", result)}
