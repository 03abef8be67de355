"""One alert: what it says, what it rests on, what changed, and everything that was done about it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from refrain.api.notify.v1.alerts_pb2 import ListPeopleRequest
from refrain.contracts.acknowledging import REASONS
from refrain.contracts.kinds import kind_of
from services.chart.adapters.web.audit import look
from services.chart.adapters.web.clients import answered
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Permission, Person, may
from services.chart.domain import worklist_words as words
from services.chart.domain.course_words import VERIFICATIONS, in_words
from services.chart.domain.views import AlertRow, AlertView

router = APIRouter()

STAMP_LENGTH = 16


def permission_for(row: AlertRow) -> Permission:
    """Data questions are the laboratory's to answer, all others the ward's."""
    return "acknowledge_laboratory" if row.tier == "DQ" else "acknowledge_ward"


async def found(request: Request, alert: UUID) -> AlertView:
    """The alert, with the look at its patient written down; 404 for an unknown one."""
    view: AlertView | None = await asyncio.to_thread(request.app.state.console.read_model.alert, alert)
    if view is None:
        raise HTTPException(404, "There is no such alert here. It may be too new: try again in a moment.")
    await look(request, "alert", patient=view.row.chart_id, subject=str(alert))
    return view


@router.get("/alerts/{alert}", response_class=HTMLResponse)
async def alert_page(request: Request, alert: UUID, _: Annotated[Person, Depends(may("see"))]) -> HTMLResponse:
    """The page of one alert, with the forms to answer it for those who may."""
    return await show(request, await found(request, alert))


@router.get("/alerts/{alert}/answer", response_class=HTMLResponse)
async def answer_form(request: Request, alert: UUID, _: Annotated[Person, Depends(may("see"))]) -> HTMLResponse:
    """Only the forms, for a row of the work list."""
    view = await found(request, alert)
    return render(request, "_answer.html", **await _answering(request, view.row), back="/")


@router.get("/alerts/{alert}/newer", response_class=HTMLResponse)
async def newer_part(
    request: Request,
    alert: UUID,
    _: Annotated[Person, Depends(may("see"))],
    seen: Annotated[str, Query(pattern=f"^[0-9a-f]{{{STAMP_LENGTH}}}$")],
) -> HTMLResponse:
    """Whether the alert changed since its page was made; shows nothing of it, so it is no look."""
    view: AlertView | None = await asyncio.to_thread(request.app.state.console.read_model.alert, alert)
    changed = view is not None and stamp_of(view) != seen
    return render(request, "_alert_newer.html", alert=alert, stamp=seen, changed=changed)


def stamp_of(view: AlertView) -> str:
    """Another one whenever the page of the alert would say something else."""
    said = (view.row, [event.event_id for event in (*view.events, *view.actions)], [one.now for one in view.values])
    return sha256(repr(said).encode()).hexdigest()[:STAMP_LENGTH]


async def show(
    request: Request, view: AlertView, status: int = 200, problem: str = "", filled: dict[str, Any] | None = None
) -> HTMLResponse:
    """The page, after a refused answer with what is wrong and what was filled in."""
    context = await _answering(request, view.row) | {
        "view": view, "stamp": stamp_of(view), "tiers": words.TIERS,
        "in_words": in_words, "VERIFICATIONS": VERIFICATIONS,
        "problem": problem, "filled": defaultdict(str, filled or {}), "back": "alert",
    }  # fmt: skip
    if filled is not None and filled.get("request_id"):
        answered_by = request.url.path.rpartition("/")[2].replace("-", "_")
        context["request_ids"][answered_by] = filled["request_id"]  # the same form, so that it is recorded once
    return render(request, "alert.html", status, **context)


async def _answering(request: Request, row: AlertRow) -> dict[str, Any]:
    """What the forms need; the people come from notify, and a sentence when it is away."""
    person: Person = request.state.person
    context: dict[str, Any] = {
        "row": row, "kind": kind_of(row.kind), "reasons": REASONS, "words": words,
        "snoozes": words.snoozes(row), "mine": person.may(permission_for(row)), "people": (), "away": "",
        "request_ids": {name: str(uuid4()) for name in ("acknowledge", "read_back", "snooze", "reassign")},
        "problem": "", "filled": defaultdict(str),
    }  # fmt: skip
    if row.waiting and context["mine"]:
        answer = await answered(request.app.state.console.clients.notify.ListPeople(ListPeopleRequest()))
        context |= {"people": answer.value.people if answer.value else (), "away": answer.away}
    return context
