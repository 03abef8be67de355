"""Signing in and out: at the hospital's provider (OIDC), or with a password of chart's own."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import may
from services.chart.adapters.web.security import forget_cookie, set_cookie
from services.chart.adapters.web.sessions import new_token
from services.chart.adapters.web.users import Refused, TooManyAttempts

router = APIRouter()

Text = Annotated[str, Form()]


@router.get("/signin")
async def sign_in_page(request: Request, next: str = "/") -> Response:
    """The form, and the way to the provider. Gives the visit a cookie, so that the form is bound to this browser."""
    if request.state.person is not None:
        return RedirectResponse(local_path(next), 303)
    return _page(request, next)


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
        return _page(request, next, 429 if isinstance(refused, TooManyAttempts) else 401, str(refused), name)
    return await begin(request, user.id, next)


@router.post("/signout", dependencies=[Depends(may("own_account"))])
async def sign_out(request: Request) -> Response:
    """Here."""
    console: Console = request.app.state.console
    await asyncio.to_thread(console.sessions.end, request.state.token)
    response = RedirectResponse("/signin", 303)
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
