"""Answering an alert: every change goes to notify, which decides; the page shows what it answered.

A form carries the id of its request, so that a double click, or a repeat after a lost answer, is one change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import grpc
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from starlette.exceptions import HTTPException

from refrain.api.notify.v1 import alerts_pb2
from refrain.contracts.acknowledging import REASON_BY_CODE
from refrain.runtime.grpc_clients import Away
from services.chart.adapters.web.audit import look
from services.chart.adapters.web.clients import actor, sentence
from services.chart.adapters.web.pages.alert import found, permission_for, show
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import NotAllowed, Person, may, signed_in
from services.chart.domain import worklist_words as words
from services.chart.domain.views import AlertRow

router = APIRouter()

AGAIN = "It is not certain that your answer was recorded. Send it again: the same form is recorded once only."
"""What was asked may have arrived although no answer came back."""
Text = Annotated[str, Form(max_length=1000)]
Id = Annotated[UUID, Form()]


async def answering(request: Request, alert: UUID, person: Annotated[Person, Depends(may("answer"))]) -> AlertRow:
    """Dependency: the alert, if the person may answer one of its tier."""
    row: AlertRow | None = await asyncio.to_thread(request.app.state.console.read_model.alert_row, alert)
    if row is None:
        raise HTTPException(404, "There is no such alert here.")
    if not person.may(permission_for(row)):
        raise NotAllowed(permission_for(row))
    await look(request, "answer", patient=row.chart_id, subject=str(alert))
    return row


Row = Annotated[AlertRow, Depends(answering)]


@router.post("/alerts/{alert}/acknowledge")
async def acknowledge(
    request: Request, row: Row, request_id: Id, reason: Text = "", comment: Text = "", back: Text = ""
) -> Response:
    """Take it on, with a reason of the list."""
    if reason not in REASON_BY_CODE:
        return await _refused(request, row, "Choose a reason.", 422)
    if reason == "other" and not comment.strip():
        return await _refused(request, row, "Say in a few words why: “other” needs a comment.", 422)
    asked = alerts_pb2.AcknowledgeRequest(
        alert_id=str(row.alert), actor=_actor(request), reason=reason, comment=comment.strip(),
        request_id=str(request_id),
    )  # fmt: skip
    return await _answer(request, row, back, lambda notify: notify.Acknowledge(asked))


@router.post("/alerts/{alert}/read-back")
async def read_back(
    request: Request, row: Row, request_id: Id, by: Text = "", name: Text = "", identifier: Text = "",
    result: Text = "", comment: Text = "", back: Text = "",
) -> Response:  # fmt: skip
    """Name, identifier and result of a critical alert were read back."""
    if not (by.strip() and name and identifier and result):
        problem = "Say who read it back, and confirm all three: name, identifier and result."
        return await _refused(request, row, problem, 422)
    asked = alerts_pb2.RecordReadBackRequest(
        alert_id=str(row.alert), actor=_actor(request), by=by.strip(), name_confirmed=True,
        identifier_confirmed=True, result_confirmed=True, comment=comment.strip(), request_id=str(request_id),
    )  # fmt: skip
    return await _answer(request, row, back, lambda notify: notify.RecordReadBack(asked))


@router.post("/alerts/{alert}/snooze")
async def snooze(
    request: Request, row: Row, request_id: Id, minutes: Annotated[int, Form(gt=0)], reason: Text = "", back: Text = ""
) -> Response:
    """Silence it for one of the times offered."""
    if timedelta(minutes=minutes) not in [length for _, length in words.snoozes(row)]:
        return await _refused(request, row, "That time is not offered for this alert.", 422)
    until = request.app.state.console.now() + timedelta(minutes=minutes)
    asked = alerts_pb2.SnoozeRequest(
        alert_id=str(row.alert), actor=_actor(request), until=_timestamp(until), reason=reason.strip(),
        request_id=str(request_id),
    )  # fmt: skip
    return await _answer(request, row, back, lambda notify: notify.Snooze(asked))


@router.post("/alerts/{alert}/reassign")
async def reassign(
    request: Request, row: Row, request_id: Id, to: Text = "", reason: Text = "", back: Text = ""
) -> Response:
    """Pass it on to somebody of the roster."""
    if not to:
        return await _refused(request, row, "Choose to whom it is passed on.", 422)
    asked = alerts_pb2.ReassignRequest(
        alert_id=str(row.alert), actor=_actor(request), to=to, reason=reason.strip(), request_id=str(request_id)
    )
    return await _answer(request, row, back, lambda notify: notify.Reassign(asked))


async def _answer(request: Request, row: AlertRow, back: str, ask: Callable[[Any], Awaitable[Any]]) -> Response:
    try:
        answer = await ask(request.app.state.console.clients.notify)
    except Away as away:
        return await _refused(request, row, f"{sentence(away)} {AGAIN}", 503)
    except grpc.aio.AioRpcError as error:
        return await _refused(request, row, problem_of(error, request.app.state.console.zone), 409)
    if request.headers.get("hx-request") == "true":
        return render(request, "_answered.html", said=_said(request, answer.alert), row=row)
    return RedirectResponse("/" if back == "/" else f"/alerts/{row.alert}", 303)


async def _refused(request: Request, row: AlertRow, problem: str, status: int) -> Response:
    """What is wrong, beside the form with what was filled in."""
    if request.headers.get("hx-request") == "true":
        return render(request, "_problem.html", 200, problem=problem, row=row)
    form = await request.form()
    return await show(request, await found(request, row.alert), status, problem, dict(form))


def _said(request: Request, alert: Any) -> str:
    until = alert.snoozed_until.ToDatetime(UTC).astimezone(request.app.state.console.zone)
    return words.answered(
        alert.state, alert.acknowledged_by, reason=alert.acknowledge_reason, until=f"{until:%Y-%m-%d %H:%M}",
        assigned_to=alert.assigned_to,
    )  # fmt: skip


def problem_of(error: grpc.aio.AioRpcError, zone: ZoneInfo) -> str:
    """What notify refused, as a sentence; its time is the site's, as on every page."""
    reason, metadata = _details(error)
    who, at = metadata.get("by", "somebody else"), metadata.get("at", "")
    when = f" at {datetime.fromisoformat(at).astimezone(zone):%H:%M}" if at else ""
    match reason:
        case "ALREADY_ACKNOWLEDGED":
            return f"{who} acknowledged this alert{when}, before you. Your answer was not needed and not recorded."
        case "ALREADY_READ_BACK":
            return f"{who} recorded the read-back{when}, before you."
        case "ENDED":
            return "This alert has ended in the meantime: nobody needs to answer it any more."
        case "TOO_LONG":
            return "This alert may not be silenced for so long."
        case "NOT_CRITICAL":
            return "Only critical alerts are read back."
        case "NOT_ON_ROSTER":
            return "That person is not on the roster."
    return "Notify did not accept this answer. Reload the page and try again."


def _details(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info.reason, dict(info.metadata)
    return "", {}


def _actor(request: Request) -> Any:
    return actor(signed_in(request))


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
