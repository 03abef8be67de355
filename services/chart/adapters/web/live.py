"""Live pages: tells an open page that something changed, and nothing else. The page then asks again by itself.

The number comes from the database, so it does not matter which replica projected the change. A stream ends with its
session; it never keeps one alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, may

LOOK_SECONDS = 1.0
"""How often one process asks the database for the newest change, however many pages are open."""
STILL_SECONDS = 10.0
"""How often a stream sends a sign of life, and asks whether its session goes on. ``live.js`` waits three times as long
before it says that the page may be out of date."""

router = APIRouter()


class Changes:
    """The newest change number as of a moment ago, asked for once for all streams of this process."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def newest(self) -> int:
        """The number; the one before while the database does not answer."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() - self._asked_at >= LOOK_SECONDS:
                try:
                    self._number = await asyncio.to_thread(self._console.read_model.newest_change)
                except SQLAlchemyError:
                    return self._number  # pages say by themselves that the database is away
                self._asked_at = loop.time()
            return self._number


@router.get("/events")
async def events(request: Request, person: Person = Depends(may("see"))) -> StreamingResponse:  # noqa: B008
    """Server-sent events: ``change`` with a number whenever it grew."""
    state = request.app.state
    if not hasattr(state, "changes"):
        state.changes = Changes(state.console)
    stream = _stream(request, state.console, state.changes, person)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(request: Request, console: Console, changes: Changes, person: Person) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    seen, still_at = await changes.newest(), loop.time()
    yield f"retry: 3000\nevent: change\ndata: {seen}\n\n"
    while not await request.is_disconnected():
        await asyncio.sleep(LOOK_SECONDS)
        number = await changes.newest()
        if number != seen:
            seen = number
            yield f"event: change\ndata: {number}\n\n"
        if loop.time() - still_at >= STILL_SECONDS:
            still_at = loop.time()
            if not await asyncio.to_thread(console.sessions.still, person.session, console.now()):
                yield "event: over\ndata: session\n\n"
                return
            behind = console.behind_since()
            shown = f"{behind.astimezone(console.zone):%Y-%m-%d %H:%M}" if behind else ""
            yield f"event: still\ndata: {shown}\n\n"
