"""Recording what happened to a patient, through intake, the only door: forms, corrections, withdrawals, reviews.

A form carries the id of its request and the time it was opened, so that sending it twice records one event. Intake
answers when Kafka has it; the page shows it when the read model has read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import grpc
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from starlette.exceptions import HTTPException

from refrain.api.intake.v1 import care_pb2, intake_pb2
from refrain.contracts.events import CareEvent, PatientId
from refrain.runtime.grpc_clients import Away
from services.chart.adapters.web.audit import look, looks_at
from services.chart.adapters.web.clients import sentence
from services.chart.adapters.web.pages.engines import rule_sets
from services.chart.adapters.web.pages.showing import console_of, patient_of, show
from services.chart.adapters.web.roles import Person, may
from services.chart.domain import care_forms
from services.chart.domain.care_forms import FORMS, CareForm
from services.chart.domain.views import PatientRow

router = APIRouter()
Recorder = Annotated[Person, Depends(may("record_care"))]
Reviewer = Annotated[Person, Depends(may("review_repairs"))]
RULE_SETS = ("rule_set", "second_rule_set")
"""Inputs that response knows the choices of."""
LONGEST = 2000
"""Characters of one input."""
AGAIN = "It is not certain that it was recorded. Send the form again: the same form is recorded once only."


@dataclass(frozen=True, slots=True)
class Recording:
    """One form as it was sent."""

    body: Mapping[str, Any]
    kind: str
    key: str
    withdrawn: bool
    request_id: str
    known_from: datetime


class Refused(Exception):
    """Intake took the form apart: ``wrong`` is field to sentence, "" for the whole."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("the form was refused")
        self.wrong = dict(wrong)


@router.get(
    "/patients/{chart_id}/record/{kind}", response_class=HTMLResponse, dependencies=[Depends(looks_at("record"))]
)
async def form_page(
    request: Request, chart_id: UUID, kind: str, _: Recorder, event: Annotated[UUID | None, Query()] = None
) -> HTMLResponse:
    """An empty form, or a recorded event to correct or withdraw."""
    patient, form = await patient_of(request, chart_id), _form(kind)
    known = await _event(request, patient, event) if event else None
    if known is not None and known.body.type != kind:
        raise HTTPException(404, "That event is of another kind.")
    filled = care_forms.filled_with(known.body) if known else {}
    return await _shown(request, patient, form, filled, key=known.key if known else "")


@router.post("/patients/{chart_id}/record/repair_reviewed", dependencies=[Depends(looks_at("review"))])
async def review(request: Request, chart_id: UUID, person: Reviewer) -> Response:
    """A person's word on a repair, or on a doubt: accepted or rejected."""
    patient, sent = await patient_of(request, chart_id), await _sent(request)
    result = _uuid(sent.get("result", ""))
    view = await asyncio.to_thread(console_of(request).read_model.observation, result)
    if view is None or view.chart_id != chart_id:
        raise HTTPException(404, "There is no such result of this patient.")
    body = {
        "result": str(result), "repair_rule_id": sent.get("repair_rule_id", ""), "decision": sent.get("decision", ""),
        "by": person.id, "at": _opened(sent, request).isoformat(),
    }  # fmt: skip
    return await _through(request, patient, "repair_reviewed", body, sent, f"/patients/{chart_id}/results/{result}")


@router.get(
    "/patients/{chart_id}/join/{analyte:path}", response_class=HTMLResponse, dependencies=[Depends(looks_at("record"))]
)
async def join_page(request: Request, chart_id: UUID, analyte: str, _: Reviewer) -> HTMLResponse:
    """The series of an analyte, to say that two of them are one (clinical.md SER-4)."""
    patient = await patient_of(request, chart_id)
    found = await asyncio.to_thread(console_of(request).read_model.series, patient.key, analyte)
    return show(
        request, "join.html", patient=patient, analyte=analyte, series=[one for one in found if one.series],
        request_id=str(uuid4()), known_from=console_of(request).now().isoformat(),
    )  # fmt: skip


@router.post("/patients/{chart_id}/record/series_joined", dependencies=[Depends(looks_at("join"))])
async def join(request: Request, chart_id: UUID, person: Reviewer) -> Response:
    """Two series of one analyte are one from now on, as a person says."""
    patient, sent = await patient_of(request, chart_id), await _sent(request)
    if not sent.get("series") or sent.get("series") == sent.get("into"):
        raise HTTPException(422, "Choose two different series.")
    at = _opened(sent, request).isoformat()
    body = {"series": sent["series"], "into": sent.get("into", ""), "by": person.id, "at": at}
    return await _through(request, patient, "series_joined", body, sent, f"/patients/{chart_id}")


@router.post("/patients/{chart_id}/record/{kind}", dependencies=[Depends(looks_at("recording"))])
async def record(request: Request, chart_id: UUID, kind: str, _: Recorder) -> Response:
    """Record, correct or withdraw an event of the ward's kinds."""
    patient, form = await patient_of(request, chart_id), _form(kind)
    sent = await _sent(request)
    key, withdrawn = sent.get("key", ""), sent.get("do") == "withdraw"
    body = care_forms.body_of(form, sent)
    if form.timed:
        body["at"] = _opened(sent, request).isoformat()
    standing = await asyncio.to_thread(console_of(request).read_model.care_events, patient.key)
    known = next((event for event in standing if event.key == key), None) if key else None
    if key and (known is None or known.body.type != kind):
        raise HTTPException(409, "That event was withdrawn or changed in the meantime. Load the patient again.")
    if known is not None:
        body = care_forms.whole(known.body) if withdrawn else care_forms.kept(body, known.body)
    wrong = {} if withdrawn else care_forms.refused_here(form, body, standing, key)
    request_id = str(_uuid(sent.get("request_id", "")))
    if form.own_key and not key:
        key = f"{kind} {request_id}"
    recording = Recording(body, kind, key, withdrawn, request_id, _opened(sent, request))
    try:
        if wrong:
            raise Refused(wrong)
        event = await _record(request, patient, recording)
    except Refused as refused:
        return await _shown(request, patient, form, sent, key=sent.get("key", ""), wrong=refused.wrong, status=422)
    except Away as away:
        problem = {"": f"{sentence(away)} {AGAIN}"}
        return await _shown(request, patient, form, sent, key=sent.get("key", ""), wrong=problem, status=503)
    return RedirectResponse(f"/patients/{chart_id}?recorded={event}", 303)


async def _through(
    request: Request, patient: PatientRow, kind: str, body: Mapping[str, Any], sent: Mapping[str, str], back: str
) -> Response:
    """Record what a small form of another page says, and go back there."""
    recording = Recording(body, kind, "", False, str(_uuid(sent.get("request_id", ""))), _opened(sent, request))
    try:
        event = await _record(request, patient, recording)
    except Refused as refused:
        raise HTTPException(422, " ".join(refused.wrong.values())) from None
    except Away as away:
        raise HTTPException(503, f"{sentence(away)} {AGAIN}") from None
    return RedirectResponse(f"{back}?recorded={event}", 303)


async def _record(request: Request, patient: PatientRow, recording: Recording) -> UUID:
    """The id of the event once Kafka has it. Refused with the fields at fault; Away when nobody answers."""
    asked = _request(patient.patient, recording)
    try:
        answer = await console_of(request).clients.intake.RecordCareEvent(asked)
    except grpc.aio.AioRpcError as error:
        raise Refused(_violations(error)) from None
    what = "withdrew" if recording.withdrawn else "recorded"
    await look(request, f"{what} {recording.kind}", patient=patient.chart_id, subject=answer.event_id)
    return UUID(answer.event_id)


def _request(patient: PatientId, recording: Recording) -> intake_pb2.RecordCareEventRequest:
    known = Timestamp()
    known.FromDatetime(recording.known_from)
    try:
        body = ParseDict({recording.kind: dict(recording.body)}, care_pb2.CareBody())
    except ParseError:
        raise Refused(_not_numbers(recording)) from None
    return intake_pb2.RecordCareEventRequest(
        patient=care_pb2.PatientId(**patient.model_dump()), body=body, key=recording.key,
        withdrawn=recording.withdrawn, known_from=known, request_id=recording.request_id,
    )  # fmt: skip


def _not_numbers(recording: Recording) -> dict[str, str]:
    """The only inputs that have no place as text are whole numbers."""
    form = FORMS.get(recording.kind)
    numbers = [field.name for field in form.fields if field.input == "number"] if form else []
    return dict.fromkeys(numbers, "A whole number, please.") or {"": "Something in the form cannot be read."}


def _violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Intake's answer by field; "" for what belongs to no field."""
    status = rpc_status.from_call(error)
    wrong: dict[str, str] = {}
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            for violation in bad.field_violations:
                path = violation.field.split(".")
                name = path[2] if path[:1] == ["body"] and len(path) > 2 else ""
                wrong[name] = f"Intake does not take this: {violation.description}."
    return wrong or {"": f"Intake did not take it ({error.code().name})."}


async def _shown(
    request: Request, patient: PatientRow, form: CareForm, filled: Mapping[str, str], *, key: str,
    wrong: Mapping[str, str] | None = None, status: int = 200,
) -> HTMLResponse:  # fmt: skip
    needs_rules = any(field.name in RULE_SETS for field in form.fields)
    known_sets, away = await rule_sets(console_of(request).clients) if needs_rules else ((), "")
    return show(
        request, "record.html", status, patient=patient, form=form, filled=filled, key=key, wrong=wrong or {},
        request_id=filled.get("request_id") or str(uuid4()),
        known_from=filled.get("known_from") or console_of(request).now().isoformat(),
        rule_sets=known_sets, named_by_rule_sets=RULE_SETS, away=away,
        courses=care_forms.COURSES, scores=care_forms.SCORES, symptom_rows=care_forms.symptom_rows(filled),
    )  # fmt: skip


def _form(kind: str) -> CareForm:
    if kind not in FORMS:
        raise HTTPException(404, "There is no such form.")
    return FORMS[kind]


async def _event(request: Request, patient: PatientRow, event: UUID) -> CareEvent:
    standing = await asyncio.to_thread(console_of(request).read_model.care_events, patient.key)
    known = next((each for each in standing if each.event_id == event), None)
    if known is None:
        raise HTTPException(404, "That event was withdrawn or changed in the meantime. Load the patient again.")
    return known


async def _sent(request: Request) -> dict[str, str]:
    """The inputs as text; 422 for one that is longer than any answer."""
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    if any(len(value) > LONGEST for value in sent.values()):
        raise HTTPException(422, f"An input is longer than {LONGEST} characters.")
    return sent


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise HTTPException(422, "The form is not one of ours. Load the page again.") from None


def _opened(sent: Mapping[str, str], request: Request) -> datetime:
    """When the form was opened: from then on it is known. Never later than now, nor before any session of now began."""
    try:
        opened = datetime.fromisoformat(sent.get("known_from", ""))
    except ValueError:
        raise HTTPException(422, "The form is not one of ours. Load the page again.") from None
    if opened.tzinfo is None:
        raise HTTPException(422, "The form is not one of ours. Load the page again.")
    console = console_of(request)
    if opened < console.now() - console.sessions.times.longest:
        raise HTTPException(422, "The form was opened too long ago. Load the page again.")
    return min(opened, console.now()).astimezone(UTC)
