"""``IntakeService``: care events by hand, how the feeds stand, and the work list. Errors name fields, never values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from sqlalchemy.exc import SQLAlchemyError

from refrain.api.intake.v1 import intake_pb2, intake_pb2_grpc
from refrain.contracts.events import CareEvent
from services.intake.adapters.care_requests import NotValid, Violation, care_event
from services.intake.adapters.memory import PAGE_LIMIT, Item, Memory
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.standing import FeedStanding

NAME = "refrain.api.intake.v1.IntakeService"
PAGE_SIZE = 100


class IntakeApi(intake_pb2_grpc.IntakeServiceServicer):
    """Answers from what the process knows; ``record`` returns when Kafka has the event, or raises NotStored."""

    def __init__(
        self,
        record: Callable[[CareEvent], Awaitable[bool]],
        standing: Callable[[], tuple[Sequence[FeedStanding], bool, int]],
        memory: Memory,
        now: Callable[[], datetime],
    ) -> None:
        self._record = record
        self._standing = standing
        self._memory = memory
        self._now = now

    async def RecordCareEvent(
        self, request: intake_pb2.RecordCareEventRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.RecordCareEventResponse:
        try:
            event = care_event(request, self._now())
            if not await self._record(event):
                raise NotValid([("body", "too large")])
        except NotValid as problem:
            await _refuse(context, problem.violations)
        except NotStored:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Kafka did not take it; nothing is promised, try again")
        return intake_pb2.RecordCareEventResponse(event_id=str(event.event_id), key=event.key)

    async def FeedStatus(
        self,
        request: intake_pb2.FeedStatusRequest,  # noqa: ARG002 - the signature of the RPC
        context: grpc.aio.ServicerContext,  # noqa: ARG002
    ) -> intake_pb2.FeedStatusResponse:
        feeds, storing, connections = self._standing()
        return intake_pb2.FeedStatusResponse(
            feeds=[_feed(one) for one in feeds], storing=storing, connections=connections
        )

    async def ListQuarantine(
        self, request: intake_pb2.ListQuarantineRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ListQuarantineResponse:
        size = min(request.page_size or PAGE_SIZE, PAGE_LIMIT)
        if size < 0:
            await _refuse(context, [("page_size", "negative")])
        try:
            items = await asyncio.to_thread(
                self._memory.unusable,
                sender=request.sender,
                reason=request.reason,
                limit=size + 1,
                before=request.page_token,
            )
        except KeyError:
            await _refuse(context, [("page_token", "unknown")])
        except SQLAlchemyError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the work list cannot be read at present")
        following = items[size - 1].event_id if len(items) > size else ""
        return intake_pb2.ListQuarantineResponse(items=[_item(one) for one in items[:size]], next_page_token=following)


async def _refuse(context: grpc.aio.ServicerContext, violations: Sequence[Violation]) -> None:
    """Ends the call with INVALID_ARGUMENT and the fields at fault as rich details."""
    violation = error_details_pb2.BadRequest.FieldViolation
    detail = any_pb2.Any()
    detail.Pack(
        error_details_pb2.BadRequest(field_violations=[violation(field=f, description=text) for f, text in violations])
    )
    text = f"cannot be recorded: {'; '.join(f'{field}: {text}' for field, text in violations)}"
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=text, details=[detail])
    await context.abort_with_status(rpc_status.to_status(status))


def _feed(one: FeedStanding) -> Any:
    feed = intake_pb2.Feed(
        sender=one.sender, profile_hash=one.profile_hash, outcomes=one.outcomes, warnings=one.warnings
    )
    if one.last_message_at is not None:
        feed.last_message_at.CopyFrom(_timestamp(one.last_message_at))
    return feed


def _item(one: Item) -> Any:
    return intake_pb2.QuarantinedItem(
        event_id=one.event_id,
        recorded_at=_timestamp(one.recorded_at),
        sender=one.sender,
        listener=one.listener,
        reason=one.reason,
        place=one.place,
        whole_message=one.whole_message,
        hash=one.hash,
        size=one.size,
    )


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
