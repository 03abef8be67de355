"""ChartService over a real gRPC server: what notify and others ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from drawn_stories import CASE
from records import Feed, acknowledged, records_of
from sqlalchemy import Engine

from refrain.api.chart.v1 import chart_pb2, chart_pb2_grpc
from refrain.api.events.v1 import people_pb2
from refrain.contracts.events import AlertRaised, ResponseAssessed
from refrain.contracts.ids import derive
from refrain.contracts.topics import RESPONSES
from refrain.runtime.database import open_database
from refrain.runtime.grpc_server import GrpcServer
from services.chart.adapters.grpc_api import NAME, ChartApi
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel

RECORDS = records_of(CASE)
WHO = people_pb2.PatientId(
    authority=RECORDS[0].patient.authority, type=RECORDS[0].patient.type, id=RECORDS[0].patient.id
)
NOBODY = people_pb2.PatientId(authority="NORTH", type="MR", id="PLANTED-4711")
SECONDS = 20.0


@pytest.fixture
def feed(projection: Projection) -> Feed:
    feed = Feed(projection.take)
    feed(RECORDS)
    return feed


@pytest.fixture
async def stub(feed: Feed, engine: Engine) -> AsyncIterator[Any]:  # noqa: ARG001 - filled first
    server = GrpcServer(
        [(chart_pb2_grpc.add_ChartServiceServicer_to_server, ChartApi(ReadModel(engine)))], [NAME]
    )  # fmt: skip
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield chart_pb2_grpc.ChartServiceStub(channel)
    await server.stop()


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert "PLANTED" not in str(caught.value), "no patient in an error"
    return caught.value


async def test_patients_are_found_page_by_page(stub: Any, feed: Feed) -> None:
    for number in ("0007", "0008"):
        feed(records_of(CASE | {"subject": CASE["subject"] | {"id": number}})[:60])
    first = await stub.SearchPatients(chart_pb2.SearchPatientsRequest(page_size=2), timeout=SECONDS)
    rest = await stub.SearchPatients(
        chart_pb2.SearchPatientsRequest(page_size=2, page_token=first.next_page_token), timeout=SECONDS
    )  # fmt: skip
    assert len(first.patients) == 2
    assert rest.next_page_token == ""
    everybody = [*first.patients, *rest.patients]
    assert {one.patient.id for one in everybody} == {"0007", "0008", WHO.id}
    assert everybody[0].newest_fact_at.ToDatetime() >= everybody[-1].newest_fact_at.ToDatetime()
    case = next(one for one in everybody if one.patient.id == WHO.id)
    assert case.chart_id == str(derive("patient", RECORDS[0].patient.key))
    assert case.results > 20
    assert case.waiting_alerts > 0
    found = await stub.SearchPatients(chart_pb2.SearchPatientsRequest(query="0008"), timeout=SECONDS)
    assert [one.patient.id for one in found.patients] == ["0008"]
    error = await refused(stub.SearchPatients(chart_pb2.SearchPatientsRequest(page_token="PLANTED"), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = await refused(stub.SearchPatients(chart_pb2.SearchPatientsRequest(page_size=-1), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_course_comes_with_the_moments_before_it(stub: Any) -> None:
    answer = await stub.GetCourse(chart_pb2.GetCourseRequest(patient=WHO), timeout=SECONDS)
    newest = max((one for one in RECORDS if isinstance(one, ResponseAssessed)), key=lambda one: one.revision)
    assert RESPONSES.decode(answer.assessment.json) == newest
    assert answer.assessment.topic == RESPONSES.name
    revisions = [moment.revision for moment in answer.moments]
    assert revisions == sorted(revisions)
    assert answer.moments[-1].calls["1 VEGF"] == "CRV confirmed"
    error = await refused(stub.GetCourse(chart_pb2.GetCourseRequest(patient=NOBODY), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    error = await refused(stub.GetCourse(chart_pb2.GetCourseRequest(), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_series_come_oldest_first(stub: Any) -> None:
    answer = await stub.GetSeries(chart_pb2.GetSeriesRequest(patient=WHO, analyte="VEGF"), timeout=SECONDS)
    assert answer.series
    for one in answer.series:
        assert one.analyte == "VEGF"
        times = [result.collected_at.ToDatetime() for result in one.results]
        assert times == sorted(times)
    assert sum(len(one.results) for one in answer.series) == 3
    nothing = await stub.GetSeries(chart_pb2.GetSeriesRequest(patient=WHO, analyte="NOPE"), timeout=SECONDS)
    assert not nothing.series
    error = await refused(stub.GetSeries(chart_pb2.GetSeriesRequest(patient=NOBODY, analyte="VEGF"), timeout=SECONDS))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_the_context_of_an_alert_has_the_course_and_no_identifier(stub: Any) -> None:
    alert = next(one for one in RECORDS if isinstance(one, AlertRaised) and one.kind == "RESPONSE_UPGRADE")
    request = chart_pb2.GetAlertContextRequest(alert_id=str(alert.alert))
    answer = await stub.GetAlertContext(request, timeout=SECONDS)
    assert answer.path == f"/alerts/{alert.alert}"
    assert answer.course[0].startswith("Therapy line 1")
    assert any(sentence.startswith("VEGF: ") for sentence in answer.course)
    assert "pg/mL" in answer.previous, "the VEGF before the newest one"
    assert WHO.id not in str(answer)
    for wrong, code in (("PLANTED", "INVALID_ARGUMENT"), (str(derive("alert", "x")), "NOT_FOUND")):
        error = await refused(
            stub.GetAlertContext(chart_pb2.GetAlertContextRequest(alert_id=wrong), timeout=SECONDS)
        )  # fmt: skip
        assert error.code() == grpc.StatusCode[code]


async def test_a_watcher_hears_of_its_patient_only_and_from_now_on(stub: Any, feed: Feed) -> None:
    call = stub.WatchPatient(chart_pb2.WatchPatientRequest(patient=WHO))
    await asyncio.wait_for(call.initial_metadata(), SECONDS)
    heard = asyncio.create_task(call.read())
    await asyncio.sleep(1.0)
    assert not heard.done(), "what was before is not told"
    alert = next(one for one in RECORDS if isinstance(one, AlertRaised))
    other = records_of(CASE | {"subject": CASE["subject"] | {"id": "0008"}})[:1]
    await asyncio.to_thread(feed, other)
    told = acknowledged(alert, 9)
    await asyncio.to_thread(feed, [told])
    answer = await asyncio.wait_for(heard, SECONDS)
    assert (answer.what, answer.event_id) == ("action", str(told.event_id))
    call.cancel()


async def test_a_database_that_is_away_is_unavailable(tmp_path: Any) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/never-migrated.db", "chart")
    server = GrpcServer([(chart_pb2_grpc.add_ChartServiceServicer_to_server, ChartApi(ReadModel(engine)))], [NAME])
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = chart_pb2_grpc.ChartServiceStub(channel)
        error = await refused(stub.GetCourse(chart_pb2.GetCourseRequest(patient=NOBODY), timeout=SECONDS))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.WatchPatient(chart_pb2.WatchPatientRequest(patient=NOBODY), timeout=SECONDS):
                pass
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    await server.stop()
    engine.dispose()
