"""A grpc.aio server as every service runs it: health, reflection, deadlines, and errors without patient data."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LONGEST_SECONDS = 30.0
"""A call without a deadline gets this one."""
GRACE_SECONDS = 1.0
"""How long running calls may take after a stop (docs/decisions/0001)."""
MESSAGE_BYTES = 32 * 1024 * 1024
"""A whole course travels in one request."""


class InvalidRequest(ValueError):
    """A request that says something impossible. ``field`` and ``problem`` go to the caller: no patient data in them."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field
        self.problem = problem


class Unknown(LookupError):
    """What was asked for is not here. The text goes to the caller."""


class Impossible(Exception):
    """A change that the present state does not allow: FAILED_PRECONDITION with an ErrorInfo.

    ``reason`` is one of a closed list in capitals, ``domain`` the service; no patient data in ``metadata`` or the text.
    """

    def __init__(self, sentence: str, reason: str, domain: str, metadata: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=dict(metadata))


@dataclass(frozen=True, slots=True)
class Tls:
    """Mutual TLS: PEM files of the server's certificate and key, and of the authority that clients come from."""

    certificate: Path
    key: Path
    client_authority: Path

    def credentials(self) -> grpc.ServerCredentials:
        pair = self.key.read_bytes(), self.certificate.read_bytes()
        return grpc.ssl_server_credentials([pair], self.client_authority.read_bytes(), require_client_auth=True)


class GrpcServer:
    """Serves some servicers until stopped. Build it inside the running loop.

    ``servicers`` pairs the generated ``add_…Servicer_to_server`` with the servicer; ``names`` are the full names of
    the gRPC services, for health and reflection.
    """

    def __init__(
        self,
        servicers: Sequence[tuple[Callable[[Any, grpc.aio.Server], None], Any]],
        names: Sequence[str],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self._server = grpc.aio.server(
            interceptors=(_Guard(),),
            options=[
                ("grpc.max_receive_message_length", MESSAGE_BYTES),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        for add, servicer in servicers:
            add(servicer, self._server)
        self._names = (*names, "")
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        if tls is None and not is_this_machine(address):
            log.warning("gRPC is open to other machines without mutual TLS: whoever reaches it is believed")
        target = f"{address}:{port}"
        self.port: int = (
            self._server.add_secure_port(target, tls.credentials()) if tls else self._server.add_insecure_port(target)
        )
        """The bound port, also when 0 was asked for."""

    async def start(self) -> None:
        await self._server.start()
        await self.healthy(True)

    async def healthy(self, serving: bool) -> None:
        """Tell health checks whether this process does its work."""
        state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._health.set(name, state)

    async def stop(self) -> None:
        """Say so to health checks, let running calls finish for a moment, then end."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(GRACE_SECONDS)


def is_this_machine(address: str) -> bool:
    """Whether nobody else reaches what listens there."""
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


async def in_thread(context: grpc.aio.ServicerContext, work: Callable[..., Result], *arguments: Any) -> Result:
    """Run blocking work of one call, no longer than its deadline allows the caller to wait.

    The work itself is not interrupted; its result is dropped.
    """
    remaining = context.time_remaining()
    limit = LONGEST_SECONDS if remaining is None else min(remaining, LONGEST_SECONDS)
    return await asyncio.wait_for(asyncio.to_thread(work, *arguments), limit)


class _Guard(grpc.aio.ServerInterceptor):
    """Turns exceptions of calls into statuses that say what is wrong without quoting a patient."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            return handler
        coding = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(_guarded(handler.unary_unary, details.method), **coding)
        if handler.unary_stream is not None and inspect.isasyncgenfunction(handler.unary_stream):
            return grpc.unary_stream_rpc_method_handler(_guarded_stream(handler.unary_stream, details.method), **coding)
        return handler


def _guarded(inner: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await inner(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the process; the text stays inside
            await context.abort_with_status(rpc_status.to_status(_status(error, method)))

    return guarded


def _guarded_stream(inner: Callable[..., AsyncIterator[Any]], method: str) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            async for answer in inner(request, context):
                yield answer
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the process; the text stays inside
            await context.abort_with_status(rpc_status.to_status(_status(error, method)))

    return guarded


def _status(error: Exception, method: str) -> status_pb2.Status:
    match error:
        case InvalidRequest():
            return _invalid([(error.field, error.problem)])
        case ValidationError():
            return _invalid([(".".join(map(str, e["loc"])), e["type"]) for e in error.errors(include_input=False)])
        case Unknown():
            return status_pb2.Status(code=code_pb2.NOT_FOUND, message=str(error))
        case Impossible():
            detail = any_pb2.Any()
            detail.Pack(error.info)
            return status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=str(error), details=[detail])
        case TimeoutError():
            return status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message="not ready within the deadline")
        case SQLAlchemyError():
            log.error("the database did not answer a call", extra={"method": method, "reason": type(error).__name__})
            return status_pb2.Status(code=code_pb2.UNAVAILABLE, message="the database does not answer at present")
    log.error("a call failed", extra={"method": method, "reason": type(error).__name__})
    return status_pb2.Status(code=code_pb2.INTERNAL, message=f"internal error ({type(error).__name__})")


def _invalid(violations: Sequence[tuple[str, str]]) -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=problem)
                for field, problem in violations
            ]
        )
    )
    return status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="the request is not valid", details=[detail])
