"""The listener itself: TLS, whose word on an address counts, and its end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import trustme
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, Role, may
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.serving import WebServer
from services.chart.adapters.web.signin import address_of

Serve = Callable[[Console], Awaitable[WebServer]]


def pages() -> APIRouter:
    """One that says from where it is asked, one that never ends."""
    router = APIRouter()

    @router.get("/from")
    async def where(request: Request, _: Annotated[Person, Depends(may("see"))]) -> str:
        return address_of(request)

    @router.get("/endless")
    async def endless(_: Annotated[Person, Depends(may("see"))]) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            while True:
                yield "still here\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(lines())

    return router


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a listener."""
    started: list[WebServer] = []

    async def start(console: Console) -> WebServer:
        web = WebServer(create_application(console, [pages()]), console.settings)
        await web.start()
        started.append(web)
        return web

    yield start
    for web in started:
        await web.stop()


def cookies(console: Console) -> dict[str, str]:
    """Of a viewer's session."""
    console.users.from_provider("vera", "Vera", Role.VIEWER, "there|1", console.now())
    return {cookie_name(console.settings.https): console.sessions.begin("vera", console.now())}


async def test_over_tls(serve: Serve, make_console: Callable[..., Console], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    console = make_console(http_certificate=tmp_path / "certificate.pem", http_key=tmp_path / "key.pem")
    web = await serve(console)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with httpx.AsyncClient(base_url=f"https://localhost:{web.port}", verify=trust) as client:
        answer = await client.get("/signin")
        assert answer.headers["set-cookie"].startswith("__Host-refrain=")
        assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(
    ("address", "url", "warned"),
    [("0.0.0.0", "", True), ("0.0.0.0", "https://refrain.test", False), ("127.0.0.1", "", False)],
)
async def test_passwords_over_the_network_without_tls_are_warned_of(
    serve: Serve, make_console: Callable[..., Console], caplog: pytest.LogCaptureFixture, address: str, url: str,
    warned: bool,
) -> None:  # fmt: skip
    await serve(make_console(address=address, public_url=url))
    assert ("without TLS" in caplog.text) is warned


@pytest.mark.parametrize(
    ("trusted", "seen"), [("", "127.0.0.1"), ("10.9.9.9", "127.0.0.1"), ("127.0.0.1", "192.0.2.7")]
)
async def test_only_a_trusted_proxy_says_where_a_request_came_from(
    serve: Serve, make_console: Callable[..., Console], trusted: str, seen: str
) -> None:
    console = make_console(trusted_proxies=trusted)
    web = await serve(console)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", cookies=cookies(console)) as client:
        assert (await client.get("/from", headers={"X-Forwarded-For": "192.0.2.7"})).json() == seen


async def test_its_end_does_not_wait_for_an_open_stream(serve: Serve, make_console: Callable[..., Console]) -> None:
    console = make_console()
    web = await serve(console)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{web.port}", cookies=cookies(console)) as client,
        client.stream("GET", "/endless") as answer,
    ):
        await anext(answer.aiter_lines())
        await asyncio.wait_for(web.stop(), 30)
