"""Serves the console inside the running loop, and stops with it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from refrain.runtime.grpc_server import is_this_machine
from services.chart.settings import Settings

log = logging.getLogger(__name__)

BACKLOG = 128
GRACE_SECONDS = 2
"""How long running answers may take after a stop; streams to open pages end then."""
CHATTY = ("uvicorn", "httpx", "authlib")
"""They name addresses, whose paths hold ids, or write down secrets of a sign-in at their lower levels."""


class WebServer:
    """One listener. The port is bound at once, so OSError says at the start that it is taken."""

    def __init__(self, application: FastAPI, settings: Settings) -> None:
        self._socket = socket.create_server((settings.address, settings.http_port), backlog=BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        """The bound port, also when 0 was asked for."""
        self._address, self._https = settings.address, settings.https
        options: dict[str, Any] = {"proxy_headers": False}
        if settings.trusted_proxies:
            options = {"proxy_headers": True, "forwarded_allow_ips": settings.trusted_proxies}
        if settings.http_certificate is not None:
            options |= {"ssl_certfile": str(settings.http_certificate), "ssl_keyfile": str(settings.http_key)}
        self._server = _Inside(
            uvicorn.Config(
                application, log_config=None, access_log=False, server_header=False, ws="none",
                timeout_graceful_shutdown=GRACE_SECONDS, **options,
            )
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The port is bound already: a request that comes before the first turn of the loop waits for it."""
        if not self._https and not is_this_machine(self._address):
            log.warning("the console is open to other machines without TLS: set CHART_PUBLIC_URL or a certificate")
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Let running answers finish for a moment, then end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


class _Inside(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops everything in its order."""
        yield
