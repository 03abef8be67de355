"""What the calls of IntakeService share: refusals that name fields and never values, and times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from sqlalchemy.exc import SQLAlchemyError

from refrain.runtime.grpc_server import LONGEST_SECONDS
from services.intake.adapters.care_requests import Violation
from services.intake.domain.resolutions import COMMENT_CHARACTERS

ID_CHARACTERS = 200
"""Longest actor and request id (our choice)."""
SQL_AWAY = "the database of intake cannot be used at present; nothing was changed, try again"

Result = TypeVar("Result")


async def refuse(context: grpc.aio.ServicerContext, violations: Sequence[Violation]) -> NoReturn:
    """Ends the call with INVALID_ARGUMENT and the fields at fault as rich details."""
    violation = error_details_pb2.BadRequest.FieldViolation
    detail = any_pb2.Any()
    detail.Pack(
        error_details_pb2.BadRequest(field_violations=[violation(field=f, description=text) for f, text in violations])
    )
    text = f"the request is not valid: {'; '.join(f'{field}: {text}' for field, text in violations)}"
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=text, details=[detail])
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returned")


async def in_sql(context: grpc.aio.ServicerContext, work: Callable[..., Result], *arguments: Any) -> Result:
    """Runs blocking work on the database; the call ends with UNAVAILABLE when that is away."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except SQLAlchemyError:
        await context.abort(grpc.StatusCode.UNAVAILABLE, SQL_AWAY)
        raise


def seconds_left(context: grpc.aio.ServicerContext) -> float:
    """Until the caller's deadline; a call without one has the server's own limit."""
    left = context.time_remaining()
    return LONGEST_SECONDS if left is None else min(left, LONGEST_SECONDS)


def who(actor: str, request_id: str) -> Iterator[Violation]:
    """What is wrong with who acts and with the request's own id."""
    if not actor.strip():
        yield "actor", "required"
    for name, text in (("actor", actor), ("request_id", request_id)):
        if len(text) > ID_CHARACTERS or not text.isprintable():
            yield name, f"at most {ID_CHARACTERS} printable characters"


def words(field: str, text: str, *, required: bool) -> Iterator[Violation]:
    """What is wrong with what a person wrote."""
    if required and not text.strip():
        yield field, "required"
    if len(text) > COMMENT_CHARACTERS or "\x00" in text:
        yield field, f"at most {COMMENT_CHARACTERS} characters of text"


def timestamp(moment: datetime) -> Timestamp:
    """As the API carries it."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made
