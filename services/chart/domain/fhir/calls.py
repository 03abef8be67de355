"""Calls of the response to treatment as Observations: one per therapy line, rule set and axis, as they stand.

A call is final when it is confirmed or needs no confirmation; anything else is preliminary. Its value is what is
proven: a candidate is a component of its own, and never the value (clinical.md 10).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from refrain.contracts.events import Axis, LineCourse, Point, ResponseAssessed, RuleRef
from refrain.contracts.fhir_names import BASE
from refrain.contracts.ids import derive
from services.chart.domain import course_words as words
from services.chart.domain.fhir.judgements import rule_parts
from services.chart.domain.fhir.pieces import (
    Piece,
    absent,
    coding,
    concept,
    instant,
    ours,
    part,
    parts,
    quantity,
    reference,
    some,
    with_meta,
)

CATEGORY = "refrain-call"
PREFIX = "call."
PERCENT = "%"


def call_id(chart_id: UUID, line: LineCourse, axis: str) -> str:
    """``call.``, the patient, and which call of theirs: an id from which the patient can be found."""
    return f"{PREFIX}{chart_id.hex}.{derive('fhir call', line.line, line.rule_set, axis).hex[:16]}"


def patient_of_call(identifier: str) -> UUID | None:
    """Whose call an id names; None when it is none of a call."""
    prefix, _, rest = identifier.partition(".")
    chart_id, _, which = rest.partition(".")
    if f"{prefix}." != PREFIX or not which:
        return None
    try:
        return UUID(hex=chart_id)
    except ValueError:
        return None


def calls(course: ResponseAssessed | None, chart_id: UUID) -> list[Piece]:
    """Every call, newest line first."""
    lines = sorted(course.lines if course else (), key=lambda line: (line.start, line.line), reverse=True)
    return [
        _call(course, line, axis, chart_id)
        for line in lines
        for _, axis in sorted(line.axes.items())
        if course is not None
    ]


def is_final(axis: Axis) -> bool:
    return axis.assessability == "ASSESSED" and axis.confirmation in ("confirmed", "not_required")


def _call(course: ResponseAssessed, line: LineCourse, axis: Axis, chart_id: UUID) -> Piece:
    rule = RuleRef(id=axis.rule_id, version=axis.rule_version, source=axis.source, verification=axis.verification)
    evidence = [each for each in dict.fromkeys((axis.as_of, *axis.evidence)) if each is not None]
    recorded = evidence if axis.axis == "CLINICAL" else []  # it rests on what a clinician recorded, not on results
    resource = some(
        resourceType="Observation",
        id=call_id(chart_id, line, axis.axis),
        extension=parts(
            "judgement",
            {"url": "line", "valueInteger": line.line},
            part("ruleSet", "Code", line.rule_set),
            {"url": "lineClosed", "valueBoolean": line.closed},
            *(part("reason", "Code", reason) for reason in axis.reasons),
            *(part("caveat", "Code", caveat) for caveat in axis.caveats),
            *(part("careEvent", "String", str(each)) for each in recorded),
            *rule_parts(rule),
        ),
        status="final" if is_final(axis) else "preliminary",
        category=[ours("observation-category", CATEGORY, "Refrain's call on the response to treatment")],
        code=ours("response-axis", axis.axis, f"Response to treatment, {words.AXES.get(axis.axis, axis.axis)} axis"),
        subject=reference("Patient", chart_id),
        effectiveDateTime=instant(course.as_of),
        issued=instant(course.recorded_at),
        performer=[{"display": "Refrain"}],
        **_value(axis),
        note=[{"text": words.with_code(words.REASONS, reason)} for reason in axis.reasons],
        method=concept(words=f"{axis.rule_id} {axis.rule_version}".strip()),
        derivedFrom=[reference("Observation", each) for each in evidence if not recorded],
        component=list(_components(axis)),
    )
    return with_meta(resource, course.recorded_at, course.processing)


def _value(axis: Axis) -> Piece:
    said = words.call_of(axis)
    if axis.call is None:
        return {"dataAbsentReason": absent("unknown", said)}
    return {"valueCodeableConcept": concept(coding(f"{BASE}/CodeSystem/response-call", axis.call), words=said)}


def _components(axis: Axis) -> Iterator[Piece]:
    yield _coded("assessability", axis.assessability, words.ASSESSABILITY.get(axis.assessability, ""))
    yield _coded("confirmation", axis.confirmation, words.CONFIRMATION.get(axis.confirmation, ""))
    if axis.candidate:
        said = f"still possible, not confirmed: {words.with_code(words.CALLS, axis.candidate)}"
        yield _coded("candidate", axis.candidate, said)
    if axis.best_response:
        yield _coded("best-response", axis.best_response, words.with_code(words.CALLS, axis.best_response))
    for level, state in sorted(axis.levels.items()):
        one_sample = level == axis.call and axis.confirmation == "unconfirmed"  # one rise is no progression (VEGF-1)
        named = words.calls_in_words(f"{level} unconfirmed") if one_sample else words.with_code(words.CALLS, level)
        code = concept(coding(f"{BASE}/CodeSystem/response-call", level), words=named)
        yield {"code": code, "valueCodeableConcept": ours("level-state", state, words.LEVELS.get(state, ""))}
    for name, part_of_call in sorted(axis.components.items()):
        code = ours("response-component", name, words.COMPONENTS.get(name, name))
        said = words.COMPONENT_STATES.get(part_of_call.state, part_of_call.state)
        yield {"code": code, "valueCodeableConcept": ours("component-state", part_of_call.state, said)}
    for name, percent in (
        ("percent-from-baseline", axis.percent_from_baseline), ("percent-over-nadir", axis.percent_over_nadir),
    ):  # fmt: skip
        if percent is not None:
            yield {"code": _named(name), "valueQuantity": quantity(percent, PERCENT)}
    for name, point in (("baseline", axis.baseline), ("nadir", axis.nadir)):
        if point is not None:
            yield _point(name, point)


def _coded(name: str, value: str, said: str) -> Piece:
    return {"code": _named(name), "valueCodeableConcept": ours(name, value, said)}


def _named(name: str) -> Piece:
    return ours("response-part", name, name.replace("-", " "))


def _point(name: str, point: Point) -> Piece:
    """The number alone: its unit is that of the result that the extension names."""
    number: Decimal | None = point.number
    value = (
        {"valueQuantity": quantity(number, None, comparator=point.comparator)}
        if number is not None
        else {"dataAbsentReason": absent("not-a-number", "not a number")}
    )
    of = {"url": f"{BASE}/StructureDefinition/result", "valueReference": reference("Observation", point.result)}
    return {"extension": [of], "code": _named(name)} | value
