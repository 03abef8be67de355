"""Two processes of each engine, killed at random while many courses run through: the end is that of the pure steps."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from engines_on_kafka import ENGINES, Engines, course, eventually, read, standing
from kafka import KafkaProducer
from sqlalchemy import func, select

from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import read_timeline
from refrain.contracts.events import LabReport, PatientId
from refrain.contracts.topics import ALERTS, CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES, Topic
from refrain.runtime.database import open_database
from refrain.runtime.tables import HOLES, OUTBOX

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

DOCUMENT = json.loads((Path(__file__).parents[1] / "story" / "case-report.json").read_text())
COURSES = int(os.environ.get("REFRAIN_KILL_COURSES", "6"))
STOPS = int(os.environ.get("REFRAIN_KILLS", "4"))
PER_SECOND = 30


def courses(run_id: str) -> dict[PatientId, tuple[list[Any], Pipeline]]:
    """The case report's facts under several numbers, with what the pure steps make of them."""
    timeline = read_timeline(DOCUMENT)
    facts = (*timeline.standing, *(fact for moment in timeline.moments for fact in moment.facts))
    made = {}
    for number in range(COURSES):
        patient = PatientId(authority="TESTWARD", type="MR", id=f"K{run_id}-{number}")
        own = [fact.model_copy(update={"patient": patient}).identified() for fact in facts]
        expected = Pipeline(timeline.site)
        expected.add(own)
        made[patient] = own, expected
    return made


def in_ledger(engines: Engines, service: str, table: Any, *conditions: Any) -> int:
    engine = open_database(f"sqlite:///{engines.folder}/{service}.db", service)
    with engine.connect() as sql:
        count = sql.scalar(select(func.count()).select_from(table).where(*conditions))
    engine.dispose()
    return count


def by_patient(kafka: str, topic: Topic) -> dict[PatientId, list[Any]]:
    found: dict[PatientId, list[Any]] = {}
    for record in read(kafka, topic.name):
        event = topic.decode(record.value)
        found.setdefault(event.patient, []).append(event)
    return found


async def feed(kafka: str, facts: list[Any]) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)
    started = time.monotonic()
    for number, fact in enumerate(facts):
        topic = LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS
        producer.send(topic.name, key=fact.patient.key.encode(), value=topic.encode(fact))
        if (ahead := number / PER_SECOND - (time.monotonic() - started)) > 0.02:
            await asyncio.sleep(ahead)
    await asyncio.to_thread(producer.flush)
    producer.close()


async def test_courses_end_where_the_pure_steps_end_whatever_is_killed(
    kafka: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engines, chance = Engines(kafka, tmp_path), random.Random(4)
    told = courses(engines.run_id)
    sent = [fact for facts, _ in told.values() for fact in (*facts, *facts[::7])]
    chance.shuffle(sent)
    stopped = []
    try:
        engines.migrate()
        for process in (f"{service}-{number}" for service in ENGINES for number in (1, 2)):
            engines.start(process)
        await asyncio.to_thread(eventually, lambda: len(list(tmp_path.glob("*-[12].json"))) == 6)
        feeding = asyncio.create_task(feed(kafka, sent))
        for _ in range(STOPS):
            await asyncio.sleep(len(sent) / PER_SECOND / STOPS * chance.uniform(0.5, 1))
            how = chance.choice([signal.SIGKILL, signal.SIGTERM])
            stopped.append((chance.choice(sorted(engines.processes)), how.name))
            await asyncio.to_thread(engines.stop_one, stopped[-1][0], how)
        await feeding

        def settled() -> bool:
            snapshots, alerts = by_patient(kafka, RESPONSES), by_patient(kafka, ALERTS)
            for patient, (_, expected) in told.items():
                own = snapshots.get(patient)
                if not own or course(own) != course([expected.assessed]):
                    return False
                if standing(alerts.get(patient, [])) != standing(expected.alerts):
                    return False
            return all(not in_ledger(engines, name, OUTBOX, OUTBOX.c.sent.is_(False)) for name in ENGINES)

        await asyncio.to_thread(eventually, settled, 120)
    finally:
        engines.kill()
    contents: dict[Any, set[bytes]] = {}
    records = 0
    for topic in (FLAGGED_REPORTS, RESPONSES, ALERTS):
        for record in read(kafka, topic.name):
            event = topic.decode(record.value)
            if event.patient in told:
                contents.setdefault(event.event_id, set()).add(record.value)
                records += 1
    with capsys.disabled():
        print(
            f"\nchain: {len(sent)} facts of {COURSES} courses, {len(stopped)} stops {stopped}, "
            f"outputs {records}, repeated {records - len(contents)}"
        )
    assert [event_id for event_id, found in contents.items() if len(found) > 1] == []
    assert [in_ledger(engines, name, HOLES) for name in ENGINES] == [0, 0, 0]
