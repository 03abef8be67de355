"""``IntakeService``: care events by hand, feeds, the work list, codes. Errors name fields, never values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import grpc

from refrain.api.intake.v1 import intake_pb2
from refrain.contracts.events import CareEvent
from services.intake.adapters.care_requests import NotValid, care_event
from services.intake.adapters.code_keeper import CodeKeeper
from services.intake.adapters.grpc_answers import refuse, timestamp
from services.intake.adapters.grpc_codes import CodeCalls
from services.intake.adapters.grpc_work_list import WorkListCalls
from services.intake.adapters.memory import Memory
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.redrive import Redriver
from services.intake.adapters.standing import FeedStanding
from services.intake.domain.profile import Profile

NAME = "refrain.api.intake.v1.IntakeService"


class Door(Protocol):
    """What the calls need of :class:`services.intake.app.Intake`."""

    async def record(self, event: CareEvent) -> bool: ...
    def written(self, sender: str) -> Profile | None: ...
    def reading(self, sender: str) -> Profile | None: ...


class IntakeApi(WorkListCalls, CodeCalls):
    """Answers from what the process knows. What it records is on Kafka or in SQL when it answers, or the call fails."""

    def __init__(
        self,
        door: Door,
        standing: Callable[[], tuple[Sequence[FeedStanding], bool, int]],
        memory: Memory,
        redriver: Redriver,
        keeper: CodeKeeper,
        now: Callable[[], datetime],
    ) -> None:
        self._door = door
        self._standing = standing
        self._work_list = memory.work_list
        self._unmapped = memory.unmapped
        self._code_maps = memory.code_maps
        self._written = door.written
        self._reading = door.reading
        self._redriver = redriver
        self._keeper = keeper
        self._now = now

    async def RecordCareEvent(
        self, request: intake_pb2.RecordCareEventRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.RecordCareEventResponse:
        try:
            event = care_event(request, self._now())
            if not await self._door.record(event):
                raise NotValid([("body", "too large")])
        except NotValid as problem:
            await refuse(context, problem.violations)
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


def _feed(one: FeedStanding) -> Any:
    feed = intake_pb2.Feed(
        sender=one.sender, profile_hash=one.profile_hash, outcomes=one.outcomes, warnings=one.warnings
    )
    if one.last_message_at is not None:
        feed.last_message_at.CopyFrom(timestamp(one.last_message_at))
    return feed
