"""Why: for a result, a call or an alert the inputs, the rule with its citation and mark, and why not the neighbour.

What is shown comes from the read model; the engines are asked beside it, and the page is whole without them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from refrain.contracts.events import Axis, LineCourse, PatientId
from refrain.contracts.topics import TOPICS
from services.chart.adapters.web.audit import look, looks_at
from services.chart.adapters.web.pages.engines import Explained, ask_engines, levels_of
from services.chart.adapters.web.pages.result import resting_on
from services.chart.adapters.web.pages.showing import console_of, patient_of, show
from services.chart.adapters.web.roles import Person, may
from services.chart.domain import course_words
from services.chart.domain.result_words import result_of
from services.chart.domain.views import AlertView, ObservationView, ResultRow

router = APIRouter()
Reader = Annotated[Person, Depends(may("see"))]


@router.get("/why/{identifier}", response_class=HTMLResponse)
async def why_page(request: Request, identifier: UUID, _: Reader) -> HTMLResponse:
    """Of a result or one of its versions, of an alert, or of what only an engine knows."""
    console = console_of(request)
    observation = await asyncio.to_thread(console.read_model.observation, identifier)
    if observation is not None:
        await look(request, "why", patient=observation.chart_id, subject=str(identifier))
        return await _of_result(request, identifier, observation)
    alert = await asyncio.to_thread(console.read_model.alert, identifier)
    if alert is not None:
        await look(request, "why", patient=alert.row.chart_id, subject=str(identifier))
        return await _of_alert(request, alert)
    return await _of_event(request, identifier)


async def _of_result(request: Request, identifier: UUID, view: ObservationView) -> HTMLResponse:
    console = console_of(request)
    patient = await patient_of(request, view.chart_id)
    resting, explained = await asyncio.gather(
        asyncio.to_thread(resting_on, console.read_model, view), ask_engines(console.clients, view.row.result)
    )
    return show(
        request, "why_result.html", patient=patient, view=view, row=view.row, resting=resting, explained=explained,
        version=result_of(identifier, view.versions),
    )  # fmt: skip


async def _of_alert(request: Request, view: AlertView) -> HTMLResponse:
    console = console_of(request)
    patient = await patient_of(request, view.row.chart_id)
    course, explained = await asyncio.gather(
        asyncio.to_thread(console.read_model.course, view.row.key), ask_engines(console.clients, view.row.alert)
    )
    lines = course.lines if course else ()
    axes = [
        (line, axis)
        for line in lines
        for axis in line.axes.values()
        if line.line == view.row.line and axis.axis == view.row.subject
    ]
    return show(request, "why_alert.html", patient=patient, view=view, axes=axes, explained=explained)


async def _of_event(request: Request, identifier: UUID) -> HTMLResponse:
    """An event that the read model has no page for: what the engines' ledgers know of it."""
    explained = await ask_engines(console_of(request).clients, identifier)
    patients = {found.key for answer in explained for event in answer.issued if (found := _patient_in(event))}
    if not patients:
        if any(answer.away for answer in explained):
            raise HTTPException(503, "This id is not in the read model, and not every engine answers. Try again soon.")
        raise HTTPException(404, "Neither the read model nor an engine knows this id.")
    row = await asyncio.to_thread(console_of(request).read_model.patient_of, min(patients))
    if row is None:
        raise HTTPException(404, "The patient of this id is not in the read model yet.")
    await look(request, "why", patient=row.chart_id, subject=str(identifier))
    return show(request, "why_event.html", patient=row, identifier=identifier, explained=explained)


def _patient_in(event: Any) -> PatientId | None:
    """Whose an event is; None for a topic that is not ours."""
    topic = next((known for known in TOPICS if known.name == event.topic), None)
    patient: PatientId | None = topic.decode(event.json).patient if topic is not None else None
    return patient


@router.get(
    "/patients/{chart_id}/why/{line}/{axis}", response_class=HTMLResponse,
    dependencies=[Depends(looks_at("why", "axis"))],
)  # fmt: skip
async def why_call_page(
    request: Request, chart_id: UUID, line: int, axis: str, _: Reader,
    rule_set: Annotated[str, Query(max_length=60)] = "",
) -> HTMLResponse:  # fmt: skip
    """Of the newest call of one axis of one line."""
    patient = await patient_of(request, chart_id)
    console = console_of(request)
    course = await asyncio.to_thread(console.read_model.course, patient.key)
    found = [
        each
        for each in (course.lines if course else ())
        if each.line == line and axis in each.axes and rule_set in ("", each.rule_set)
    ]
    if course is None or not found:
        raise HTTPException(404, "There is no such call. The line or the axis may have gone with a correction.")
    call = found[0].axes[axis]
    rows, levels, explained = await asyncio.gather(
        asyncio.to_thread(_evidence, console.read_model, call),
        levels_of(console.clients, found[0].rule_set),
        ask_engines(console.clients, course.event_id),
    )
    return show(
        request, "why_call.html", patient=patient, line=found[0], axis=call, rows=rows, levels=levels,
        engine=_same_call(explained, found[0], call), course=course,
    )  # fmt: skip


def _evidence(read_model: Any, axis: Axis) -> list[tuple[str, ResultRow]]:
    """What the call rests on, each result once, with its part in it."""
    parts: dict[UUID, list[str]] = {}
    points = (("baseline", axis.baseline), ("lowest of the line", axis.nadir))
    for word, point in points:
        if point is not None:
            parts.setdefault(point.result, []).append(word)
    for name, component in axis.components.items():
        if component.result is not None:
            parts.setdefault(component.result, []).append(course_words.in_words(course_words.COMPONENTS, name))
    for result in (*axis.evidence, *((axis.as_of,) if axis.as_of else ())):
        parts.setdefault(result, [])
    if axis.as_of is not None:
        parts[axis.as_of].append("newest sample")
    found = [(", ".join(words) or "evidence", read_model.result(result)) for result, words in parts.items()]
    return sorted(((word, row) for word, row in found if row is not None), key=lambda pair: pair[1].collected_at)


def _same_call(explained: tuple[Explained, ...], line: LineCourse, axis: Axis) -> str:
    """What response says of the same call when asked now."""
    response = next(answer for answer in explained if answer.engine == "response")
    if response.sentence:
        return response.sentence
    said = [call for call in response.calls if (call.line, call.axis) == (line.line, axis.axis)]
    alike = [
        call
        for call in said
        if (call.call, call.assessability, call.confirmation)
        == (axis.call or "", axis.assessability, axis.confirmation)
    ]
    if alike:
        return f"Response, asked just now, says the same; {response.facts} facts caused the assessment."
    return "Response, asked just now, says something else: this page is behind. Load it again in a moment."
