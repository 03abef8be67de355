"""CDS Hooks 2.0: a patient-view service whose cards are the patient's alerts, and whose feedback answers them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from pydantic import Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from refrain.contracts.events import Actor
from refrain.runtime.leaving import place_of
from services.notify import metrics
from services.notify.adapters import cds_cards as cards
from services.notify.adapters.answers import Answers, UnknownAlert
from services.notify.adapters.cds_auth import Gatekeeper, Untrusted, is_loopback, read_clients
from services.notify.adapters.cds_patients import Ambiguous, Patients, Prefetched
from services.notify.adapters.queries import Place, Queries, Wanted
from services.notify.adapters.store import Store
from services.notify.domain.life import Acknowledge, Refused
from services.notify.domain.thread import Thread
from services.notify.settings import Settings

log = logging.getLogger(__name__)

SERVICE = "refrain-patient-view"
PATH = f"/cds-services/{SERVICE}"
HOOK = "patient-view"
PREFETCH = {"patient": "Patient/{{context.patientId}}"}
BODY_BYTES = 1024 * 1024
AT_ONCE = 200
MOST_CARDS = 20
"""Of one patient, the most urgent."""
DISCOVERY = {
    "services": [
        {
            "hook": HOOK,
            "title": "Refrain",
            "description": "Alerts of Refrain about this patient that nobody has answered yet.",
            "id": SERVICE,
            "prefetch": PREFETCH,
            "usageRequirements": "The prefetched Patient carries the numbers under which the laboratory reports.",
        }
    ]
}


class Context(cards.Strict):
    userId: str = ""
    patientId: str = Field(min_length=1, max_length=200)


class HookRequest(cards.Strict):
    hook: str
    hookInstance: UUID
    context: Context
    prefetch: dict[str, Any] = Field(default={})


class Unserved(Exception):
    """A call that is not served; ``words`` say nothing of a patient."""

    def __init__(self, status: int, reason: str, words: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.words = words


@dataclass(frozen=True, slots=True)
class Hooks:
    """The service over one store."""

    queries: Queries
    answers: Answers
    patients: Patients
    gate: Gatekeeper
    tiers: Collection[str]
    console_url: str
    url: str
    now: Callable[[], datetime]

    async def view(self, request: Request) -> Response:
        """Cards for the patient whose record somebody opens."""
        await self._caller(request, PATH)
        asked = _read(HookRequest, await _body(request))
        if asked.hook != HOOK:
            raise Unserved(400, "another_hook", f"This service is for the hook {HOOK}.")
        key = await self._patient(asked)
        found = await asyncio.to_thread(self._cards, key) if key else []
        for card in found:
            metrics.CDS_CARDS.labels(card["indicator"]).inc()
        return JSONResponse({"cards": found})

    async def feedback(self, request: Request) -> Response:
        """What became of cards. The same feedback again changes nothing; one that came too late is only counted."""
        client = await self._caller(request, f"{PATH}/feedback", PATH)
        given = _read(cards.FeedbackRequest, await _body(request))
        for each in given.feedback:
            said = cards.said(each, client)
            outcome = await asyncio.to_thread(self._answer, each, said, client)
            metrics.CDS_FEEDBACK.labels(outcome, said.reason).inc()
        return JSONResponse({})

    async def _caller(self, request: Request, *paths: str) -> str:
        peer = request.client.host if request.client and is_loopback(request.url.hostname or "") else ""
        audiences = {f"{self.url}{path}" for path in paths}
        try:
            return await self.gate.caller(request.headers.get("authorization", ""), audiences, peer)
        except Untrusted as error:
            raise Unserved(401, error.reason, "A bearer token (JWT) of a trusted CDS client is needed.") from None

    async def _patient(self, asked: HookRequest) -> str | None:
        """The one patient; None for one of whom nothing is known. 412 when the EHR sent nobody."""
        patient = asked.context.patientId.removeprefix("Patient/")
        prefetched = asked.prefetch.get("patient")
        try:
            key = await asyncio.to_thread(self.patients.with_our_id, patient)
            if key is None:
                if prefetched is None:
                    metrics.CDS_PATIENTS.labels("not_sent").inc()
                    raise Unserved(412, "no_patient", "The prefetch 'patient' is needed to know whose alerts to show.")
                sent = _read(Prefetched, prefetched)
                if sent.resourceType != "Patient" or sent.id not in ("", patient):
                    raise Unserved(400, "another_patient", "The prefetched Patient is not the one of the context.")
                key = await asyncio.to_thread(self.patients.with_numbers, sent.identifier)
        except Ambiguous:
            log.warning("the numbers of an EHR's patient lead to several patients: no cards")
            metrics.CDS_PATIENTS.labels("ambiguous").inc()
            return None
        metrics.CDS_PATIENTS.labels("found" if key else "unknown").inc()
        return key

    def _cards(self, key: str) -> list[dict[str, Any]]:
        found: list[Thread] = []
        after = None
        while some := self.queries.alerts(Wanted(tuple(self.tiers), patient_key=key), AT_ONCE, after):
            found += cards.shown(some, self.tiers)
            after = Place.of(some[-1])
            if len(some) < AT_ONCE or len(found) >= MOST_CARDS:
                break
        return [cards.card(thread, self.console_url) for thread in found[:MOST_CARDS]]

    def _answer(self, given: cards.Feedback, said: cards.Said, client: str) -> str:
        """What came of one feedback."""
        thread = self.queries.thread(said.alert)
        if thread is None or thread.tier not in self.tiers or not _names_our_suggestion(given):
            return "unknown_card"
        if cards.out_of_date(given, thread):
            return "out_of_date"
        actor = Actor(type="person", id=client, via="cds-hooks")
        answer = Acknowledge(actor, said.reason, said.comment, self.now())
        hash_ = sha256(f"cds\x1f{said}".encode()).hexdigest()
        try:
            self.answers.give(said.request, hash_, said.alert, answer)
        except UnknownAlert:
            return "unknown_card"
        except Refused as refusal:
            metrics.REFUSED.labels(refusal.reason).inc()
            return "too_late"
        return given.outcome


def _names_our_suggestion(given: cards.Feedback) -> bool:
    ours = cards.will_act_id(given.card)
    return given.outcome != "accepted" or any(each.id == ours for each in given.acceptedSuggestions)


def application(settings: Settings, now: Callable[[], datetime]) -> Callable[[Store, Answers], FastAPI]:
    """Builds the application for a store. OSError or ValueError when the trusted clients cannot be read."""
    clients = read_clients(settings.cds_clients) if settings.cds_clients else ()

    def build(store: Store, answers: Answers) -> FastAPI:
        hooks = Hooks(
            queries=Queries(store), answers=answers,
            patients=Patients(store, settings.cds_systems, by_type=settings.cds_match_by_type),
            gate=Gatekeeper(store, clients, now, open_to_loopback=settings.cds_open),
            tiers=settings.cds_tiers, console_url=settings.console_url.rstrip("/"),
            url=settings.cds_url.rstrip("/"), now=now,
        )  # fmt: skip
        return serve(hooks, settings.cds_origins)

    return build


def serve(hooks: Hooks, origins: Collection[str] = ()) -> FastAPI:
    """The three endpoints, with CORS for the origins of the settings."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )  # fmt: skip

    async def discovery() -> Response:
        return JSONResponse(DISCOVERY)

    app.add_api_route("/cds-services", discovery, methods=["GET"], response_model=None)
    app.add_api_route(PATH, hooks.view, methods=["POST"], response_model=None)
    app.add_api_route(f"{PATH}/feedback", hooks.feedback, methods=["POST"], response_model=None)
    app.add_exception_handler(Unserved, _unserved)
    app.add_exception_handler(SQLAlchemyError, _database)
    return app


async def _body(request: Request) -> Any:
    """JSON within limits. Said to be JSON, so that no page of another origin can send it unasked."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Unserved(415, "no_json", "The body is application/json.")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > BODY_BYTES:
            raise Unserved(413, "too_large", "Send less at once.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise Unserved(400, "no_json", "The body is no JSON.") from None


def _read(model: type[Any], content: Any) -> Any:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        places = {".".join(str(part) for part in each["loc"] if isinstance(part, str)) for each in error.errors()}
        known = sorted(place for place in places if place)[:5]
        raise Unserved(400, "not_understood", f"Not as the specification says: {', '.join(known) or 'body'}") from None


async def _unserved(_: Request, error: Any) -> Response:
    metrics.CDS_REFUSED.labels(error.reason).inc()
    log.info("a CDS Hooks call was refused", extra={"reason": error.reason})
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse({"error": error.words}, error.status, headers=headers)


async def _database(_: Request, error: Exception) -> Response:
    log.error("the database did not answer", extra={"reason": place_of(error)})
    return JSONResponse({"error": "Not possible at present. Try again in a moment."}, 503, headers={"Retry-After": "5"})
