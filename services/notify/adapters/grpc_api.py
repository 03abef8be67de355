"""``AlertService``: alerts as people work on them. What it changes is in the database when it answers, or it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime
from typing import Any

import grpc

from refrain.api.notify.v1 import alerts_pb2, alerts_pb2_grpc
from refrain.runtime.grpc_server import Impossible, InvalidRequest, Unknown, in_thread
from services.notify import metrics
from services.notify.adapters import grpc_requests as asked
from services.notify.adapters.answers import AnotherRequest, Answer, Answers, UnknownAlert
from services.notify.adapters.deliveries import ChannelState
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.grpc_messages import (
    action_message,
    alert_message,
    channel_messages,
    people_messages,
)
from services.notify.adapters.queries import Place, Queries
from services.notify.adapters.store import Store
from services.notify.domain.life import IsPast, Refused
from services.notify.domain.thread import Thread

NAME = "refrain.api.notify.v1.AlertService"
DOMAIN = "refrain.notify"
LOOK_SECONDS = 0.5
"""How often a watcher looks for changes, those of other replicas too."""
CHANGES_AT_ONCE = 500

SENTENCES = {
    "ALREADY_ACKNOWLEDGED": "somebody else has taken this alert on already",
    "ENDED": "this alert was closed or retracted; there is nothing left to answer",
    "NOT_CRITICAL": "only critical alerts (P1) are read back",
    "ALREADY_READ_BACK": "this alert was read back already",
    "TOO_LONG": "an alert of this tier may not be silenced for so long",
    "NOT_LIVE": "this alert comes from a test or training system and waits for nobody",
}
"""By reason of a refusal, what a person is told."""

Dead = Callable[[Collection[ChannelState]], Collection[str]]
"""Which channels do not take messages."""


class AlertApi(alerts_pb2_grpc.AlertServiceServicer):
    """Reads and answers of one store. ``dead`` tells which channels are given up at present."""

    def __init__(self, store: Store, answers: Answers, dead: Dead, now: Callable[[], datetime]) -> None:
        self._store = store
        self._queries = Queries(store)
        self._deliveries = DeliveryLog(store)
        self._answers = answers
        self._dead = dead
        self._now = now

    async def ListAlerts(
        self, request: alerts_pb2.ListAlertsRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.ListAlertsResponse:
        wanted, size, after = asked.wanted(request)
        newest = await in_thread(context, self._queries.newest_change)
        found = await in_thread(context, self._queries.alerts, wanted, size + 1, after)
        shown, more = found[:size], len(found) > size
        return alerts_pb2.ListAlertsResponse(
            alerts=[alert_message(thread) for thread in shown],
            next_page_token=Place.of(shown[-1]).token() if more else "",
            cursor=asked.cursor(newest, self._store.cluster),
        )

    async def GetAlert(
        self, request: alerts_pb2.GetAlertRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.GetAlertResponse:
        alert = asked.alert_id(request.alert_id)
        thread = await in_thread(context, self._queries.thread, alert)
        if thread is None:
            raise Unknown("there is no such alert")
        actions = await in_thread(context, self._queries.actions, alert)
        return alerts_pb2.GetAlertResponse(
            alert=alert_message(thread), actions=[action_message(action) for action in actions]
        )

    async def Acknowledge(
        self, request: alerts_pb2.AcknowledgeRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.AcknowledgeResponse:
        thread = await self._answer(request, context, asked.acknowledge(request, self._now()))
        return alerts_pb2.AcknowledgeResponse(alert=alert_message(thread))

    async def RecordReadBack(
        self, request: alerts_pb2.RecordReadBackRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.RecordReadBackResponse:
        thread = await self._answer(request, context, asked.read_back(request, self._now()))
        return alerts_pb2.RecordReadBackResponse(alert=alert_message(thread))

    async def Snooze(
        self, request: alerts_pb2.SnoozeRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.SnoozeResponse:
        thread = await self._answer(request, context, asked.snooze(request, self._now()))
        return alerts_pb2.SnoozeResponse(alert=alert_message(thread))

    async def Reassign(
        self, request: alerts_pb2.ReassignRequest, context: grpc.aio.ServicerContext
    ) -> alerts_pb2.ReassignResponse:
        thread = await self._answer(request, context, asked.reassign(request, self._now()))
        return alerts_pb2.ReassignResponse(alert=alert_message(thread))

    async def WatchAlerts(
        self,
        request: alerts_pb2.WatchAlertsRequest,
        context: grpc.aio.ServicerContext,  # noqa: ARG002 - the stream ends with its caller
    ) -> AsyncIterator[alerts_pb2.WatchAlertsResponse]:
        tiers = asked.tiers(request.tiers)
        after = asked.cursor_after(request.after, self._store.cluster)
        if after is None:
            after = await asyncio.to_thread(self._queries.newest_change)
        while True:
            changes = await asyncio.to_thread(self._queries.changes, after, tiers, CHANGES_AT_ONCE)
            for after, thread in changes:
                yield alerts_pb2.WatchAlertsResponse(
                    alert=alert_message(thread), cursor=asked.cursor(after, self._store.cluster)
                )
            if not changes:
                await asyncio.sleep(LOOK_SECONDS)

    async def ListPeople(
        self,
        request: alerts_pb2.ListPeopleRequest,  # noqa: ARG002 - the signature of the RPC
        context: grpc.aio.ServicerContext,  # noqa: ARG002
    ) -> alerts_pb2.ListPeopleResponse:
        return alerts_pb2.ListPeopleResponse(people=people_messages(self._store.roster, self._now()))

    async def ListChannels(
        self,
        request: alerts_pb2.ListChannelsRequest,  # noqa: ARG002 - the signature of the RPC
        context: grpc.aio.ServicerContext,
    ) -> alerts_pb2.ListChannelsResponse:
        states = await in_thread(context, self._deliveries.channels)
        unsent = await in_thread(context, self._queries.unsent)
        messages = channel_messages(self._store.roster.channels, states, self._dead(states), unsent)
        return alerts_pb2.ListChannelsResponse(channels=messages)

    async def _answer(self, request: Any, context: grpc.aio.ServicerContext, answer: Answer) -> Thread:
        alert, key = asked.alert_id(request.alert_id), asked.request_id(request.request_id)
        try:
            return await in_thread(context, self._answers.give, key, asked.hash_of(request), alert, answer)
        except UnknownAlert:
            raise Unknown("there is no such alert") from None
        except AnotherRequest:
            raise InvalidRequest("request_id", "was used before, for something else") from None
        except IsPast:
            raise InvalidRequest("until", "a time that is still to come") from None
        except Refused as refusal:
            metrics.REFUSED.labels(refusal.reason).inc()
            raise _refused(refusal) from None


def _refused(refusal: Refused) -> Exception:
    if refusal.reason == "NOT_ON_ROSTER":
        return InvalidRequest("to", "nobody of the roster to whom alerts of this tier may be told")
    about = {"by": refusal.by, "at": refusal.at.isoformat() if refusal.at else ""}
    return Impossible(SENTENCES[refusal.reason], refusal.reason, DOMAIN, {k: v for k, v in about.items() if v})
