"""What intake could not use: the list, one message as it was received, and what a person does about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4

import grpc
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from refrain.api.intake.v1 import intake_pb2
from refrain.runtime.grpc_clients import Away
from services.chart.adapters.web.audit import look
from services.chart.adapters.web.clients import answered, sentence
from services.chart.adapters.web.pages.feed import LOOK_AGAIN, utc
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, may
from services.chart.domain.raw_message import SHOWN_BYTES, lines_of

router = APIRouter(prefix="/feed/quarantine")

PAGE = 50
Comment = Annotated[str, Form(max_length=2000)]
Laboratory = Annotated[Person, Depends(may("resolve_quarantine"))]


@router.get("", response_class=HTMLResponse)
async def quarantine(
    request: Request,
    _: Annotated[Person, Depends(may("see_quarantine"))],
    state: Literal["open", "resolved", "all"] = "open",
    sender: Annotated[str, Query(max_length=200)] = "",
    reason: Annotated[str, Query(max_length=80)] = "",
    after: str = "",
) -> HTMLResponse:
    """Entries, newest first."""
    asked = intake_pb2.ListQuarantineRequest(
        sender=sender, reason=reason, page_size=PAGE, page_token=after, state=state
    )
    try:
        answer = await answered(request.app.state.console.clients.intake.ListQuarantine(asked))
    except grpc.aio.AioRpcError:
        raise HTTPException(400, "There is no such page. Open the list again.") from None
    chosen = {"state": state, "sender": sender, "reason": reason}
    further = ""
    if answer.value and answer.value.next_page_token:
        further = "?" + urlencode(chosen | {"after": answer.value.next_page_token})
    return render(request, "quarantine.html", answer=answer, chosen=chosen, further=further, utc=utc)


@router.get("/{entry}", response_class=HTMLResponse)
async def quarantined(
    request: Request, entry: UUID, _: Annotated[Person, Depends(may("see_quarantine"))]
) -> HTMLResponse:
    """One entry with its message: it may be any patient's, so the look is written down."""
    return await show(request, entry)


async def show(
    request: Request, entry: UUID, *, status: int = 200, problem: str = "", comment: str = ""
) -> HTMLResponse:
    """The page of one entry, after a refused change with what is wrong. Without Kafka it shows all but the bytes."""
    intake = request.app.state.console.clients.intake
    await look(request, "quarantine", patient=None, subject=str(entry))
    unread = ""
    try:
        answer = await answered(intake.GetQuarantined(intake_pb2.GetQuarantinedRequest(event_id=str(entry))))
        if answer.away:
            unread = "The message itself cannot be read at present: Kafka or intake does not answer."
    except grpc.aio.AioRpcError as error:
        unread = error.details() or "The message itself is no longer there."
        answer = None
    if answer is None or answer.away:
        asked = intake_pb2.GetQuarantinedRequest(event_id=str(entry), without_raw=True)
        try:
            answer = await answered(intake.GetQuarantined(asked))
        except grpc.aio.AioRpcError:
            raise HTTPException(404, "There is no such entry.") from None
    if answer.value is None:
        return render(request, "quarantined.html", 503, away=answer.away, item=None, problem=problem)
    found, raw = answer.value, answer.value.raw if answer.value.HasField("raw") else None
    return render(
        request, "quarantined.html", status, away="", item=found.item, utc=utc, problem=problem, comment=comment,
        reasons=found.resolution_reasons, lines=lines_of(raw, found.item.place) if raw is not None else None,
        unread=unread, cut=raw is not None and len(raw) > SHOWN_BYTES,
        request_ids={name: str(uuid4()) for name in ("resolve", "redrive", "reopen")},
    )  # fmt: skip


@router.post("/{entry}/resolve")
async def resolve(
    request: Request, entry: UUID, person: Laboratory, request_id: Annotated[UUID, Form()],
    reason: Annotated[str, Form(max_length=80)] = "", comment: Comment = "",
) -> Response:  # fmt: skip
    """Take it off the open list, with a reason."""
    if not reason:
        return await show(request, entry, status=422, problem="Choose a reason.", comment=comment)
    asked = intake_pb2.ResolveRequest(
        event_id=str(entry), actor=person.id, reason=reason, comment=comment.strip(), request_id=str(request_id)
    )
    return await _change(request, entry, lambda intake: intake.Resolve(asked), comment)


@router.post("/{entry}/reopen")
async def reopen(
    request: Request, entry: UUID, person: Laboratory, request_id: Annotated[UUID, Form()], comment: Comment = ""
) -> Response:
    """Put it back on the open list."""
    if not comment.strip():
        return await show(request, entry, status=422, problem="Say why it is open again.")
    asked = intake_pb2.ReopenRequest(
        event_id=str(entry), actor=person.id, comment=comment.strip(), request_id=str(request_id)
    )
    return await _change(request, entry, lambda intake: intake.Reopen(asked), comment)


@router.post("/{entry}/redrive")
async def redrive(request: Request, entry: UUID, person: Laboratory, request_id: Annotated[UUID, Form()]) -> Response:
    """Take its message through the door again; the page says what became of it."""
    asked = intake_pb2.RedriveRequest(event_id=str(entry), actor=person.id, request_id=str(request_id))
    try:
        answer = await request.app.state.console.clients.intake.Redrive(asked)
    except Away as away:
        return await show(request, entry, status=503, problem=f"{sentence(away)} Nothing is lost: try again.")
    except grpc.aio.AioRpcError as error:
        return await show(request, entry, status=409, problem=_told(error))
    return render(request, "redriven.html", answer=answer, entry=entry)


async def _change(request: Request, entry: UUID, ask: Callable[[Any], Awaitable[Any]], comment: str) -> Response:
    try:
        answer = await ask(request.app.state.console.clients.intake)
    except Away as away:
        return await show(request, entry, status=503, problem=f"{sentence(away)} {LOOK_AGAIN}", comment=comment)
    except grpc.aio.AioRpcError as error:
        return await show(request, entry, status=409, problem=_told(error), comment=comment)
    if isinstance(answer, intake_pb2.ResolveResponse) and not answer.accepted:
        problem = f"{answer.item.resolved_by} resolved it before you."
        return await show(request, entry, status=409, problem=problem)
    return RedirectResponse(f"/feed/quarantine/{entry}", 303)


def _told(error: grpc.aio.AioRpcError) -> str:
    """Intake's own sentence: it names fields and states, never a patient."""
    return f"Intake did not do it: {error.details() or error.code().name}."
