"""The three engines as processes on real Kafka: from lab reports to alerts, questions over gRPC, dead letters."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from engines_on_kafka import ENGINES, Engines, course, events, eventually, read, standing
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from kafka import KafkaProducer

from refrain.api.events.v1 import events_pb2
from refrain.api.flagging.v1 import flagging_pb2, flagging_pb2_grpc
from refrain.api.relapse.v1 import relapse_pb2, relapse_pb2_grpc
from refrain.api.response.v1 import response_pb2, response_pb2_grpc
from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import read_timeline
from refrain.contracts.events import LabReport, PatientId
from refrain.contracts.topics import ALERTS, CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

DOCUMENT = json.loads((Path(__file__).parents[1] / "story" / "case-report.json").read_text())
SECRET = "Planted-Name-4711"
NOBODYS = UUID(int=4711)


@pytest.fixture(scope="module")
def engines(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    running = Engines(kafka, tmp_path_factory.mktemp("engines"))
    try:
        running.migrate()
        for service in ENGINES:
            running.start(f"{service}-1")
        yield running
        assert running.stop() == [0, 0, 0]
    finally:
        running.kill()


@dataclass(frozen=True)
class Told:
    """A course that went through the engines, beside what the pure steps make of the same facts."""

    patient: PatientId
    facts: tuple
    expected: Pipeline


@pytest.fixture(scope="module")
def told(engines: Engines) -> Told:
    """The case report's patient under another number, shuffled, each third fact twice."""
    timeline = read_timeline(DOCUMENT)
    patient = PatientId(authority="TESTWARD", type="MR", id=f"E{engines.run_id}")
    facts = [
        fact.model_copy(update={"patient": patient}).identified()
        for fact in (*timeline.standing, *(fact for moment in timeline.moments for fact in moment.facts))
    ]
    expected = Pipeline(timeline.site)
    expected.add(facts)
    sent = [*facts, *facts[::3]]
    random.Random(7).shuffle(sent)
    producer = KafkaProducer(bootstrap_servers=engines.kafka, acks="all")
    for fact in sent:
        topic = LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS
        producer.send(topic.name, key=patient.key.encode(), value=topic.encode(fact))
    producer.flush()
    producer.close()
    return Told(patient, tuple(facts), expected)


def test_the_stream_ends_where_the_pure_steps_end(engines: Engines, told: Told) -> None:
    assert told.expected.assessed is not None
    expected_alerts, expected_course = standing(told.expected.alerts), course([told.expected.assessed])
    assert expected_alerts

    def arrived() -> bool:
        assessments = events(engines.kafka, RESPONSES, told.patient)
        return bool(
            assessments
            and course(assessments) == expected_course
            and standing(events(engines.kafka, ALERTS, told.patient)) == expected_alerts
        )

    eventually(arrived)


def test_no_event_is_told_twice_and_no_id_has_two_contents(engines: Engines, told: Told) -> None:
    for topic in (FLAGGED_REPORTS, RESPONSES, ALERTS):
        values = [record.value for record in read(engines.kafka, topic.name, told.patient.key.encode())]
        ids = [topic.decode(value).event_id for value in values]
        assert len(ids) == len(set(ids)) > 0


def test_flagging_flags_a_report_from_the_request_alone(engines: Engines, told: Told) -> None:
    report = next(fact for fact in told.facts if isinstance(fact, LabReport))
    request = flagging_pb2.FlagReportRequest(
        report=events_pb2.Event(topic=LAB_REPORTS.name, json=LAB_REPORTS.encode(report))
    )
    with engines.channel("flagging") as channel:
        answer = flagging_pb2_grpc.FlaggingServiceStub(channel).FlagReport(request, timeout=20)
    assert {flag.result_id for flag in answer.flags} == {str(one.result) for one in report.observations}
    assert FLAGGED_REPORTS.decode(answer.events[0].json).report == report.event_id


def test_response_and_relapse_answer_as_the_stream_did(engines: Engines, told: Told) -> None:
    flagged = [
        events_pb2.Event(topic=FLAGGED_REPORTS.name, json=FLAGGED_REPORTS.encode(view))
        for view in told.expected.flagged.values()
    ]
    care = [
        events_pb2.Event(topic=CARE_EVENTS.name, json=CARE_EVENTS.encode(event))
        for event in told.expected.care_events.values()
    ]
    request = response_pb2.AssessCourseRequest(flagged_reports=flagged, care_events=care)
    with engines.channel("response") as channel:
        assessed = response_pb2_grpc.ResponseServiceStub(channel).AssessCourse(request, timeout=20)
    assert course([RESPONSES.decode(assessed.assessment.json)]) == course([told.expected.assessed])
    assert {(call.line, call.axis) for call in assessed.calls} >= {(1, "VEGF"), (1, "HEMATOLOGIC")}
    course_request = relapse_pb2.EvaluateCourseRequest(assessment=assessed.assessment, care_events=care)
    with engines.channel("relapse") as channel:
        evaluated = relapse_pb2_grpc.RelapseServiceStub(channel).EvaluateCourse(course_request, timeout=20)
    open_kinds = {kind for _, kind, _, _ in standing(told.expected.alerts) if not kind.startswith(("DQ", "CRIT"))}
    assert open_kinds <= {alert.kind for alert in evaluated.alerts}


def test_an_alert_explains_itself_by_its_id(engines: Engines, told: Told) -> None:
    eventually(lambda: standing(events(engines.kafka, ALERTS, told.patient)) == standing(told.expected.alerts))
    relapse_kinds = {alert.kind for alert in told.expected.alerts if not alert.kind.startswith(("DQ", "CRIT"))}
    alert, kind, _, text = next(one for one in standing(told.expected.alerts) if one[1] in relapse_kinds)
    with engines.channel("relapse") as channel:
        found = relapse_pb2_grpc.RelapseServiceStub(channel).Explain(relapse_pb2.ExplainRequest(id=alert), timeout=20)
    [shown] = [one for one in found.alerts if one.alert_id == alert]
    assert (shown.kind, shown.text) == (kind, text)
    assert found.issued


def test_a_result_explains_itself_by_its_id(engines: Engines, told: Told) -> None:
    eventually(lambda: len(events(engines.kafka, RESPONSES, told.patient)))
    result = str(next(fact for fact in told.facts if isinstance(fact, LabReport)).observations[0].result)
    with engines.channel("flagging") as channel:
        stub = flagging_pb2_grpc.FlaggingServiceStub(channel)
        found = stub.Explain(flagging_pb2.ExplainRequest(id=result), timeout=20)
    assert [flag.result_id for flag in found.flags] == [result]
    assert {event.topic for event in found.facts} >= {LAB_REPORTS.name}
    with engines.channel("response") as channel:
        response_stub = response_pb2_grpc.ResponseServiceStub(channel)
        assert response_stub.Explain(response_pb2.ExplainRequest(id=result), timeout=20).facts


@pytest.mark.parametrize(("asked", "code"), [("nonsense", "INVALID_ARGUMENT"), (str(NOBODYS), "NOT_FOUND")])
def test_an_id_that_is_none_or_unknown_is_refused(engines: Engines, asked: str, code: str) -> None:
    with engines.channel("relapse") as channel, pytest.raises(grpc.RpcError) as refused:
        relapse_pb2_grpc.RelapseServiceStub(channel).Explain(relapse_pb2.ExplainRequest(id=asked), timeout=20)
    assert refused.value.code().name == code


def test_an_invalid_request_names_the_field_and_not_the_patient(engines: Engines) -> None:
    broken = json.dumps({"fact": "lab_report", "patient": {"authority": SECRET, "type": "MR", "id": 5}}).encode()
    request = flagging_pb2.FlagReportRequest(report=events_pb2.Event(topic=LAB_REPORTS.name, json=broken))
    with engines.channel("flagging") as channel, pytest.raises(grpc.RpcError) as refused:
        flagging_pb2_grpc.FlaggingServiceStub(channel).FlagReport(request, timeout=20)
    status = rpc_status.from_call(refused.value)
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert [violation.field for violation in detail.field_violations] == ["report.json"]
    assert SECRET not in str(status)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("service", "full_name"), [(name, f"refrain.api.{name}.v1.{name.capitalize()}Service") for name in ENGINES]
)
def test_every_engine_serves_health_and_reflection(engines: Engines, service: str, full_name: str) -> None:
    with engines.channel(service) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=full_name), timeout=20)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=20)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert full_name in {found.name for found in answer.list_services_response.service}


def test_every_engine_lists_what_it_knows(engines: Engines) -> None:
    with engines.channel("flagging") as channel:
        stub = flagging_pb2_grpc.FlaggingServiceStub(channel)
        analytes = stub.ListAnalytes(flagging_pb2.ListAnalytesRequest(), timeout=20).analytes
    with engines.channel("response") as channel:
        rule_sets = response_pb2_grpc.ResponseServiceStub(channel).ListRuleSets(
            response_pb2.ListRuleSetsRequest(), timeout=20
        ).rule_sets  # fmt: skip
    with engines.channel("relapse") as channel:
        rules = relapse_pb2_grpc.RelapseServiceStub(channel).ListRules(relapse_pb2.ListRulesRequest(), timeout=20).rules
    assert {"VEGF", "IGG"} <= {entry.code for entry in analytes}
    assert "poems" in {rule_set.id for rule_set in rule_sets}
    assert "POEMS-V-PDV" in {rule.id for rule in rules}


def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on(engines: Engines, told: Told) -> None:
    patient = PatientId(authority="TESTWARD", type="MR", id=f"D{engines.run_id}")
    key = patient.key.encode()
    report = next(fact for fact in told.facts if isinstance(fact, LabReport))
    good = report.model_copy(update={"patient": patient}).identified()
    broken = json.dumps({"fact": "lab_report", "patient": SECRET}).encode()
    producer = KafkaProducer(bootstrap_servers=engines.kafka, acks="all")
    place = producer.send(LAB_REPORTS.name, key=key, value=broken).get(10)
    producer.send(LAB_REPORTS.name, key=key, value=LAB_REPORTS.encode(good)).get(10)
    producer.close()
    [view, *_] = eventually(lambda: events(engines.kafka, FLAGGED_REPORTS, patient))
    assert view.report == good.event_id
    [letter] = [
        record
        for record in eventually(lambda: read(engines.kafka, LAB_REPORTS.dead_letters("flagging"), key))
        if dict(record.headers)["id"].endswith(f"-{place.partition}-{place.offset}".encode())
    ]
    assert letter.value == broken
    assert dict(letter.headers)["cause"] == b"ValidationError"
    assert SECRET not in (engines.folder / "flagging.log").read_text()


def test_metrics_show_the_work_and_no_patient(engines: Engines, told: Told) -> None:
    eventually(lambda: events(engines.kafka, ALERTS, told.patient))
    shown = engines.http("flagging", "/metrics")
    assert 'refrain_flagging_reports_total{outcome="new",topic="lab-reports.v1"}' in shown
    assert 'refrain_flagging_offset_holes_total{topic="lab-reports.v1"} 0.0' in shown
    assert told.patient.id not in shown
    assert engines.http("flagging", "/live").startswith("making progress")
    with pytest.raises(urllib.error.HTTPError):
        engines.http("flagging", "/elsewhere")


def test_a_worker_refuses_a_ledger_of_another_revision(kafka: str, tmp_path: Path) -> None:
    lonely = Engines(kafka, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "services.relapse"], env=lonely.environment("relapse"), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 74
    assert "run `python -m services.relapse migrate`" in done.stderr


def test_a_worker_refuses_settings_that_it_does_not_know(kafka: str, tmp_path: Path) -> None:
    lonely = Engines(kafka, tmp_path)
    site = tmp_path / "site.yaml"
    site.write_text("igg_safety_lov: 4\n")
    done = subprocess.run(
        [sys.executable, "-m", "services.flagging"], capture_output=True, text=True, check=False, timeout=60,
        env=lonely.environment("flagging") | {"FLAGGING_SITE_FILE": str(site)},
    )  # fmt: skip
    assert done.returncode == 78
    assert "igg_safety_lov" in done.stderr
