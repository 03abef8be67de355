"""The other services, asked over gRPC: a deadline on every call, and a sentence for the page when nobody answers.

people = await answered(console.clients.notify.ListPeople(ListPeopleRequest()))
if people.value is None: … {% include "_away.html" %} shows people.away
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from refrain.api.events.v1 import people_pb2
from refrain.api.flagging.v1 import flagging_pb2_grpc
from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.api.relapse.v1 import relapse_pb2_grpc
from refrain.api.response.v1 import response_pb2_grpc
from refrain.runtime.grpc_clients import Away, ClientTls, ask, open_channel
from services.chart import metrics
from services.chart.adapters.web.roles import Person

Result = TypeVar("Result")

DEADLINE_SECONDS = 2.0
"""A page waits no longer for another service."""
KAFKA_SECONDS = 25.0
"""Intake answers when Kafka has it, and holds on for 20 s (answers.md 21)."""
LOG_SECONDS = 5.0
"""Reading one record back from Kafka."""
LONGER = {"RecordCareEvent": KAFKA_SECONDS, "Redrive": KAFKA_SECONDS, "GetQuarantined": LOG_SECONDS}

WHAT_FOR = {
    "notify": "Answering alerts",
    "intake": "Looking at the feed, or recording care events,",
    "flagging": "Explaining a flag",
    "response": "Explaining a call",
    "relapse": "Explaining an alert",
}
"""What a person cannot do while a service is away."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """What a service said, or a sentence that says why there is nothing."""

    value: Result | None
    away: str = ""


async def answered(call: Awaitable[Result]) -> Answer[Result]:
    """The answer, or a sentence when nobody answered in time. grpc.aio.AioRpcError when the question was refused."""
    try:
        return Answer(await call)
    except Away as away:
        return Answer(None, sentence(away))


def sentence(away: Away) -> str:
    """For the page."""
    what = WHAT_FOR.get(away.service, "This part")
    return (
        f"{what} is not possible at present: {away.service} does not answer. The rest of the page is as it should be."
    )


class Service:
    """One service's methods by name: ``await service.ListAlerts(request)``; Away when nobody answers in time."""

    def __init__(self, name: str, address: str, stub: Callable[[Any], Any], tls: ClientTls | None) -> None:
        self._name = name
        self._address = address
        self._make = stub
        self._tls = tls
        self._open: tuple[asyncio.AbstractEventLoop, grpc.aio.Channel, Any] | None = None

    def __getattr__(self, method: str) -> Callable[[Any], Awaitable[Any]]:
        if method.startswith("_"):
            raise AttributeError(method)

        async def call(request: Any) -> Any:
            seconds = LONGER.get(method, DEADLINE_SECONDS)
            try:
                return await ask(self._name, getattr(self.stub, method), request, seconds=seconds)
            except Away:
                metrics.UNANSWERED.labels(self._name).inc()
                raise

        return call

    @property
    def stub(self) -> Any:
        """The generated stub, for streams; its channel belongs to the running loop. Away when no address is set."""
        if not self._address:
            raise Away(self._name, grpc.StatusCode.UNAVAILABLE)
        loop = asyncio.get_running_loop()
        if self._open is None or self._open[0] is not loop:
            channel = open_channel(self._address, self._tls)
            self._open = loop, channel, self._make(channel)
        return self._open[2]

    async def close(self) -> None:
        """Ends calls that run."""
        opened, self._open = self._open, None
        if opened is not None and opened[0] is asyncio.get_running_loop():
            await opened[1].close()


class Clients:
    """The five services that the console asks. ``addresses``: ``host:port`` by name; an empty one is away."""

    def __init__(self, addresses: Mapping[str, str], tls: ClientTls | None = None) -> None:
        def service(name: str, stub: Callable[[Any], Any]) -> Service:
            return Service(name, addresses.get(name, ""), stub, tls)

        self.notify = service("notify", alerts_pb2_grpc.AlertServiceStub)
        self.intake = service("intake", intake_pb2_grpc.IntakeServiceStub)
        self.flagging = service("flagging", flagging_pb2_grpc.FlaggingServiceStub)
        self.response = service("response", response_pb2_grpc.ResponseServiceStub)
        self.relapse = service("relapse", relapse_pb2_grpc.RelapseServiceStub)

    async def close(self) -> None:
        for service in (self.notify, self.intake, self.flagging, self.response, self.relapse):
            await service.close()


def actor(person: Person) -> people_pb2.Actor:
    """Who asks, as notify writes it down."""
    return people_pb2.Actor(id=person.id, role=person.role, via=person.via)
