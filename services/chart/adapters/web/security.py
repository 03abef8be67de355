"""Headers on every answer: nothing from elsewhere runs in a page, nobody frames it, no copy of it stays anywhere."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chart import metrics
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.errors import internal_error
from services.chart.adapters.web.render import fingerprint

STATIC = "/static/"
LIVE = "x-refrain-live"
"""Header of requests that a page makes by itself: they do not keep a session alive."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000; includeSubDomains"
FOR_GOOD = "public, max-age=31536000, immutable"


def cookie_name(https: bool) -> str:
    """``__Host-`` binds a cookie to this host and to TLS; browsers refuse it over plain HTTP."""
    return "__Host-refrain" if https else "refrain"


def set_cookie(response: Response, console: Console, token: str) -> None:
    """Ends with the browser; the session ends earlier."""
    https = console.settings.https
    response.set_cookie(cookie_name(https), token, secure=https, httponly=True, samesite="lax", path="/")


def forget_cookie(response: Response, console: Console) -> None:
    """With the attributes it was set with: a browser forgets no other."""
    https = console.settings.https
    response.delete_cookie(cookie_name(https), secure=https, httponly=True, samesite="lax", path="/")


class Headers:
    """On every answer, errors included. Defects end here too: their text goes nowhere."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = str(uuid4())
        began, started = time.monotonic(), False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not request.url.path.startswith(STATIC):
                    metrics.REQUEST.labels(_outcome(message["status"])).observe(time.monotonic() - began)
                self._dress(MutableHeaders(scope=message), request)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge of the process; the text stays inside
            answer = internal_error(request, error)
            if not started:
                await answer(scope, receive, dressed)

    def _dress(self, headers: MutableHeaders, request: Request) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._https:
            headers["Strict-Transport-Security"] = HSTS
        headers["X-Request-Id"] = request.state.request_id
        headers["Cache-Control"] = FOR_GOOD if _fingerprinted(request) else "no-store"


def _outcome(status: int) -> str:
    return "ok" if status < 400 else "refused" if status < 500 else "failed"


def _fingerprinted(request: Request) -> bool:
    path, version = request.url.path, request.query_params.get("v")
    if version is None or not path.startswith(STATIC):
        return False
    try:
        return hmac.compare_digest(fingerprint(path.removeprefix(STATIC)), version)
    except (OSError, ValueError, TypeError):
        return False
