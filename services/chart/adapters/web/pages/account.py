"""One's own account: who one is here, and another password."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import Response

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, may
from services.chart.adapters.web.signin import address_of, begin
from services.chart.adapters.web.users import Refused, TooManyAttempts

router = APIRouter()

Own = Annotated[Person, Depends(may("own_account"))]


@router.get("/account")
async def account(request: Request, person: Own) -> Response:
    """Who one is, and the form."""
    return await _page(request, person)


@router.post("/account/password")
async def change_password(
    request: Request,
    person: Own,
    old: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Ends all sessions of the person and begins a new one here."""
    console: Console = request.app.state.console
    if new != again:
        return await _page(request, person, 422, "The new password was not written the same way twice.")
    try:
        await asyncio.to_thread(
            console.users.change_password, person.id, old, new, address_of(request), console.now(),
            request.state.request_id,
        )  # fmt: skip
    except Refused as refused:
        return await _page(request, person, 429 if isinstance(refused, TooManyAttempts) else 422, str(refused))
    return await begin(request, person.id, "/account")


async def _page(request: Request, person: Person, status: int = 200, problem: str = "") -> Response:
    console: Console = request.app.state.console
    user = await asyncio.to_thread(console.users.find, person.id)
    if user is None:
        raise HTTPException(404)
    return render(request, "account.html", status, user=user, problem=problem)
