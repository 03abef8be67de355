"""The gate before every page: who asks, and whether the request came from a page of ours.

Deny by default: what is not PUBLIC needs somebody who is signed in, also a path that does not exist.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refrain.runtime.leaving import place_of
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.errors import ask_to_sign_in, is_fhir, refusal
from services.chart.adapters.web.roles import Person
from services.chart.adapters.web.security import LIVE, STATIC, cookie_name
from services.chart.adapters.web.sessions import csrf_of
from services.chart.adapters.web.tokens import PREFIX

log = logging.getLogger(__name__)

PUBLIC = frozenset({"/healthz", "/signin", "/signin/provider", "/signin/callback"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LIVE_PATHS = frozenset({"/events"})
"""What a page asks by itself, like requests with the header LIVE: it does not keep a session alive."""
WITH_OLD_PASSWORD = frozenset({"/account", "/account/password", "/signout"})
"""All that a person reaches whose password was set by somebody else."""
FORM_BYTES = 256 * 1024
"""Largest form; no page sends files."""
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf_token"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Gate:
    """Lets a request through with ``request.state.person`` and ``request.state.token`` set, or answers it itself."""

    def __init__(self, app: ASGIApp, *, console: Console) -> None:
        self._app = app
        self._console = console
        self._cookie = cookie_name(console.settings.https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.token = request.cookies.get(self._cookie, "")
        request.state.person = None
        try:
            request.state.person = await self._who(request)
        except SQLAlchemyError as error:
            log.error("nobody can be recognised", extra={"reason": place_of(error)})
            answer: Response | None = refusal(request, 503, "The database does not answer. Try again in a moment.")
        else:
            answer = await self._refused(request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self._app(scope, receive if request.method in SAFE else _again(request, receive), send)

    async def _who(self, request: Request) -> Person | None:
        path = request.url.path
        if path.startswith(STATIC) or path == "/healthz":
            return None
        if is_fhir(request) and (given := request.headers.get("authorization")):
            return await self._machine(given)
        if not request.state.token:
            return None
        alive = LIVE not in request.headers and path not in LIVE_PATHS
        now = self._console.now()
        return await asyncio.to_thread(self._console.sessions.find, request.state.token, now, alive=alive)

    async def _machine(self, given: str) -> Person | None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        if token.startswith(PREFIX):
            return await asyncio.to_thread(self._console.tokens.find, token, self._console.now())
        found = await self._console.provider.machine(token) if self._console.provider else None
        if found is None:
            return None
        person, subject = found
        return person if await asyncio.to_thread(self._console.users.welcome, person.id, subject) else None

    async def _refused(self, request: Request) -> Response | None:
        """The answer to a request that may not go on; None for one that may."""
        path, person = request.url.path, request.state.person
        public = path in PUBLIC or path.startswith(STATIC)
        if not public and person is None:
            return ask_to_sign_in(request)
        if "\x00" in path or b"%00" in request.scope["query_string"]:
            return refusal(request, 400)  # no database has a place for it, and no page a use
        if request.method not in SAFE and (answer := await self._foreign(request)):
            return answer
        if person is not None and person.must_change_password and not public and path not in WITH_OLD_PASSWORD:
            if request.method in SAFE:
                return RedirectResponse("/account", 303)
            return refusal(request, 403, "Change your password first.")
        return None

    async def _foreign(self, request: Request) -> Response | None:
        """The refusal of a change that does not come from a page of this session; reads its form, within limits."""
        if not await _read(request):
            return refusal(request, 413)
        if b"\x00" in request.state.body or b"%00" in request.state.body:
            return refusal(request, 400)
        person = request.state.person
        if person is not None and person.via == "api":
            return None
        try:
            ours = self._same_origin(request) and await _carries_token(request)
        except HTTPException:  # what calls itself a form and is none
            return refusal(request, 400)
        if not ours:
            return refusal(request, 403, "This form is out of date. Go back, reload the page and try again.")
        return None

    def _same_origin(self, request: Request) -> bool:
        """As far as the browser says; ``null`` is what it says of every form under ``no-referrer``."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = request.headers.get("origin", "null")
        ours = self._console.settings.public_url
        if origin == "null":
            return True
        return origin == ours if ours else urlsplit(origin).netloc == request.headers.get("host", "")


async def _read(request: Request) -> bool:
    """Keep the body with the request; False when it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > FORM_BYTES:
            return False
        parts.append(part)
    request.state.body = b"".join(parts)
    return True


async def _carries_token(request: Request) -> bool:
    if not request.state.token:
        return False
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.headers.get("content-type", "").startswith(FORMS):
        field = (await Request(request.scope, _again(request, request.receive)).form()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else ""
    return hmac.compare_digest(given.encode(), csrf_of(request.state.token).encode())


def _again(request: Request, receive: Receive) -> Receive:
    """Gives out the body that was read already, then what the connection says."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": request.state.body, "more_body": False}

    return again
