"""How the feeds stand: senders, what waits for a person, codes nobody knows, dead letters, channels.

All but the dead letters is asked of its owner; one of them away is a sentence, and the rest of the page is there.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

import grpc
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.exceptions import HTTPException

from refrain.api.intake.v1 import intake_pb2
from refrain.api.notify.v1.alerts_pb2 import ListChannelsRequest
from refrain.clinical.analytes import CATALOGUE
from refrain.runtime.grpc_clients import Away
from services.chart.adapters.cursors import UnknownCursor, cursor_of
from services.chart.adapters.web.clients import answered, sentence
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, may

router = APIRouter()

utc = partial(Timestamp.ToDatetime, tzinfo=UTC)
"""A protobuf time as the templates' filters read it."""
PAGE = 50
LOOK_AGAIN = "It is not certain that it was changed: load the page again, and look."


@router.get("/feed", response_class=HTMLResponse)
async def feed(request: Request, person: Annotated[Person, Depends(may("see"))]) -> HTMLResponse:
    """The overview; the laboratory's parts only for those who may see them."""
    return await show(request, person)


async def show(request: Request, person: Person, *, problem: str = "", status: int = 200) -> HTMLResponse:
    """The page, after a refused mapping with what is wrong."""
    clients = request.app.state.console.clients
    laboratory = person.may("see_quarantine")
    feeds, channels = await asyncio.gather(
        answered(clients.intake.FeedStatus(intake_pb2.FeedStatusRequest())),
        answered(clients.notify.ListChannels(ListChannelsRequest())),
    )
    context: dict[str, Any] = {
        "laboratory": laboratory, "feeds": feeds, "channels": channels, "problem": problem, "utc": utc,
    }  # fmt: skip
    if laboratory:
        waiting, codes, mappings = await asyncio.gather(
            answered(clients.intake.ListQuarantine(intake_pb2.ListQuarantineRequest(page_size=10))),
            answered(clients.intake.ListUnmappedCodes(intake_pb2.ListUnmappedCodesRequest())),
            answered(clients.intake.ListMappings(intake_pb2.ListMappingsRequest())),
        )
        letters = await asyncio.to_thread(request.app.state.console.read_model.dead_letters, 10)
        context |= {
            "waiting": waiting, "codes": codes, "mappings": mappings, "letters": letters,
            "analytes": sorted(CATALOGUE.values(), key=lambda one: one.code), "uuid": uuid4,
        }  # fmt: skip
    return render(request, "feed.html", status, **context)


@router.get("/feed/dead-letters", response_class=HTMLResponse)
async def dead_letters(
    request: Request, _: Annotated[Person, Depends(may("see_dead_letters"))], after: str = ""
) -> HTMLResponse:
    """What a service could not use, newest first."""
    console = request.app.state.console
    try:
        rows = await asyncio.to_thread(console.read_model.dead_letters, PAGE + 1, after)
    except UnknownCursor:
        raise HTTPException(400, "There is no such page. Open the list again.") from None
    further = cursor_of(rows[PAGE - 1]) if len(rows) > PAGE else ""
    return render(request, "dead_letters.html", letters=rows[:PAGE], further=further)


@router.post("/feed/codes")
async def map_code(
    request: Request,
    person: Annotated[Person, Depends(may("map_codes"))],
    request_id: Annotated[UUID, Form()],
    sender: Annotated[str, Form(max_length=200)],
    code: Annotated[str, Form(max_length=200)],
    system: Annotated[str, Form(max_length=200)] = "",
    analyte: Annotated[str, Form(max_length=50)] = "",
    reason: Annotated[str, Form(max_length=2000)] = "",
    withdrawn: Annotated[bool, Form()] = False,
) -> Response:
    """Say what a sender's code means, or take it back; from the next message on."""
    if not reason.strip() or not (analyte or withdrawn):
        return await show(request, person, problem="Choose the analyte and say why.", status=422)
    asked = intake_pb2.MapCodeRequest(
        sender=sender, code=code, system=system, analyte=analyte, actor=person.id, reason=reason.strip(),
        request_id=str(request_id), withdrawn=withdrawn,
    )  # fmt: skip
    try:
        await request.app.state.console.clients.intake.MapCode(asked)
    except Away as away:
        return await show(request, person, problem=f"{sentence(away)} {LOOK_AGAIN}", status=503)
    except grpc.aio.AioRpcError as error:
        return await show(request, person, problem=f"Intake did not accept it: {error.details()}.", status=409)
    return RedirectResponse("/feed#codes", 303)
