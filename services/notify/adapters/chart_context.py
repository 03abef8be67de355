"""Asks chart what it knows about an alert, and goes without it when chart does not answer at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

import grpc

from refrain.api.chart.v1 import chart_pb2
from refrain.runtime.grpc_clients import Away, ask
from services.notify.domain.words import Context

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 0.5
"""system.md 4: a message is not kept waiting for its context."""
AT_MOST = 20
"""Alerts of one message that are asked for."""

Counted = Callable[[str], None]


class Contexts(Protocol):
    """Where the dispatcher gets contexts from. Never raises, never takes long."""

    async def of(self, alerts: Collection[UUID]) -> Mapping[UUID, Context]: ...


class NoContexts:
    """Where there is no chart."""

    async def of(self, alerts: Collection[UUID]) -> Mapping[UUID, Context]:  # noqa: ARG002 - there are none
        return {}


class ChartContexts:
    """chart over gRPC. ``stub`` is a ChartServiceStub; ``counted`` is told answered, unknown or away, per alert."""

    def __init__(self, stub: Any, counted: Counted, seconds: float = DEADLINE_SECONDS) -> None:
        self._stub = stub
        self._counted = counted
        self._seconds = seconds

    async def of(self, alerts: Collection[UUID]) -> Mapping[UUID, Context]:
        """What chart knows about each; all of them are asked at the same time, and those it does not know left out."""
        wanted = list(alerts)[:AT_MOST]
        found = await asyncio.gather(*(self._one(alert) for alert in wanted))
        return {alert: context for alert, context in zip(wanted, found, strict=True) if context is not None}

    async def _one(self, alert: UUID) -> Context | None:
        request = chart_pb2.GetAlertContextRequest(alert_id=str(alert))
        try:
            answer = await ask("chart", self._stub.GetAlertContext, request, seconds=self._seconds)
        except Away as away:
            self._counted("away")
            log.info("a message goes without its course", extra={"record": str(alert), "reason": away.code.name})
            return None
        except grpc.aio.AioRpcError as error:
            self._counted("unknown")
            log.info("a message goes without its course", extra={"record": str(alert), "reason": error.code().name})
            return None
        self._counted("answered")
        return Context(answer.path, tuple(answer.course), answer.previous)
