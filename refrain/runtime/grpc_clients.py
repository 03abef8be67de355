"""Asking another service over gRPC: a channel that comes back by itself, a deadline on every call, and a plan without.

A caller never waits longer than its deadline and never fails because another service is away: :class:`Away` says so,
and the page or message goes on without the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from refrain.runtime.grpc_server import MESSAGE_BYTES

OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
UNANSWERED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNIMPLEMENTED,
)
"""Statuses that say nothing about the question, only that nobody answered it."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Mutual TLS: PEM files of our certificate and key, and of the authority that servers come from."""

    certificate: Path
    key: Path
    server_authority: Path

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            self.server_authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )


def open_channel(target: str, tls: ClientTls | None = None) -> grpc.aio.Channel:
    """A channel to ``host:port``; nothing is connected before the first call. Build it inside the running loop."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, tls.credentials(), options=OPTIONS)


class Away(Exception):
    """A service did not answer within the deadline. ``service`` names it; the text is a sentence for a person."""

    def __init__(self, service: str, code: grpc.StatusCode) -> None:
        super().__init__(f"{service} does not answer at present.")
        self.service = service
        self.code = code


async def ask(service: str, call: Any, request: Any, *, seconds: float) -> Any:
    """The answer of one unary call (a stub's method); Away when nobody answered, grpc.aio.AioRpcError when refused."""
    try:
        return await call(request, timeout=seconds)
    except grpc.aio.AioRpcError as error:
        if error.code() in UNANSWERED:
            raise Away(service, error.code()) from None
        raise
