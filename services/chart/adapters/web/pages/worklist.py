"""The work list: alerts that wait for somebody, most urgent and oldest first, live without reload."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from refrain.contracts.events import Tier
from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.web.audit import goes_on, look
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, may
from services.chart.adapters.web.security import LIVE
from services.chart.domain import worklist_words as words

router = APIRouter()

PAGE = 50
WARD: tuple[Tier, ...] = ("P1", "P2", "P3")
LABORATORY: tuple[Tier, ...] = ("DQ",)
"""Questions about data never stand on the ward's list (clinical.md FAT-4)."""

View = Literal["ward", "laboratory"]
Shown = Literal["waiting", "answered", "all"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the list is shown; everything of it stands in the address, and nothing of a patient."""

    view: View
    shown: Shown = "waiting"
    tier: Tier | None = None
    mine: bool = False

    def address(self, after: str = "", **other: object) -> str:
        """The page with one choice changed."""
        chosen = {"view": self.view, "shown": self.shown, "tier": self.tier or "", "mine": "1" if self.mine else ""}
        chosen |= {name: str(value or "") for name, value in other.items()} | {"after": after}
        return "/?" + urlencode({name: value for name, value in chosen.items() if value})

    @property
    def tiers(self) -> tuple[Tier, ...]:
        if self.tier:
            return (self.tier,)
        if self.view == "laboratory":
            return LABORATORY
        return ("P1", "P2") if self.shown == "waiting" else WARD

    @property
    def waiting(self) -> bool | None:
        return {"waiting": True, "answered": False, "all": None}[self.shown]


def usual_view(person: Person) -> View:
    """The laboratory's own list first for those who answer it and not the ward's."""
    laboratory = person.may("acknowledge_laboratory") and not person.may("acknowledge_ward")
    return "laboratory" if laboratory else "ward"


@router.get("/", response_class=HTMLResponse)
async def work_list(
    request: Request,
    person: Annotated[Person, Depends(may("see"))],
    view: View | None = None,
    shown: Shown = "waiting",
    tier: Annotated[str, Query(pattern="^(P1|P2|P3|DQ|)$")] = "",
    mine: bool = False,
    after: str = "",
) -> HTMLResponse:
    """A page of the list; only its rows for htmx."""
    view = view or ("laboratory" if tier == "DQ" else usual_view(person))
    known: Tier | None = next((one for one in (*WARD, *LABORATORY) if one == tier), None)
    choice = Choice(view, shown, known, mine)
    console = request.app.state.console
    try:
        rows = await asyncio.to_thread(
            console.read_model.alerts,
            waiting=choice.waiting,
            tiers=choice.tiers,
            assigned_to=person.id if mine else "",
            newest_first=shown != "waiting",
            limit=PAGE + 1,
            after=after,
        )
    except UnknownCursor:
        raise HTTPException(400, "The list has no such page. Open the work list again.") from None
    counts = await asyncio.to_thread(console.read_model.counts)
    progress = await asyncio.to_thread(console.read_model.progress)
    here = choice.address(after)
    if LIVE not in request.headers or not await goes_on(request, "work list", here):
        await look(request, "work list", patient=None, subject=here)
    fragment = request.headers.get("hx-request") == "true"
    return render(
        request,
        "_worklist.html" if fragment else "worklist.html",
        rows=rows[:PAGE],
        further=choice.address(cursor_of(rows[PAGE - 1])) if len(rows) > PAGE else "",
        choice=choice,
        counts=counts,
        tiers=words.TIERS,
        words=words,
        rebuilding=progress.rebuilding,
        here=here,
    )
