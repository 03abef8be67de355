"""FHIR over HTTP: what a request may ask for in which format, and how resources are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from fastapi.responses import Response

from services.chart.adapters.web.console import Console
from services.chart.domain.fhir.bundles import etag, outcome
from services.chart.domain.fhir.encoding import encode
from services.chart.domain.fhir.pieces import Piece

FHIR_JSON = "application/fhir+json"
FORMATS = frozenset({"json", "application/json", FHIR_JSON, "application/fhir json"})
"""What ``_format`` may say; a plus that was not escaped arrives as a space."""
ACCEPTED = frozenset({"*/*", "application/*", "application/json", FHIR_JSON, "text/json"})
RETRY_SECONDS = 30


class Unanswered(Exception):
    """An answer with an OperationOutcome. ``code`` is FHIR's issue type; ``words`` say nothing of a patient."""

    def __init__(self, status: int, code: str, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        return send(outcome(self.code, self.words), self.status, self.headers)


def send(resource: Piece, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encode(resource), status, media_type=FHIR_JSON, headers=dict(headers or {}))


def send_one(request: Request, resource: Piece) -> Response:
    """A resource with its version, or 304 for whoever has it already."""
    tag = etag(resource)
    changed = datetime.fromisoformat(resource["meta"]["lastUpdated"])
    headers = {"ETag": tag, "Last-Modified": format_datetime(changed, usegmt=True)}
    known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    if tag in known or tag.removeprefix("W/") in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return send(resource, headers=headers)


def check_format(request: Request, given: str | None) -> None:
    """406 for who wants something else than JSON."""
    if given is not None:
        if given.split(";")[0].strip() not in FORMATS:
            raise Unanswered(406, "not-supported", "Only JSON is spoken here: application/fhir+json.")
        return
    accept = request.headers.get("accept", "*/*")
    wanted = {each.split(";")[0].strip().lower() for each in accept.split(",")}
    if not wanted & ACCEPTED:
        raise Unanswered(406, "not-supported", "Only JSON is spoken here: application/fhir+json.")


def base_of(request: Request) -> str:
    """Address of the API: that of the settings; as it was asked for where there is none."""
    console: Console = request.app.state.console
    return f"{console.settings.public_url or str(request.base_url).rstrip('/')}/fhir"


async def parameters(request: Request) -> list[tuple[str, str]]:
    """Of the query, and of the form of a ``_search``."""
    given = list(parse_qsl(request.url.query, keep_blank_values=True))
    if request.method == "POST":
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
            raise Unanswered(415, "not-supported", "A _search is sent as application/x-www-form-urlencoded.")
        body: Any = await request.form()
        given += [(name, value) for name, value in body.multi_items() if isinstance(value, str)]
    return given


def address(base: str, kind: str, given: list[tuple[str, str]], page: str) -> str:
    """Where one page of a search is."""
    kept = [(name, value) for name, value in given if name != "_page"] + ([("_page", page)] if page else [])
    return f"{base}/{kind}" + (f"?{urlencode(kept)}" if kept else "")
