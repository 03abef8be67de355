"""Says in an assessment that a fact of this patient could not be read (answers 3)."""

from __future__ import annotations

from dataclasses import replace

from refrain.contracts.events import Axis, LineCourse, ResponseAssessed
from refrain.contracts.steps import Decision, Output
from refrain.runtime.known import Known
from services.response.domain.judgement import ResponseIssued

REASON = "FACT_UNREADABLE"


def mark_unreadable(known: Known[ResponseIssued], decision: Decision[ResponseIssued]) -> Decision[ResponseIssued]:
    """Every axis carries the reason while the patient has a dead letter: a fact is missing, and no call knows it.

    The mark is part of the event's content, so of its id. Without dead letters the decision stays as it is.
    """
    if not known.unreadable:
        return decision
    return replace(decision, outputs=tuple(_marked(output) for output in decision.outputs))


def _marked(output: Output) -> Output:
    event = output.event
    if not isinstance(event, ResponseAssessed):
        return output
    lines = tuple(_line(line) for line in event.lines)
    return Output(output.topic, event.model_copy(update={"lines": lines}).identified())


def _line(line: LineCourse) -> LineCourse:
    axes: dict[str, Axis] = {
        name: axis.model_copy(update={"reasons": tuple(sorted({*axis.reasons, REASON}))})
        for name, axis in line.axes.items()
    }
    return line.model_copy(update={"axes": axes})
