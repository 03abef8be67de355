"""One result of a patient: every version it had, old values struck through, and what a correction changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.audit import looks_at
from services.chart.adapters.web.pages.patient import every_alert
from services.chart.adapters.web.pages.showing import console_of, patient_of, show
from services.chart.adapters.web.roles import Person, may
from services.chart.domain.result_words import old_values
from services.chart.domain.touched import Call, Correction, VersionEffect, alerts_on, calls_on, corrections_of, effects
from services.chart.domain.views import AlertView, ObservationView

router = APIRouter()
Reader = Annotated[Person, Depends(may("see"))]
DOUBTS = {
    "DQ_DELTA": "DQ_DELTA", "IMPLAUSIBLE": "implausible_value",
    "COMMENT_QUESTIONS_RESULT": "comment_questions_result",
}  # fmt: skip
"""Why a result is held, and under which name a person's word releases it: the laboratory's, never the ward's."""


@dataclass(frozen=True, slots=True)
class Resting:
    """What rests on a result."""

    calls: tuple[Call, ...]
    alerts: tuple[AlertView, ...]
    corrections: tuple[Correction, ...]
    effects: tuple[VersionEffect, ...]


@router.get(
    "/patients/{chart_id}/results/{result}", response_class=HTMLResponse,
    dependencies=[Depends(looks_at("result", "result"))],
)  # fmt: skip
async def result_page(
    request: Request, chart_id: UUID, result: UUID, _: Reader, recorded: UUID | None = None
) -> Response:
    """Also of a result that is no longer on the patient's screen; of another patient's only where it is now."""
    patient = await patient_of(request, chart_id)
    read_model = console_of(request).read_model
    view = await asyncio.to_thread(read_model.observation, result)
    if view is None:
        raise HTTPException(404, "There is no such result here.")
    if view.chart_id != chart_id:
        return RedirectResponse(f"/patients/{view.chart_id}/results/{view.row.result}", 303)
    resting = await asyncio.to_thread(resting_on, read_model, view)
    return show(
        request, "result.html", patient=patient, view=view, row=view.row, resting=resting, reviews=reviews(view),
        old_texts=old_values(view.versions), recorded=recorded, request_id=str(uuid4()),
        decided_at=console_of(request).now().isoformat(),
    )  # fmt: skip


def resting_on(read_model: ReadModel, view: ObservationView) -> Resting:
    """Reads the whole life of the patient's alerts: they are few where results are many."""
    key, result = view.row.key, view.row.result
    lives = [life for row in every_alert(read_model, key) if (life := read_model.alert(row.alert)) is not None]
    mine = alerts_on(lives, result)
    moments = read_model.course_moments(key) if len(view.versions) > 1 else []
    return Resting(
        calls=calls_on(read_model.course(key), result),
        alerts=mine,
        corrections=corrections_of(mine, result),
        effects=effects(view.versions, moments),
    )


def reviews(view: ObservationView) -> tuple[str, ...]:
    """What waits for a person's word about this result: repairs by their rule, and doubts by their code."""
    row = view.row
    waits = [row.repair_rule] if row.review == "pending" and row.repair_rule else []
    return (*waits, *(name for held, name in DOUBTS.items() if held in row.held))
