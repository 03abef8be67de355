"""What people see when something is not possible: a sentence, never a detail. What is logged: type and place only."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from refrain.runtime.grpc_clients import Away
from refrain.runtime.leaving import place_of
from services.chart.adapters.web.audit import AuditAway
from services.chart.adapters.web.clients import sentence
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import NotAllowed, NotSignedIn
from services.chart.adapters.web.users import Refused

log = logging.getLogger(__name__)

FHIR = "/fhir"
SIGN_IN = "/signin"
PAGE_OF_FORM = re.compile(r"/(alerts|patients|feed/quarantine)/[0-9a-f-]{36}")
"""Where the forms of an alert, a patient, a quarantined message stand."""
TITLES = {
    400: "That request cannot be understood",
    401: "You are not signed in",
    403: "Not allowed",
    404: "There is nothing here",
    405: "That is not possible here",
    409: "Somebody was faster",
    413: "That is too large",
    422: "That form cannot be used",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not possible at present",
}
SENTENCES = {
    404: "The address is wrong, or what was here is no longer known.",
    405: "Go back and use the buttons of the page.",
    413: "Send less at once.",
    422: "Go back, check what you filled in, and try again.",
}
ISSUE_CODES = {401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 503: "transient"}


def refusal(request: Request, status: int, text: str = "", headers: dict[str, str] | None = None) -> Response:
    """The same refusal for whoever asks: a page, a fragment, an OperationOutcome, or a line of text."""
    title = TITLES.get(status, TITLES[400] if status < 500 else TITLES[500])
    text = text or SENTENCES.get(status, "")
    answer: Response
    if is_fhir(request):
        code = ISSUE_CODES.get(status, "exception" if status >= 500 else "invalid")
        issue = {"severity": "error", "code": code, "diagnostics": f"{title}. {text}".strip()}
        outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
        answer = JSONResponse(outcome, status, media_type="application/fhir+json")
    elif is_fragment(request):
        answer = render(request, "_refusal.html", status, title=title, text=text)
    elif "text/html" in request.headers.get("accept", "text/html") or "*/*" in request.headers.get("accept", ""):
        answer = render(request, "error.html", status, title=title, text=text)
    else:
        answer = PlainTextResponse(f"{title}. {text}\n", status)
    answer.headers.update(headers or {})
    return answer


def ask_to_sign_in(request: Request) -> Response:
    """Machines and open pages are told so; a person is taken to the sign-in and back afterwards."""
    if is_fhir(request):
        return refusal(request, 401, headers={"WWW-Authenticate": "Bearer"})
    reading = request.method in ("GET", "HEAD")
    if is_fragment(request):
        page = urlsplit(request.headers.get("hx-current-url", "/"))
        where = _sign_in(_with_query(page.path, page.query), unsent=not reading)
        return refusal(request, 401, "Sign in again.", {"HX-Redirect": where})
    if not reading:
        page_of_form = PAGE_OF_FORM.match(request.url.path)
        return RedirectResponse(_sign_in(page_of_form[0] if page_of_form else "/", unsent=True), 303)
    if "text/event-stream" in request.headers.get("accept", ""):
        return refusal(request, 401)
    return RedirectResponse(_sign_in(_with_query(request.url.path, request.url.query)), 303)


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _sign_in(after: str, *, unsent: bool = False) -> str:
    """The address of the sign-in; ``unsent`` has it say that a form was not recorded: its sender believes it was."""
    asked = {"next": after} if after not in ("", "/") else {}
    asked |= {"unsent": "true"} if unsent else {}
    return f"{SIGN_IN}?{urlencode(asked, safe='/')}" if asked else SIGN_IN


def is_fhir(request: Request) -> bool:
    """Whether a machine may ask here with a token."""
    path = request.url.path
    return path == FHIR or path.startswith(f"{FHIR}/")


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def internal_error(request: Request, error: Exception) -> Response:
    """The page for a defect; its text stays inside."""
    log.error("a page failed", extra={"reason": place_of(error), "method": request.method})
    text = "It was written down. Try again; if it happens again, tell whoever runs Refrain this number: "
    return refusal(request, 500, text + request.state.request_id)


def install(app: FastAPI) -> None:
    """Say what each exception looks like to a person."""

    def on(error_type: type[Exception], answer: Any) -> None:
        async def handler(request: Request, error: Exception) -> Response:
            shown: Response = answer(request, error)
            return shown

        app.add_exception_handler(error_type, handler)

    on(HTTPException, _http)
    on(RequestValidationError, lambda request, _: refusal(request, 422))
    on(NotSignedIn, lambda request, _: ask_to_sign_in(request))
    on(NotAllowed, lambda request, _: refusal(request, 403, "Your role does not allow this. Ask an administrator."))
    on(Refused, lambda request, error: refusal(request, 409, str(error)))
    on(Away, lambda request, error: refusal(request, 503, sentence(error)))
    on(AuditAway, _unaudited)
    on(SQLAlchemyError, _database)


def _http(request: Request, error: HTTPException) -> Response:
    """A page may raise ``HTTPException(404, "sentence")``; Starlette's own words are not shown."""
    own = "" if error.detail in _STARLETTES_WORDS else str(error.detail or "")
    return refusal(request, error.status_code, own, dict(error.headers or {}))


_STARLETTES_WORDS = {"Not Found", "Method Not Allowed", "Bad Request", "Unauthorized", "Forbidden"}


def _unaudited(request: Request, error: AuditAway) -> Response:
    log.error("a look could not be written down", extra={"reason": type(error.__cause__).__name__})
    return refusal(
        request, 503, "This is not shown because your look at it could not be written down. Try again in a moment."
    )


def _database(request: Request, error: SQLAlchemyError) -> Response:
    log.error("the database did not answer", extra={"reason": place_of(error)})
    return refusal(request, 503, "The database does not answer. Try again in a moment.")
