"""``/fhir``: read, vread, history and search. Nothing is written here; every patient whose data is shown is audited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from services.chart.adapters.cursors import UnknownCursor
from services.chart.adapters.fhir.answers import (
    RETRY_SECONDS,
    Unanswered,
    address,
    base_of,
    check_format,
    parameters,
    send,
    send_one,
)
from services.chart.adapters.fhir.finding import Finder, Found
from services.chart.adapters.fhir.of_patient import Page
from services.chart.adapters.web.audit import look
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, may
from services.chart.domain.fhir import bundles, capability
from services.chart.domain.fhir.observations import GONE, is_version_id
from services.chart.domain.fhir.searching import SEARCHES, Asked, Unsearchable, asked

Read = TypeVar("Read")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Reader = Annotated[Person, Depends(may("see"))]
READ = ["GET", "HEAD"]
SPEAKS_FHIR = ("_format",)


class FhirRoute(APIRoute):
    """What a read cannot answer is an OperationOutcome."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                check_format(request, request.query_params.get("_format"))
                return await handler(request)
            except Unanswered as refusal:
                return refusal.answer()
            except (UnknownCursor, OverflowError):  # the latter: a number that no row can have
                return Unanswered(400, "invalid", "_page is not one of ours: begin again without it").answer()
            except Unsearchable as refusal:
                return Unanswered(400, refusal.code, str(refusal)).answer()

        return answered


router = APIRouter(prefix="/fhir", route_class=FhirRoute)


@router.api_route("/metadata", methods=READ)
async def metadata(request: Request, _: Reader) -> Response:
    """What this API can do."""
    return send(capability.statement(base_of(request), version("refrain")))


@router.api_route("/{kind}/{identifier}/_history", methods=READ)
async def history(request: Request, kind: str, identifier: str, _: Reader) -> Response:
    """Every version of a result: its status history."""
    _check(kind, capability.WITH_HISTORY, "has no history here")
    _only_format(request)
    known = await _read(request, lambda finder: finder.history(identifier))
    if known is None:
        raise _unknown()
    readings, patient, state = known
    await look(request, f"fhir {kind} history", patient=patient, subject=identifier)
    base = base_of(request)
    return send(bundles.history(readings, base, f"{base}/{kind}/{identifier}/_history", state))


@router.api_route("/{kind}/{identifier}/_history/{version_id}", methods=READ)
async def one_version(request: Request, kind: str, identifier: str, version_id: str, _: Reader) -> Response:
    """One received version, as it is read now. A reading of it that was replaced since is not kept."""
    _check(kind, capability.WITH_HISTORY, "has no history here")
    _only_format(request)
    known = await _read(request, lambda finder: finder.history(identifier))
    received = is_version_id(version_id)
    readings, patient, state = known if known else ([], None, "")
    reading = next((each for each in readings if each.version.version == received), None)
    if reading is None or patient is None:
        raise _unknown()
    await look(request, f"fhir {kind} version", patient=patient, subject=f"{identifier}/{version_id}")
    if reading is readings[0] and state in GONE:
        raise _gone()
    if version_id not in (str(received), reading.resource["meta"]["versionId"]):
        words = "This version is read otherwise now. Its newest reading is in the history."
        raise Unanswered(404, "not-found", words)
    return send_one(request, reading.resource)


@router.api_route("/{kind}/_search", methods=["POST"])
async def search_by_form(request: Request, kind: str, _: Reader) -> Response:
    """The same search with its parameters in a form: a patient's number belongs into no address."""
    return await _search(request, kind)


@router.api_route("/{kind}/{identifier}", methods=READ)
async def read(request: Request, kind: str, identifier: str, _: Reader) -> Response:
    """One resource as it stands."""
    _check(kind, SEARCHES, "is not known here")
    _only_format(request)
    found = await _read(request, lambda finder: finder.one(kind, identifier))
    if found is None:
        raise _unknown()
    await look(request, f"fhir {kind}", patient=found.patient, subject=identifier)
    if found.gone:
        raise _gone()
    return send_one(request, found.resource)


@router.api_route("/{kind}", methods=READ)
async def search(request: Request, kind: str, _: Reader) -> Response:
    """Resources of one patient, or those that ``_id`` names."""
    return await _search(request, kind)


async def _search(request: Request, kind: str) -> Response:
    _check(kind, SEARCHES, "is not known here")
    given = await parameters(request)
    console: Console = request.app.state.console
    wanted = asked(kind, given, console.zone)
    if kind == "Patient" or wanted.ids:
        return await _by_name(request, wanted, given)
    if wanted.patient is None:
        raise Unsearchable("required", f"{kind} is searched by patient, or by _id")
    named = wanted.patient
    row = await _read(request, lambda finder: finder.patient(named))
    await look(request, f"fhir search {kind}", patient=row.chart_id if row else None)
    page = await _read(request, lambda finder: finder.of_patient(wanted, row)) if row else Page()
    base = base_of(request)
    following = address(base, kind, given, page.following) if page.following else ""
    whole = not page.following and not wanted.page
    this = address(base, kind, given, wanted.page)
    return send(bundles.searchset(page.resources, base, this, following, whole=whole))


async def _by_name(request: Request, wanted: Asked, given: list[tuple[str, str]]) -> Response:
    """What a search names by ids or by a number. The number is not repeated in the address of the answer."""
    if wanted.kind == "Patient":
        if not wanted.ids and "identifier" not in wanted.tokens:
            raise Unsearchable("required", "Patient is searched by identifier, or by _id")
        found: list[Found] = await _read(request, lambda finder: finder.patients_numbered(wanted))
    else:
        found = await _read(request, lambda finder: finder.by_ids(wanted))
    for one in found:
        await look(request, f"fhir search {wanted.kind}", patient=one.patient, subject=one.resource["id"])
    if not found:
        await look(request, f"fhir search {wanted.kind}", patient=None)
    base = base_of(request)
    kept = [(name, value) for name, value in given if name != "identifier"]
    resources = [one.resource for one in found]
    return send(bundles.searchset(resources, base, address(base, wanted.kind, kept, ""), "", whole=True))


async def _read(request: Request, work: Callable[[Finder], Read]) -> Read:
    """503 while the read model is being rebuilt: what is missing then would look as if it were not there.

    Asked before and afterwards, since a rebuild may begin at any moment.
    """
    console: Console = request.app.state.console
    finder = Finder(console.read_model, console.zone, console.settings.fhir_systems, console.now())
    await _whole(console)
    found = await asyncio.to_thread(work, finder)
    await _whole(console)
    return found


async def _whole(console: Console) -> None:
    progress = await asyncio.to_thread(console.read_model.progress)
    if progress.rebuilding:
        words = "The read model is being rebuilt; what is there is not the whole. Try again in a moment."
        raise Unanswered(503, "transient", words, {"Retry-After": str(RETRY_SECONDS)})


def _check(kind: str, known: Iterable[str], why: str) -> None:
    if kind not in known:
        named = kind if kind.isalpha() and len(kind) < 40 else "This resource"
        raise Unanswered(404, "not-supported", f"{named} {why}.")


def _only_format(request: Request) -> None:
    if set(request.query_params) - set(SPEAKS_FHIR):
        raise Unsearchable("not-supported", "a read takes no parameter but _format")


def _unknown() -> Unanswered:
    return Unanswered(404, "not-found", "There is no such resource here. It may be new: try again in a moment.")


def _gone() -> Unanswered:
    words = "Taken back: it is no longer a result of this patient under this id. Its history is still there."
    return Unanswered(410, "deleted", words)
