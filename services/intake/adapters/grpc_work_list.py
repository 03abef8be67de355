"""The calls of IntakeService about what could not be used: look, resolve, reopen, drive again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import grpc
from sqlalchemy.exc import SQLAlchemyError

from refrain.api.intake.v1 import intake_pb2, intake_pb2_grpc
from services.intake import metrics
from services.intake.adapters.grpc_answers import SQL_AWAY, in_sql, refuse, seconds_left, timestamp, who, words
from services.intake.adapters.publisher import NotStored
from services.intake.adapters.raw_messages import Away, Gone
from services.intake.adapters.redrive import Redriven, Redriver, Refused
from services.intake.adapters.tables import Act
from services.intake.adapters.work_list import PAGE_LIMIT, Item, State, WorkList
from services.intake.domain.reasons import REASONS
from services.intake.domain.resolutions import RESOLUTIONS

PAGE_SIZE = 100
STATES: Mapping[str, State] = {"": "open", "open": "open", "resolved": "resolved", "all": "all"}
NO_ENTRY = "the work list has no entry of this id"
GONE = "Kafka no longer has the bytes of this message: its record expired, or the log is another one"
KAFKA_AWAY = "Kafka did not answer in time; nothing was changed, try again"


class WorkListCalls(intake_pb2_grpc.IntakeServiceServicer):
    """A person's work on the list. What they may do was decided by who asks for them."""

    _work_list: WorkList
    _redriver: Redriver
    _now: Callable[[], datetime]

    async def ListQuarantine(
        self, request: intake_pb2.ListQuarantineRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ListQuarantineResponse:
        size = min(request.page_size or PAGE_SIZE, PAGE_LIMIT)
        state: State | None = STATES.get(request.state)
        if size < 0:
            await refuse(context, [("page_size", "negative")])
        if state is None:
            await refuse(context, [("state", f"one of: {', '.join(filter(None, STATES))}")])
        page = partial(
            self._work_list.page, sender=request.sender, reason=request.reason, state=state, limit=size + 1,
            before=request.page_token,
        )  # fmt: skip
        try:
            items = await in_sql(context, page)
        except KeyError:
            await refuse(context, [("page_token", "unknown")])
        following = items[size - 1].event_id if len(items) > size else ""
        return intake_pb2.ListQuarantineResponse(items=[_item(one) for one in items[:size]], next_page_token=following)

    async def GetQuarantined(
        self, request: intake_pb2.GetQuarantinedRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.GetQuarantinedResponse:
        try:
            item = await in_sql(context, self._work_list.get, request.event_id)
            answer = intake_pb2.GetQuarantinedResponse(item=_item(item), resolution_reasons=_reasons())
            if not request.without_raw and item.raw_kept is not False:
                answer.raw = await self._redriver.raw(item, seconds_left(context))
        except (KeyError, Gone, Away) as problem:
            await _explain(context, problem)
        return answer

    async def Resolve(
        self, request: intake_pb2.ResolveRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ResolveResponse:
        chosen = RESOLUTIONS.get(request.reason)
        wrong = [*who(request.actor, request.request_id)]
        if chosen is None:
            wrong.append(("reason", f"one of: {', '.join(RESOLUTIONS)}"))
        wrong += words("comment", request.comment, required=chosen is not None and chosen.comment_required)
        if wrong:
            await refuse(context, wrong)
        act = Act(request.actor, self._now(), request.request_id)
        try:
            item, by = await in_sql(
                context, self._work_list.resolve, request.event_id, act, request.reason, request.comment
            )
        except KeyError as problem:
            await _explain(context, problem)
        if by == "now":
            metrics.RESOLVED.labels(request.reason).inc()
        return intake_pb2.ResolveResponse(item=_item(item), accepted=by != "another")

    async def Reopen(
        self, request: intake_pb2.ReopenRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.ReopenResponse:
        wrong = [*who(request.actor, request.request_id), *words("comment", request.comment, required=True)]
        if wrong:
            await refuse(context, wrong)
        act = Act(request.actor, self._now(), request.request_id)
        try:
            item = await in_sql(context, self._work_list.reopen, request.event_id, act, request.comment)
        except KeyError as problem:
            await _explain(context, problem)
        return intake_pb2.ReopenResponse(item=_item(item))

    async def Redrive(
        self, request: intake_pb2.RedriveRequest, context: grpc.aio.ServicerContext
    ) -> intake_pb2.RedriveResponse:
        if wrong := [*who(request.actor, request.request_id)]:
            await refuse(context, wrong)
        act = Act(request.actor, self._now(), request.request_id)
        try:
            became = await self._to_its_end(self._redriver.redrive(request.event_id, act, seconds_left(context)))
        except (KeyError, Refused, Gone, Away, NotStored, SQLAlchemyError) as problem:
            await _explain(context, problem)
        reason = became.translation.reason or ""
        return intake_pb2.RedriveResponse(
            outcome=became.translation.outcome,
            reason=reason,
            meaning=REASONS[reason].text if reason else "",
            reports=len(became.translation.reports),
            item=_item(became.item),
            still_open=[_item(one) for one in became.still_open],
        )

    async def _to_its_end(self, driving: Coroutine[Any, Any, Redriven]) -> Redriven:
        """A caller who gives up must not leave the list behind what Kafka has."""
        task = asyncio.ensure_future(driving)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear of it
        return await asyncio.shield(task)


async def _explain(context: grpc.aio.ServicerContext, problem: Exception) -> NoReturn:
    """Ends the call with the status and the sentence of what went wrong."""
    match problem:
        case KeyError():
            await context.abort(grpc.StatusCode.NOT_FOUND, NO_ENTRY)
        case Gone():
            await context.abort(grpc.StatusCode.NOT_FOUND, GONE)
        case Refused():
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        case SQLAlchemyError():
            await context.abort(grpc.StatusCode.UNAVAILABLE, SQL_AWAY)
    await context.abort(grpc.StatusCode.UNAVAILABLE, KAFKA_AWAY)
    raise AssertionError("abort returned")


def _reasons() -> list[intake_pb2.ResolutionReason]:
    return [
        intake_pb2.ResolutionReason(code=code, text=one.text, comment_required=one.comment_required)
        for code, one in RESOLUTIONS.items()
    ]


def _item(one: Item) -> Any:
    known = REASONS.get(one.reason)
    item = intake_pb2.QuarantinedItem(
        event_id=one.event_id, recorded_at=timestamp(one.recorded_at), sender=one.sender, listener=one.listener,
        reason=one.reason, place=one.place, whole_message=one.whole_message, hash=one.hash, size=one.size,
        state="open" if one.open else "resolved", resolved_by=one.resolved_by, resolution=one.resolution,
        comment=one.comment, meaning=known.text if known else "", advice=known.advice if known else "",
    )  # fmt: skip
    if one.resolved_at is not None:
        item.resolved_at.CopyFrom(timestamp(one.resolved_at))
    return item
