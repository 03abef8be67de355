"""The one screen of a patient (clinical.md 18): where the course stands, why not more, what is due, what was measured.

The page itself reads what is one per patient or per series; curves, all results, the alerts' lives and the history
of calls come when they are looked at, page by page.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from refrain.contracts.events import CareEvent, LineCourse, ResponseAssessed
from services.chart.adapters.cursors import cursor_of
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.audit import looks_at
from services.chart.adapters.web.pages.showing import console_of, old_values, patient_of, show
from services.chart.adapters.web.roles import Person, may
from services.chart.domain import context
from services.chart.domain.care_words import care_lines
from services.chart.domain.course_view import WATCHES, AxisCard, Due, cards, due, is_open, ladders
from services.chart.domain.views import AlertRow, AlertView, PatientRow, Progress, ResultRow

router = APIRouter()
Reader = Annotated[Person, Depends(may("see"))]
ALERT_PAGE = 200
CURVES_AT_ONCE = 6
"""Curves that the page fetches by itself; the others wait for a click."""
SHOWN_FIRST = ("VEGF", "MPROT_S", "IFE_S", "PET_LESION", "IGG", "SFLC_R")


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that the page reads at once."""

    course: ResponseAssessed | None
    care: list[CareEvent]
    latest: list[ResultRow]
    alerts: list[AlertRow]
    """All of the patient's, any state."""
    watches: dict[UUID, AlertView]
    progress: Progress
    newest_change: int


@dataclass(frozen=True, slots=True)
class LineView:
    """One therapy line under one rule set."""

    line: LineCourse
    cards: tuple[AxisCard, ...]
    due: tuple[Due, ...]


@router.get("/patients/{chart_id}", response_class=HTMLResponse, dependencies=[Depends(looks_at("patient"))])
async def patient_page(request: Request, chart_id: UUID, person: Reader, recorded: UUID | None = None) -> HTMLResponse:
    """The screen; ``recorded`` is a care event that was recorded just now and may not be on it yet."""
    row = await patient_of(request, chart_id)
    console = console_of(request)
    standing = await asyncio.to_thread(_standing, console.read_model, row)
    lines = _lines(standing, request)
    laboratory = person.may("acknowledge_laboratory")
    bars = context.bars(standing.care, console.site)
    analytes = list(dict.fromkeys(result.subject for result in standing.latest))
    first = [code for code in SHOWN_FIRST if code in analytes]
    return show(
        request, "patient.html", patient=row, link=console.settings.link_to(row.patient), standing=standing,
        open_lines=[each for each in lines if not each.line.closed],
        closed_lines=[each for each in lines if each.line.closed],
        waiting=[alert for alert in standing.alerts if alert.waiting and (alert.tier != "DQ" or laboratory)],
        questions=[alert for alert in standing.alerts if alert.tier == "DQ" and is_open(alert)],
        bars=bars, care=care_lines(standing.care), old=await old_values(request, standing.latest),
        curves=first[:CURVES_AT_ONCE], other_curves=[code for code in analytes if code not in first],
        recorded=recorded,
    )  # fmt: skip


def _standing(read_model: ReadModel, row: PatientRow) -> Standing:
    alerts = every_alert(read_model, row.key)
    watched = [alert.alert for alert in alerts if alert.kind in WATCHES and is_open(alert)]
    views = {alert: view for alert in watched if (view := read_model.alert(alert)) is not None}
    return Standing(
        course=read_model.course(row.key),
        care=read_model.care_events(row.key),
        latest=sorted(read_model.latest(row.key), key=_as_read),
        alerts=alerts,
        watches=views,
        progress=read_model.progress(),
        newest_change=read_model.newest_change(),
    )


def _as_read(row: ResultRow) -> tuple[int, str, float]:
    """What the course is judged by first, in the order of the curves; of one analyte the newest series first."""
    place = SHOWN_FIRST.index(row.subject) if row.subject in SHOWN_FIRST else len(SHOWN_FIRST)
    return place, row.subject, -row.collected_at.timestamp()


def every_alert(read_model: ReadModel, key: str) -> list[AlertRow]:
    """The ladders are read from them, so none may be left out."""
    found: list[AlertRow] = []
    after = ""
    while True:
        page = read_model.alerts(key=key, processing=None, limit=ALERT_PAGE, after=after)
        found += page
        if len(page) < ALERT_PAGE:
            return found
        after = cursor_of(page[-1])


def _lines(standing: Standing, request: Request) -> list[LineView]:
    """Newest line first."""
    console = console_of(request)
    zone, today = console.zone, console.now().astimezone(console.zone).date()
    found = []
    for line in standing.course.lines if standing.course else ():
        rungs = ladders(line, standing.alerts, standing.watches, console.site.ladder_repeat_days, zone)
        found.append(LineView(line, cards(line, standing.alerts, rungs, zone), due(line, rungs.values(), today)))
    return sorted(found, key=lambda each: (each.line.start, each.line.line), reverse=True)
