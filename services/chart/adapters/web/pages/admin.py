"""For administrators: people, tokens of machines, and who looked at whom. Every change is audited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from services.chart.adapters.cursors import LARGEST
from services.chart.adapters.web.audit import ACCOUNT_EVENT_WORDS, PAGE
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.passwords import generated
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, Role, may
from services.chart.adapters.web.users import By, Refused

router = APIRouter(prefix="/admin")

Administrator = Annotated[Person, Depends(may("manage_users"))]
Auditor = Annotated[Person, Depends(may("see_looks"))]
Text = Annotated[str, Form()]
Row = Annotated[int, Query(ge=0, le=LARGEST)]


@router.get("/users")
async def people(request: Request, person: Administrator) -> Response:
    """Everybody who may sign in, and the machines."""
    return await _people(request, person)


@router.post("/users")
async def add(request: Request, person: Administrator, id: Text, name: Text = "", role: Text = "viewer") -> Response:
    """A local person, whose password is shown once, here."""
    console: Console = request.app.state.console
    password = generated()

    def work() -> str:
        chosen = _role(role)
        console.users.add(id, name, chosen, password, console.now(), _by(request, person), must_change=True)
        return password

    return await _changed(request, person, work, f"{id} may sign in now.")


@router.post("/users/{user}/role")
async def set_role(request: Request, person: Administrator, user: str, role: Text) -> Response:
    """From the person's next request on."""
    console: Console = request.app.state.console

    def work() -> None:
        if user == person.id:
            raise Refused("Ask another administrator to change your own role.")
        console.users.set_role(user, _role(role), console.now(), _by(request, person))

    return await _changed(request, person, work)


@router.post("/users/{user}/disable")
async def disable(request: Request, person: Administrator, user: str) -> Response:
    """Ends the person's sessions."""
    console: Console = request.app.state.console

    def work() -> None:
        if user == person.id:
            raise Refused("Ask another administrator to disable your own account.")
        console.users.disable(user, console.now(), _by(request, person))

    return await _changed(request, person, work)


@router.post("/users/{user}/enable")
async def enable(request: Request, person: Administrator, user: str) -> Response:
    """Takes the disabling back."""
    console: Console = request.app.state.console
    work = console.users.enable
    return await _changed(request, person, lambda: work(user, console.now(), _by(request, person)))


@router.post("/users/{user}/password")
async def reset_password(request: Request, person: Administrator, user: str) -> Response:
    """A new one, shown once, here; ends the person's sessions."""
    console: Console = request.app.state.console
    work = console.users.reset_password
    return await _changed(
        request, person, lambda: work(user, console.now(), _by(request, person)), f"{user} has another password now."
    )


@router.post("/tokens/{name}/revoke")
async def revoke(request: Request, person: Administrator, name: str) -> Response:
    """From the machine's next request on."""
    console: Console = request.app.state.console
    work = console.tokens.revoke
    return await _changed(request, person, lambda: work(name, console.now(), _by(request, person)))


@router.get("/changes")
async def changes(request: Request, _: Auditor, account: str = "", before: Row | None = None) -> Response:
    """Sign-ins and changes of accounts, newest first."""
    console: Console = request.app.state.console
    rows = await asyncio.to_thread(console.audit.account_events, subject=account.strip(), before=before, limit=PAGE + 1)
    further = {"account": account, "before": str(rows[PAGE - 1].id)} if len(rows) > PAGE else {}
    return render(
        request, "admin_changes.html", rows=rows[:PAGE], account=account, further=urlencode(further),
        words=ACCOUNT_EVENT_WORDS,
    )  # fmt: skip


class Wanted(BaseModel):
    """Which looks are asked for; days in the site's zone, both included."""

    person: str = ""
    patient: str = ""
    first: str = ""
    last: str = ""
    before: Row | None = None


@router.get("/looks")
async def looks(request: Request, _: Auditor, wanted: Annotated[Wanted, Depends()]) -> Response:
    """Who looked at whom, newest first. A number of a patient is not looked for here: it would stand in addresses."""
    console: Console = request.app.state.console
    problem = ""
    chosen: dict[str, Any] = {"person": wanted.person.strip(), "patient": wanted.patient.strip().lower()}
    try:
        chosen["since"] = _start(wanted.first, console)
        chosen["until"] = _start(wanted.last, console, days=1)
    except ValueError:
        problem = "A day is written as 2026-05-31."
    rows = [] if problem else await asyncio.to_thread(
        console.audit.looks, **chosen, before=wanted.before, limit=PAGE + 1
    )  # fmt: skip
    further = wanted.model_dump(exclude={"before"}) | {"before": rows[PAGE - 1].id} if len(rows) > PAGE else {}
    return render(
        request, "admin_looks.html", 422 if problem else 200, rows=rows[:PAGE], wanted=wanted, problem=problem,
        further=urlencode(further),
    )  # fmt: skip


# --- what they share ---


async def _changed(request: Request, person: Person, work: Callable[[], str | None], said: str = "") -> Response:
    """Do it; show a password that must be told, else go back to the list, so that a reload changes nothing."""
    try:
        password = await asyncio.to_thread(work)
    except Refused as refused:
        return await _people(request, person, 409, problem=str(refused))
    if password:
        return await _people(request, person, said=said, password=password)
    return RedirectResponse("/admin/users", 303)


async def _people(
    request: Request, person: Person, status: int = 200, *, problem: str = "", said: str = "", password: str = ""
) -> Response:
    console: Console = request.app.state.console
    users = await asyncio.to_thread(console.users.all)
    tokens = await asyncio.to_thread(console.tokens.all)
    return render(
        request, "admin_users.html", status, users=users, tokens=tokens, roles=list(Role), problem=problem, said=said,
        password=password, local=console.settings.local_users, own=person.id,
    )  # fmt: skip


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Refused("There is no such role.") from None


def _by(request: Request, person: Person) -> By:
    return By(person.id, request.state.request_id)


def _start(text: str, console: Console, days: int = 0) -> datetime | None:
    """Where a day begins at the site; None for no day. ValueError."""
    if not text.strip():
        return None
    day = datetime.strptime(text.strip(), "%Y-%m-%d").date() + timedelta(days=days)  # noqa: DTZ007 - only the date
    return datetime.combine(day, time(), console.zone)
