"""Other services over real gRPC: their answer, or a sentence in time; never a stuck page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import grpc
import pytest
import trustme
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.testclient import TestClient

from refrain.api.notify.v1 import alerts_pb2, alerts_pb2_grpc
from refrain.runtime.grpc_clients import Away, ClientTls
from refrain.runtime.grpc_server import GrpcServer, Tls
from services.chart.adapters.web import clients
from services.chart.adapters.web.clients import Clients, actor, answered
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.render import render
from services.chart.adapters.web.roles import Person, Role, may

NAME = "refrain.api.notify.v1.AlertService"
ASK = alerts_pb2.ListPeopleRequest()


class Notify(alerts_pb2_grpc.AlertServiceServicer):  # type: ignore[misc, unused-ignore]
    """Answers with one person, after a while when told so."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds

    async def ListPeople(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        await asyncio.sleep(self.seconds)
        return alerts_pb2.ListPeopleResponse(people=[alerts_pb2.Person(id="m.lee", name="Mo Lee")])

    async def Acknowledge(self, request: Any, context: Any) -> Any:  # noqa: ARG002
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "somebody was faster")


Serve = Callable[..., Awaitable[GrpcServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a notify."""
    started: list[GrpcServer] = []

    async def start(notify: Notify, **options: Any) -> GrpcServer:
        add = alerts_pb2_grpc.add_AlertServiceServicer_to_server
        server = GrpcServer([(add, notify)], [NAME], **options)
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()


async def test_an_answer_is_the_answer(serve: Serve) -> None:
    server = await serve(Notify())
    asked = Clients({"notify": f"127.0.0.1:{server.port}"})
    answer = await answered(asked.notify.ListPeople(ASK))
    assert [person.id for person in answer.value.people] == ["m.lee"]
    assert answer.away == ""
    await asked.close()


async def test_a_service_that_is_slow_is_away_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "DEADLINE_SECONDS", 0.2)
    server = await serve(Notify(seconds=30))
    asked = Clients({"notify": f"127.0.0.1:{server.port}"})
    answer = await asyncio.wait_for(answered(asked.notify.ListPeople(ASK)), 10)
    assert answer.value is None
    assert "notify does not answer" in answer.away
    await asked.close()


@pytest.mark.parametrize("address", ["127.0.0.1:9", ""])
async def test_one_that_is_not_there_is_away(address: str) -> None:
    asked = Clients({"notify": address})
    answer = await asyncio.wait_for(answered(asked.notify.ListPeople(ASK)), 10)
    assert "Answering alerts is not possible at present" in answer.away
    await asked.close()


async def test_a_refusal_is_not_taken_for_silence(serve: Serve) -> None:
    server = await serve(Notify())
    asked = Clients({"notify": f"127.0.0.1:{server.port}"})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answered(asked.notify.Acknowledge(alerts_pb2.AcknowledgeRequest()))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await asked.close()


async def test_one_that_comes_back_answers_again(serve: Serve) -> None:
    first = await serve(Notify())
    asked = Clients({"notify": f"127.0.0.1:{first.port}"})
    assert (await answered(asked.notify.ListPeople(ASK))).value is not None
    await first.stop()
    assert (await answered(asked.notify.ListPeople(ASK))).value is None
    await serve(Notify(), port=first.port)
    for _ in range(300):
        answer = await answered(asked.notify.ListPeople(ASK))
        if answer.value is not None:
            break
        await asyncio.sleep(0.1)  # the channel tries again by itself
    assert answer.value is not None
    await asked.close()


async def test_with_mutual_tls_both_sides_show_who_they_are(serve: Serve, tmp_path: Any) -> None:
    authority, ours = trustme.CA(), tmp_path / "ours"
    ours.mkdir()
    files = {name: ours / f"{name}.pem" for name in ("certificate", "key", "authority")}
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    authority.cert_pem.write_to_path(files["authority"])
    server = await serve(Notify(), tls=Tls(files["certificate"], files["key"], files["authority"]))
    address = {"notify": f"localhost:{server.port}"}
    known = Clients(address, ClientTls(files["certificate"], files["key"], files["authority"]))
    assert (await answered(known.notify.ListPeople(ASK))).value is not None
    unknown = Clients(address)
    assert (await answered(unknown.notify.ListPeople(ASK))).value is None
    await known.close()
    await unknown.close()


def test_intake_has_the_time_that_kafka_needs() -> None:
    assert clients.LONGER["RecordCareEvent"] > 20 > clients.DEADLINE_SECONDS


def test_a_change_says_who_asked_for_it() -> None:
    asked = actor(Person("m.lee", "Mo Lee", Role.CLINICIAN, "console"))
    assert (asked.id, asked.role, asked.via) == ("m.lee", "clinician", "console")


# --- on a page ---


def pages() -> APIRouter:
    router = APIRouter()

    @router.get("/people")
    async def people(request: Request, _: Annotated[Person, Depends(may("see"))]) -> Response:
        console: Console = request.app.state.console
        answer = await answered(console.clients.notify.ListPeople(ASK))
        return render(request, "_away.html", away=answer.away)

    @router.get("/unprepared")
    async def unprepared(request: Request, _: Annotated[Person, Depends(may("see"))]) -> str:
        await request.app.state.console.clients.intake.FeedStatus(None)
        raise Away("never", grpc.StatusCode.UNKNOWN)

    return router


@pytest.mark.parametrize(("path", "status"), [("/people", 200), ("/unprepared", 503)])
def test_on_a_page_it_is_a_sentence(client_as: Callable[..., TestClient], path: str, status: int) -> None:
    answer = client_as("viewer", routers=[pages()]).get(path)
    assert answer.status_code == status
    assert "does not answer" in answer.text
