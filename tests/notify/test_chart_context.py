"""What chart knows about an alert, asked over real gRPC, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc
import pytest

from refrain.api.chart.v1 import chart_pb2, chart_pb2_grpc
from refrain.runtime.grpc_clients import open_channel
from services.notify.adapters.chart_context import AT_MOST, ChartContexts, NoContexts
from services.notify.domain.words import Context
from tests.notify.servers import free_port
from tests.notify.telling import an_id

KNOWN, UNKNOWN, SLOW = an_id("known"), an_id("unknown"), an_id("slow")


class Chart(chart_pb2_grpc.ChartServiceServicer):  # type: ignore[misc]
    """Knows one alert, and takes its time for another."""

    def __init__(self) -> None:
        self.asked = 0

    async def GetAlertContext(self, request: Any, context: Any) -> Any:
        self.asked += 1
        match UUID(request.alert_id):
            case alert if alert == SLOW:
                await asyncio.sleep(60)
            case alert if alert == UNKNOWN:
                await context.abort(grpc.StatusCode.NOT_FOUND, "no alert of patient 7700415")
        return chart_pb2.GetAlertContextResponse(
            path="/alerts/known", course=["Line 1: CRV confirmed."], previous="240 pg/mL"
        )


@asynccontextmanager
async def asking(seconds: float = 20.0) -> AsyncIterator[tuple[ChartContexts, Chart, list[str]]]:
    """Contexts from a server of this process, with a deadline that a busy machine keeps."""
    server, chart, counted = grpc.aio.server(), Chart(), list[str]()
    chart_pb2_grpc.add_ChartServiceServicer_to_server(chart, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = open_channel(f"127.0.0.1:{port}")
    try:
        yield ChartContexts(chart_pb2_grpc.ChartServiceStub(channel), counted.append, seconds), chart, counted
    finally:
        await channel.close()
        await server.stop(None)


async def test_what_chart_knows() -> None:
    async with asking() as (contexts, _, counted):
        found = await contexts.of([KNOWN])
    assert found == {KNOWN: Context("/alerts/known", ("Line 1: CRV confirmed.",), "240 pg/mL")}
    assert counted == ["answered"]


async def test_one_that_chart_does_not_know_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking() as (contexts, _, counted):
        assert list(await contexts.of([UNKNOWN, KNOWN])) == [KNOWN]
    assert sorted(counted) == ["answered", "unknown"]
    assert "7700415" not in caplog.text


async def test_one_that_takes_too_long_is_not_waited_for() -> None:
    async with asking(seconds=0.1) as (contexts, chart, counted):
        assert await contexts.of([SLOW]) == {}
        assert chart.asked == 1
    assert counted == ["away"]


async def test_without_chart_it_goes_without() -> None:
    channel, counted = open_channel(f"127.0.0.1:{free_port()}"), list[str]()
    contexts = ChartContexts(chart_pb2_grpc.ChartServiceStub(channel), counted.append)
    assert await contexts.of([KNOWN]) == {}
    assert counted == ["away"]
    assert await NoContexts().of([KNOWN]) == {}
    await channel.close()


async def test_of_a_long_digest_only_the_first_are_asked_for() -> None:
    async with asking() as (contexts, chart, _):
        await contexts.of([an_id(number) for number in range(AT_MOST + 5)])
        assert chart.asked == AT_MOST
