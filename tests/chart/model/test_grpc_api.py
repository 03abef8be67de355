"""ChartService over a real gRPC server: what notify and others ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from drawn_stories import CASE
from records import Feed, acknowledged, records_of
from sqlalchemy import Engine

from refrain.api.chart.v1 import chart_pb2, chart_pb2_grpc
from refrain.api.events.v1 import people_pb2
from refrain.contracts.events import AlertRaised, ResponseAssessed
from refrain.contracts.fhir_names import chart_id_of
from refrain.contracts.ids import derive
from refrain.contracts.topics import RESPONSES
from refrain.runtime.database import open_database
from refrain.runtime.grpc_server import GrpcServer, Tls
from services.chart import metrics
from services.chart.adapters.grpc_api import NAME, ChartApi
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.accounts import LOOKS
from services.chart.adapters.web.audit import Audit

RECORDS = records_of(CASE)
WHO = people_pb2.PatientId(
    authority=RECORDS[0].patient.authority, type=RECORDS[0].patient.type, id=RECORDS[0].patient.id
)
NOBODY = people_pb2.PatientId(authority="NORTH", type="MR", id="PLANTED-4711")
SECONDS = 20.0
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALERT = next(one for one in RECORDS if isinstance(one, AlertRaised))


@pytest.fixture
def feed(projection: Projection) -> Feed:
    feed = Feed(projection.take)
    feed(RECORDS)
    return feed


@pytest.fixture
async def stub(feed: Feed, engine: Engine) -> AsyncIterator[Any]:  # noqa: ARG001 - filled first
    server = served(engine)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield chart_pb2_grpc.ChartServiceStub(channel)
    await server.stop()


def served(engine: Engine, tls: Tls | None = None) -> GrpcServer:
    api = ChartApi(ReadModel(engine), Audit(engine), lambda: NOW)
    return GrpcServer([(chart_pb2_grpc.add_ChartServiceServicer_to_server, api)], [NAME], tls=tls)


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


CALLS: dict[str, Callable[[Any], Any]] = {
    "search": lambda stub: stub.SearchPatients(chart_pb2.SearchPatientsRequest(), timeout=SECONDS),
    "course": lambda stub: stub.GetCourse(chart_pb2.GetCourseRequest(patient=WHO), timeout=SECONDS),
    "series": lambda stub: stub.GetSeries(chart_pb2.GetSeriesRequest(patient=WHO, analyte="VEGF"), timeout=SECONDS),
    "alert context": lambda stub: stub.GetAlertContext(
        chart_pb2.GetAlertContextRequest(alert_id=str(ALERT.alert)), timeout=SECONDS
    ),
}


@pytest.mark.parametrize("what", CALLS)
async def test_every_look_at_a_patient_is_written_down(stub: Any, engine: Engine, what: str) -> None:
    await CALLS[what](stub)
    audit = Audit(engine)
    await eventually(audit.looks)
    [look] = audit.looks()
    assert (look.patient, look.what, look.at) == (str(chart_id_of(RECORDS[0].patient.key)), f"grpc {what}", NOW)
    assert look.person.startswith("grpc:ipv4:127.0.0.1")
    assert WHO.id not in f"{look.what}{look.subject}"


async def test_a_watch_is_written_down_and_so_is_a_question_for_nobody(stub: Any, engine: Engine) -> None:
    call = stub.WatchPatient(chart_pb2.WatchPatientRequest(patient=WHO))
    await asyncio.wait_for(call.initial_metadata(), SECONDS)
    call.cancel()
    await refused(stub.GetCourse(chart_pb2.GetCourseRequest(patient=NOBODY), timeout=SECONDS))
    told = [(look.what, look.patient) for look in Audit(engine).looks()]
    assert told == [("grpc course", None), ("grpc watch", str(chart_id_of(RECORDS[0].patient.key)))]


@pytest.mark.parametrize("what", sorted(CALLS.keys() - {"alert context"}))
async def test_what_cannot_be_written_down_is_not_shown(stub: Any, engine: Engine, what: str) -> None:
    LOOKS.drop(engine)
    error = await refused(CALLS[what](stub))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "nothing is shown" in (error.details() or "")


async def test_an_alert_is_worded_although_its_look_cannot_be_written_down(stub: Any, engine: Engine) -> None:
    """Nobody is kept from hearing of it; whom it was told to is an action of its own."""
    failed = metrics.LOOKS.labels("failed")._value.get
    before = failed()
    LOOKS.drop(engine)
    answer = await CALLS["alert context"](stub)
    assert answer.course
    await eventually(lambda: failed() > before)


@pytest.mark.parametrize(("name", "said"), [("notify.internal", "notify.internal"), ("", "notify.example")])
async def test_a_caller_is_who_its_certificate_names(
    feed: Feed, engine: Engine, tmp_path: Path, name: str, said: str
) -> None:  # fmt: skip
    authority = trustme.CA()
    own, client = authority.issue_cert("localhost"), authority.issue_cert("notify.example", common_name=name or None)
    paths = [tmp_path / part for part in ("certificate", "key", "authority")]
    for path, blob in zip(paths, (own.cert_chain_pems[0], own.private_key_pem, authority.cert_pem), strict=True):
        blob.write_to_path(path)
    server = served(engine, Tls(*paths))
    await server.start()
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    )
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        await CALLS["course"](chart_pb2_grpc.ChartServiceStub(channel))
    await server.stop()
    assert [look.person for look in Audit(engine).looks()] == [f"grpc:{said}"]
    assert feed.at, "there was somebody to look at"


async def eventually(look: Callable[[], object]) -> None:
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.mark.parametrize("what", CALLS)
async def test_a_part_is_not_passed_off_as_the_whole(stub: Any, projection: Projection, what: str) -> None:
    """An alert without its course, or a patient who is not there, would be believed."""
    projection.empty("again", {("lab-reports.v1", 0): 5})
    error = await refused(CALLS[what](stub))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "rebuilt" in (error.details() or "")


async def test_a_page_is_never_larger_than_its_limit(stub: Any, monkeypatch: pytest.MonkeyPatch, feed: Feed) -> None:
    monkeypatch.setattr("services.chart.adapters.grpc_api.PAGE_LIMIT", 1)
    feed(records_of(CASE | {"subject": CASE["subject"] | {"id": "0007"}})[:1])
    answer = await stub.SearchPatients(chart_pb2.SearchPatientsRequest(page_size=2**31 - 1), timeout=SECONDS)
    assert len(answer.patients) == 1
    assert answer.next_page_token


async def test_a_database_that_is_away_is_unavailable(tmp_path: Any) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/never-migrated.db", "chart")
    server = served(engine)
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
