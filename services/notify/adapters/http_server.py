"""Serves an ASGI application inside the running loop, and stops with it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from refrain.runtime.grpc_server import Tls

BACKLOG = 128
GRACE_SECONDS = 2
"""How long running requests may take after a stop."""


class HttpServer:
    """One listener. The port is bound at once, so OSError says at the start that it is taken."""

    def __init__(self, application: Any, *, address: str, port: int, tls: Tls | None = None) -> None:
        self._socket = socket.create_server((address, port), backlog=BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        """The bound port, also when 0 was asked for."""
        secured: dict[str, Any] = {}
        if tls is not None:
            secured = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
        self._server = _Inside(
            uvicorn.Config(
                application, log_config=None, access_log=False, server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS, **secured,
            )
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The port is bound already: a request that comes before the first turn of the loop waits for it."""
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it names paths, whose queries may name a patient
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Finish running requests for a moment, then end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


class _Inside(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops everything in its order."""
        yield
