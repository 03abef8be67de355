"""The same property over real Kafka: drawn stories, permuted, repeated and split, end where in-order delivery ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from drawn_stories import a_delivery, a_timeline, facts_of, run
from engines_on_kafka import ENGINES, Engines, course, events, eventually, standing
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import KafkaProducer

from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import TimelineFact
from refrain.contracts.events import LabReport, PatientId
from refrain.contracts.topics import ALERTS, CARE_EVENTS, LAB_REPORTS, RESPONSES

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PATIENTS = 8
"""Stories of one example: they go through the engines together."""


@pytest.fixture(scope="module")
def engines(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    running = Engines(kafka, tmp_path_factory.mktemp("orders"))
    try:
        running.migrate()
        for service in ENGINES:
            running.start(f"{service}-1")
        yield running
        assert running.stop() == [0, 0, 0]
    finally:
        running.kill()


def of_patient(facts: Sequence[TimelineFact], patient: PatientId) -> list[TimelineFact]:
    return [fact.model_copy(update={"patient": patient}).identified() for fact in facts]


def send(engines: Engines, patient: PatientId, delivery: Sequence[Sequence[TimelineFact]]) -> None:
    """Each group of a delivery is on Kafka before the next one is sent."""
    producer = KafkaProducer(bootstrap_servers=engines.kafka, acks="all")
    for group in delivery:
        for fact in group:
            topic = LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS
            producer.send(topic.name, key=patient.key.encode(), value=topic.encode(fact))
        producer.flush()
    producer.close()


def ended_like(engines: Engines, patient: PatientId, expected: Pipeline) -> bool:
    assert expected.assessed is not None
    assessments = events(engines.kafka, RESPONSES, patient)
    return (
        bool(assessments)
        and course(assessments) == course([expected.assessed])
        and standing(events(engines.kafka, ALERTS, patient)) == standing(expected.alerts)
    )


@settings(max_examples=3)
@given(st.data())
def test_drawn_stories_in_every_order_over_kafka(engines: Engines, data: st.DataObject) -> None:
    expected: dict[PatientId, Pipeline] = {}
    for _ in range(PATIENTS):
        facts = facts_of(data.draw(a_timeline()))
        delivery = data.draw(a_delivery(facts))
        patient = PatientId(authority="TESTWARD", type="MR", id=uuid4().hex)
        expected[patient] = run([[fact] for fact in of_patient(facts, patient)])
        send(engines, patient, [of_patient(group, patient) for group in delivery])
    for patient, pipeline in expected.items():
        eventually(lambda patient=patient, pipeline=pipeline: ended_like(engines, patient, pipeline))
