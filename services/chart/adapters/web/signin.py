"""Signing in and out: at the hospital's provider (OIDC), or with a password of chart's own."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from services.chart import metrics
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import may
from services.chart.adapters.web.security import forget_cookie, set_cookie
from services.chart.adapters.web.sessions import new_token
from services.chart.adapters.web.users import Refused, TooManyAttempts

router = APIRouter()

Text = Annotated[str, Form()]
UNSENT = "You were signed out before this was sent: it was not recorded. Sign in, and send it again."


@router.get("/signin")
async def sign_in_page(request: Request, next: str = "/", unsent: bool = False) -> Response:
    """The form, and the way to the provider. Gives the visit a cookie, so that the form is bound to this browser."""
    if request.state.person is not None:
        return RedirectResponse(local_path(next), 303)
    return _page(request, next, problem=UNSENT if unsent else "")


@router.post("/signin")
async def sign_in(request: Request, name: Text = "", password: Text = "", next: Text = "/") -> Response:
    """With name and password."""
    console: Console = request.app.state.console
    if not console.settings.local_users:
        return _page(request, next, 403, "Signing in with a password is not set up here.")
    try:
        user = await asyncio.to_thread(
            console.users.with_password, name, password, address_of(request), console.now(), request.state.request_id
        )
    except Refused as refused:
        throttled = isinstance(refused, TooManyAttempts)
        metrics.SIGN_INS.labels("throttled" if throttled else "refused").inc()
        return _page(request, next, 429 if throttled else 401, str(refused), name)
    metrics.SIGN_INS.labels("signed_in").inc()
    return await begin(request, user.id, next)


@router.get("/signin/provider")
async def to_provider(request: Request, next: str = "/") -> Response:
    """Leaves for the hospital's sign-in."""
    console: Console = request.app.state.console
    if console.provider is None:
        raise HTTPException(404)
    visit = request.state.token or new_token()
    attempt: dict[str, Any] = {}
    try:
        address = await console.provider.begin(request, attempt)
    except Refused as refused:
        return _page(request, next, 503, str(refused))
    kept = {"attempt": attempt, "next": local_path(next)}
    await asyncio.to_thread(console.sessions.leave, visit, kept, console.now())
    response = RedirectResponse(address, 303)
    set_cookie(response, console, visit)
    return response


@router.get("/signin/callback")
async def from_provider(request: Request) -> Response:
    """Comes back from there; only the browser that left, once, and not much later."""
    console: Console = request.app.state.console
    if console.provider is None:
        raise HTTPException(404)
    kept = await asyncio.to_thread(console.sessions.come_back, request.state.token, console.now())
    if kept is None:
        return _page(request, "/", 403, "The sign-in took too long or was started elsewhere. Start again.")
    try:
        who = await console.provider.finish(request, kept["attempt"])
        user = await asyncio.to_thread(
            console.users.from_provider, who.id, who.name, who.role, who.subject, console.now(),
            request.state.request_id, address_of(request),
        )  # fmt: skip
    except Refused as refused:
        metrics.SIGN_INS.labels("refused").inc()
        return _page(request, kept["next"], 403, str(refused))
    metrics.SIGN_INS.labels("signed_in").inc()
    return await begin(request, user.id, kept["next"], who.id_token)


@router.post("/signout", dependencies=[Depends(may("own_account"))])
async def sign_out(request: Request) -> Response:
    """Here, and then at the provider when it offers that.

    The way there is a page that goes on by itself: browsers hold a redirect after a form to ``form-action``.
    """
    console: Console = request.app.state.console
    id_token = await asyncio.to_thread(
        console.sessions.end, request.state.token, console.now(), request.state.request_id
    )
    there = await console.provider.signed_out_at(id_token) if console.provider and id_token else ""
    response: Response = RedirectResponse("/signin", 303)
    if there:
        request.state.person = None
        response = render(request, "signed_out.html", there=there)
        response.headers["Refresh"] = f"0; url={there}"
    forget_cookie(response, console)
    return response


async def begin(request: Request, user: str, after: str, id_token: str = "") -> Response:
    """A new session in place of the visit, whose token may be known to somebody."""
    console: Console = request.app.state.console
    token = await asyncio.to_thread(
        console.sessions.begin, user, console.now(), id_token=id_token, instead_of=request.state.token
    )
    response = RedirectResponse(local_path(after), 303)
    set_cookie(response, console, token)
    return response


def local_path(wanted: str) -> str:
    """Where to go after signing in: a page of ours, whatever was asked for."""
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or any(ord(sign) < 32 for sign in wanted):
        return "/"
    return wanted


def address_of(request: Request) -> str:
    """Where the request came from; behind a proxy what it said, if it is trusted (uvicorn sees to that)."""
    return request.client.host if request.client else ""


def _page(request: Request, after: str, status: int = 200, problem: str = "", name: str = "") -> Response:
    console: Console = request.app.state.console
    fresh = not request.state.token
    if fresh:
        request.state.token = new_token()
    response = render(
        request, "signin.html", status, next=local_path(after), problem=problem, name=name,
        with_provider=console.provider is not None, with_password=console.settings.local_users,
    )  # fmt: skip
    if fresh:
        set_cookie(response, console, request.state.token)
    return response
