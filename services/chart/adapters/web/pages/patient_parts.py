"""The parts of a patient's screen that come when they are looked at: curves, alerts, history, results, news."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from starlette.exceptions import HTTPException

from services.chart.adapters.cursors import LARGEST, UnknownCursor, cursor_of
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.audit import looks_at
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.errors import is_fragment
from services.chart.adapters.web.pages.showing import OldValues, console_of, old_values, patient_of, show
from services.chart.adapters.web.roles import Person, may
from services.chart.domain import context
from services.chart.domain.course_words import analyte_name
from services.chart.domain.curve_spec import Json, spec
from services.chart.domain.curves import Curve, curve_of, describe, labels
from services.chart.domain.views import SeriesView
from services.chart.domain.worklist_words import headline

router = APIRouter()
Row = TypeVar("Row")
Reader = Annotated[Person, Depends(may("see"))]
Cursor = Annotated[str, Query(max_length=200)]
Code = Annotated[str, Query(max_length=100)]
DRAWN = 1000
"""Newest results of a series that a curve draws; the table beside it says how many there are."""
IN_TABLE = 100
"""Newest of them in the table beside the curve; all are under "All results"."""
RESULTS_PAGE, ALERTS_PAGE, MOMENTS_PAGE = 50, 20, 50
IMAGES = "PET_LESION"


@router.get(
    "/patients/{chart_id}/curves/{analyte:path}", response_class=HTMLResponse,
    dependencies=[Depends(looks_at("curve", "analyte"))],
)  # fmt: skip
async def curve_part(request: Request, chart_id: UUID, analyte: str, _: Reader) -> HTMLResponse:
    """One analyte's curve with its table."""
    row = await patient_of(request, chart_id)
    console = console_of(request)
    found = await asyncio.to_thread(console.read_model.series, row.key, analyte)
    if not found:
        raise HTTPException(404, "No result of this analyte counts any more.")
    series = [replace(view, results=view.results[-DRAWN:]) for view in found]
    old = await old_values(request, [result for view in series for result in view.results])
    curve = await asyncio.to_thread(_curve, console, row.key, analyte, series, old)
    document = spec(curve)
    return _part(
        request, "_curve.html", analyte_name(analyte), patient=row, curve=curve, description=describe(curve), old=old,
        spec=_in_script(document), total=sum(len(view.results) for view in found),
        drawn=sum(len(view.results) for view in series), in_table=IN_TABLE,
        series=list(zip(labels(curve), curve.series, strict=True)),
    )  # fmt: skip


def _in_script(document: Json | None) -> Markup | None:
    """JSON that ends no script element and begins no markup."""
    if document is None:
        return None
    text = json.dumps(document)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _curve(console: Console, key: str, analyte: str, series: Sequence[SeriesView], old: OldValues) -> Curve:
    read_model = console.read_model
    images = [row.result for view in series for row in view.results] if analyte == IMAGES else []
    return curve_of(
        analyte, series, lesions=_lesions(read_model, images), old=old, course=read_model.course(key),
        bars=context.bars(read_model.care_events(key), console.site), zone=console.zone,
    )  # fmt: skip


def _lesions(read_model: ReadModel, results: Sequence[UUID]) -> dict[UUID, str]:
    """Which lesion each result is of. Scans are few: months lie between them."""
    found = {}
    for result in results:
        counting = [version for version in read_model.versions(result) if version.counts]
        if counting:
            found[result] = counting[0].observation.attributes.get("lesion", "")
    return found


@router.get("/patients/{chart_id}/alerts", response_class=HTMLResponse, dependencies=[Depends(looks_at("alerts"))])
async def alerts_part(request: Request, chart_id: UUID, _: Reader, after: Cursor = "") -> HTMLResponse:
    """Alerts with who was told, who acknowledged, and what was withdrawn; newest first."""
    row = await patient_of(request, chart_id)
    read_model = console_of(request).read_model
    found = await _page(
        read_model.alerts, key=row.key, processing=None, newest_first=True, limit=ALERTS_PAGE + 1, after=after
    )
    shown = found[:ALERTS_PAGE]
    views = await asyncio.to_thread(lambda: [read_model.alert(each.alert) for each in shown])
    following = cursor_of(shown[-1]) if len(found) > ALERTS_PAGE else ""
    return _part(
        request, "_patient_alerts.html", "Who was told, and what was withdrawn", patient=row, following=following,
        views=[view for view in views if view is not None],
    )  # fmt: skip


@router.get("/patients/{chart_id}/moments", response_class=HTMLResponse, dependencies=[Depends(looks_at("history"))])
async def moments_part(
    request: Request, chart_id: UUID, _: Reader, every: bool = False, limit: Annotated[int, Query(ge=1)] = MOMENTS_PAGE
) -> HTMLResponse:
    """The calls as they were; only the moments with a change unless ``every``."""
    row = await patient_of(request, chart_id)
    moments = await asyncio.to_thread(console_of(request).read_model.course_moments, row.key)
    wanted = [moment for moment in reversed(moments) if every or moment.changed]
    return _part(
        request, "_moments.html", "History of calls, as they were at the time", patient=row,
        moments=wanted[:limit], more=len(wanted) > limit, limit=limit,
        page=MOMENTS_PAGE, every=every, total=len(moments),
    )  # fmt: skip


@router.get("/patients/{chart_id}/results", response_class=HTMLResponse, dependencies=[Depends(looks_at("results"))])
async def results_part(
    request: Request, chart_id: UUID, _: Reader, before: Cursor = "", analyte: Code = ""
) -> HTMLResponse:
    """All results, newest collection first, page by page; of one analyte where one is chosen."""
    row = await patient_of(request, chart_id)
    read_model = console_of(request).read_model
    found = await _page(read_model.results, key=row.key, limit=RESULTS_PAGE + 1, before=before, analyte=analyte or None)
    shown = found[:RESULTS_PAGE]
    codes = sorted({each.subject for each in await asyncio.to_thread(read_model.latest, row.key)})
    return _part(
        request, "_results.html", "All results", patient=row, rows=shown, analyte=analyte, codes=codes, before=before,
        following=cursor_of(shown[-1]) if len(found) > RESULTS_PAGE else "", old=await old_values(request, shown),
    )  # fmt: skip


def _part(request: Request, template: str, title: str, **context: Any) -> HTMLResponse:
    """The part alone for htmx; for a browser that runs no scripts, or a link that was kept, as a page of its own."""
    if is_fragment(request):
        return show(request, template, **context)
    return show(request, "part.html", part=template, title=headline(title), **context)


async def _page(read: Callable[..., list[Row]], **wanted: Any) -> list[Row]:
    """One page of a list; 400 for a cursor that is not ours."""
    try:
        return await asyncio.to_thread(lambda: read(**wanted))
    except UnknownCursor:
        raise HTTPException(400, "That page is not known. Load the patient again.") from None


@router.get("/patients/{chart_id}/newer", response_class=HTMLResponse)
async def newer_part(
    request: Request, chart_id: UUID, _: Reader, after: Annotated[int, Query(ge=0, le=LARGEST)]
) -> HTMLResponse:
    """Whether facts came in since the page was made; shows none of them."""
    row = await patient_of(request, chart_id)
    changed = await asyncio.to_thread(console_of(request).read_model.changes, after, row.key, 1)
    return show(request, "_newer.html", patient=row, changed=bool(changed), after=after)


@router.get("/patients/{chart_id}/recorded/{event}", response_class=HTMLResponse)
async def recorded_part(request: Request, chart_id: UUID, event: UUID, _: Reader) -> HTMLResponse:
    """Whether a care event that was recorded just now is in the read model yet."""
    row = await patient_of(request, chart_id)
    known = await asyncio.to_thread(console_of(request).read_model.care_event_versions, row.key)
    there = any(each.event_id == event for each in known)
    return show(request, "_recorded.html", patient=row, event=event, there=there)
