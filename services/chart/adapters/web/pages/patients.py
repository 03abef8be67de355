"""The list of patients, and the search by number."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.web.audit import look_at_each
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, may

router = APIRouter()
PAGE = 50
Query = Annotated[str, Form(max_length=100)]
Reader = Annotated[Person, Depends(may("see"))]


@router.get("/patients", response_class=HTMLResponse)
async def patients_page(request: Request, _: Reader) -> HTMLResponse:
    """The search, and the patients with the newest facts."""
    return await _found(request, "", "", "patients.html")


@router.post("/patients", response_class=HTMLResponse)
async def patients_found(request: Request, _: Reader, query: Query = "", after: Query = "") -> HTMLResponse:
    """Patients whose number begins so. A number is never part of an address: it would stay in logs and histories."""
    whole = request.headers.get("hx-request") != "true"
    return await _found(request, query.strip(), after, "patients.html" if whole else "_patients.html")


async def _found(request: Request, query: str, after: str, template: str) -> HTMLResponse:
    """Whom a search found is a look at each of them; the newest patients, whom nobody asked for, are one look."""
    read_model: Any = request.app.state.console.read_model
    try:
        rows = await asyncio.to_thread(read_model.search_patients, query, PAGE + 1, after)
    except UnknownCursor:
        raise HTTPException(400, "That page of the list is not known. Search again.") from None
    shown = rows[:PAGE]
    await look_at_each(request, "patients", [row.chart_id for row in shown] if query else ())
    following = cursor_of(shown[-1]) if len(rows) > PAGE else ""
    return render(request, template, rows=shown, query=query, after=after, following=following)
