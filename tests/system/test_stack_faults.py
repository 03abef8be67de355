"""The whole stack under faults: two workers of each engine and intake are stopped at random while a feed runs, and
Kafka is restarted once. Afterwards nothing is lost, nothing was told with two contents, and every patient stands where
the pure steps alone would have put them.

The size comes from the environment (``REFRAIN_FAULT_REPORTS``, ``_PATIENTS``, ``_STOPS``): ``make test-faults`` runs it
long, and prints the figures.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import select

from refrain.cli import questions
from refrain.cli.demo.outcome import fold_alerts
from refrain.cli.demo.replay import wait_for_engines
from refrain.cli.home import Home
from refrain.cli.mllp import MllpClient, Unanswered
from refrain.cli.pipeline import Pipeline
from refrain.cli.programs import ENGINES
from refrain.cli.stack import Stack
from refrain.contracts.events import Alert, CareEvent, Event, LineStarted, PatientId
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import (
    ALERTS,
    CARE_EVENTS,
    FLAGGED_REPORTS,
    LAB_REPORTS,
    RESPONSES,
    TOPICS,
    Topic,
    inputs_of,
)
from refrain.runtime.database import open_database
from refrain.runtime.facts import subject_of
from refrain.runtime.tables import FACTS, HOLES, OUTBOX

REPORTS = int(os.environ.get("REFRAIN_FAULT_REPORTS", "2000"))
PATIENTS = int(os.environ.get("REFRAIN_FAULT_PATIENTS", "100"))
STOPS = int(os.environ.get("REFRAIN_FAULT_STOPS", "4"))
SENDERS = 4
PATIENCE_SECONDS = 900.0
RESEND_SECONDS = 0.3
DAY_ONE = datetime(2024, 1, 1, 8, tzinfo=UTC)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3000)]


def patient(number: int) -> PatientId:
    return PatientId(authority="CASE-LAB", type="MR", id=f"invented-{number:05}")


def line_of(number: int) -> CareEvent:
    return CareEvent(
        patient=patient(number), occurred_at=DAY_ONE, recorded_at=DAY_ONE, key="line 1",
        body=LineStarted(line=1, start=date(2024, 1, 3), rule_set="poems"),
    )  # fmt: skip


@dataclass(frozen=True)
class Message:
    control_id: str
    content: bytes


def the_feed() -> list[list[Message]]:
    """By sender, the messages in order: a series for each patient, now and then a correction or a repeated body."""
    chance = random.Random(20240103)
    senders: list[list[Message]] = [[] for _ in range(SENDERS)]
    for number in range(REPORTS):
        who, draw = number % PATIENTS, number // PATIENTS
        corrects = draw > 0 and chance.random() < 0.08
        order = draw - 1 if corrects else draw
        vegf = chance.choice([30, 60, 120, 200, 400, 900]) + chance.randint(0, 9)
        message = a_message(number, who, order, vegf, "C" if corrects else "F")
        senders[who % SENDERS].append(message)
        if chance.random() < 0.03:
            senders[who % SENDERS].append(message)
    return senders


def a_message(number: int, who: int, order: int, vegf: int, status: str) -> Message:
    drawn = DAY_ONE + timedelta(days=21 * order)
    issued = drawn + timedelta(hours=6 if status == "F" else 30)
    filler = f"{who}-{order}"
    lines = [
        rf"MSH|^~\&|CASE-LIS|CASE-LAB|REFRAIN||{issued:%Y%m%d%H%M%S}+0000||ORU^R01^ORU_R01|M{number}|P|2.5.1",
        f"PID|1||{patient(who).id}^^^CASE-LAB^MR||INVENTED^NAME||19700101|F",
        f"OBR|1||{filler}^CASE-LIS|PANEL^Panel^L|||{drawn:%Y%m%d%H%M%S}+0000|||||||||||||||"
        f"{issued:%Y%m%d%H%M%S}+0000|||{status}",
        f"OBX|1|NM|34694-0^VEGF^LN||{vegf}|pg/mL|0-160||||{status}||||CASE-LAB",
        f"OBX|2|NM|2465-3^IgG^LN||{5 + vegf % 9}.{vegf % 10}|g/L|8.6-17.4||||{status}||||CASE-LAB",
        f"OBX|3|CWE|25700-6^immunofixation^LN||{'NEG' if order % 3 else 'POS'}^^L||||||{status}||||CASE-LAB",
        "SPM|1|||SER^Serum^HL70487",
    ]
    return Message(f"M{number}", "\r".join([*lines, ""]).encode())


@dataclass
class Feed:
    """Senders as laboratories have them: one message at a time, sent again until it is acknowledged."""

    port: int
    acknowledged: set[str] = field(default_factory=set)
    resent: int = 0
    refused: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, messages: list[Message]) -> None:
        with MllpClient("127.0.0.1", self.port) as client:
            for message in messages:
                self._until_acknowledged(client, message)

    def _until_acknowledged(self, client: MllpClient, message: Message) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                answer = client.send(message.content)
            except (Unanswered, OSError):
                with self._lock:
                    self.resent += 1
                time.sleep(RESEND_SECONDS)
                continue
            with self._lock:
                if answer.code == "AA":
                    self.acknowledged.add(message.control_id)
                else:
                    self.refused.append(answer.code)
            return


@dataclass
class Faults:
    """Stops processes while the feed runs, at moments spread over it; supervisord starts them again."""

    stack: Stack
    feed: Feed
    done: list[str] = field(default_factory=list)

    def run(self, feeding: list[threading.Thread]) -> None:
        chance = random.Random(20240107)
        for number in range(1, STOPS + 1):
            while len(self.feed.acknowledged) < number * REPORTS // (STOPS + 1):
                assert any(thread.is_alive() for thread in feeding), "the feed ended early"
                time.sleep(0.05)
            self._stop_one(chance)
            if number == (STOPS + 1) // 2:
                self._restart_kafka()

    def _stop_one(self, chance: random.Random) -> None:
        running = [one for one in self.stack.supervisor.processes() if one.name != "kafka" and one.running and one.pid]
        chosen = running[chance.randrange(len(running))]
        how = chance.choice([signal.SIGKILL, signal.SIGTERM])
        psutil.Process(chosen.pid).send_signal(how)
        self.done.append(f"{chosen.name} {how.name}")

    def _restart_kafka(self) -> None:
        self.stack.supervisor.stop_process("kafka")
        self.stack.supervisor.start_process("kafka")
        self.done.append("kafka restarted")


@dataclass
class Log:
    """Everything on the topics, each event once, and whatever was told with two contents."""

    events: dict[Topic, dict[UUID, Any]]
    records: Counter[str]
    two_contents: list[UUID]

    def of_patient(self, topic: Topic, key: str) -> list[Any]:
        return self._by_patient[topic][key]

    def __post_init__(self) -> None:
        self._by_patient: dict[Topic, dict[str, list[Any]]] = {
            topic: _grouped(events.values()) for topic, events in self.events.items()
        }


def _grouped(events: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        found[event.patient.key].append(event)
    return found


def read_log(bootstrap: str) -> Log:
    events: dict[Topic, dict[UUID, Event]] = {}
    records: Counter[str] = Counter()
    two: list[UUID] = []
    for topic in (LAB_REPORTS, CARE_EVENTS, FLAGGED_REPORTS, RESPONSES, ALERTS):
        events[topic] = {}
        for value in values_of(bootstrap, topic.name, topic.partitions):
            event = topic.decode(value)
            records[topic.name] += 1
            before = events[topic].setdefault(event.event_id, event)
            if before.content() != event.content():
                two.append(event.event_id)
    for dead in [topic.dead_letters(reader) for topic in TOPICS for reader in topic.read_by]:
        records["dead letters"] += len(values_of(bootstrap, dead, 12))
    return Log(events, records, two)


def values_of(bootstrap: str, name: str, partitions: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    own = [TopicPartition(name, number) for number in range(partitions)]
    consumer.assign(own)
    ends = consumer.end_offsets(own)
    found: list[bytes] = []
    while any(consumer.position(partition) < ends[partition] for partition in own):
        for batch in consumer.poll(timeout_ms=1000).values():
            found.extend(record.value for record in batch)
    consumer.close()
    return found


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    stack = Stack(Home(tmp_path / ".refrain"))
    try:
        stack.up(lambda _: None, workers=2)
        yield stack
    finally:
        stack.down()


def test_nothing_is_lost_or_told_twice_while_processes_are_stopped(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    ports, senders = stack.ports("intake"), the_feed()
    questions.record(f"127.0.0.1:{ports['grpc']}", [line_of(number) for number in range(PATIENTS)])
    feed = Feed(ports["mllp"])
    threads = [threading.Thread(target=feed.run, args=(messages,), daemon=True) for messages in senders]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    faults = Faults(stack, feed)
    faults.run(threads)
    for thread in threads:
        thread.join()
    fed = time.monotonic() - started
    wait_for_engines(str(stack.bootstrap), seconds=PATIENCE_SECONDS)
    settled = time.monotonic() - started

    log = read_log(str(stack.bootstrap))
    sent = {message.control_id for messages in senders for message in messages}
    stored = {report.source.message for report in log.events[LAB_REPORTS].values()}
    with capsys.disabled():
        print(
            f"\n{len(sent)} reports of {PATIENTS} patients in {fed:.0f} s, through all engines after {settled:.0f} s; "
            f"{len(faults.done)} faults ({', '.join(faults.done)}); resent {feed.resent}; lost {len(sent - stored)}; "
            f"two contents {len(log.two_contents)}; records {dict(log.records)}"
        )
    assert feed.refused == []
    assert feed.acknowledged == sent
    assert feed.acknowledged - stored == set(), "acknowledged, but not on Kafka"
    assert log.two_contents == []
    assert log.records["dead letters"] == 0
    for engine in ENGINES:
        assert_ledger_is_exact(stack, engine, log)
    wrong = [number for number in range(PATIENTS) if differs(log, patient(number).key)]
    assert wrong == [], "these patients do not stand where the pure steps put them"


def assert_ledger_is_exact(stack: Stack, engine: str, log: Log) -> None:
    """Every subject on the engine's topics is in its ledger, once, and nothing else is; nothing is unsent."""
    database = open_database(f"sqlite:///{stack.home.ledgers / engine}.db", engine)
    with database.connect() as sql:
        held = {(row.topic, row.patient_key, row.subject) for row in sql.execute(select(FACTS)).all()}
        unsent = sql.execute(select(OUTBOX.c.event_id).where(OUTBOX.c.sent.is_(False))).all()
        holes = sql.execute(select(HOLES)).all()
    database.dispose()
    on_kafka = {
        (topic.name, event.patient.key, subject_of(event))
        for topic in inputs_of(engine)
        for event in log.events[topic].values()
    }
    assert held == on_kafka, engine
    assert unsent == [], engine
    assert holes == [], engine


def differs(log: Log, key: str) -> bool:
    """Whether flags, course or open alerts of a patient are not what one fold over the same facts gives."""
    alone = Pipeline(SiteSettings())
    alone.add([*log.of_patient(LAB_REPORTS, key), *log.of_patient(CARE_EVENTS, key)])
    assert alone.assessed is not None
    newest = max(log.of_patient(RESPONSES, key), key=lambda snapshot: snapshot.revision)
    views: dict[UUID, tuple[int, Any]] = {}
    for report in log.of_patient(FLAGGED_REPORTS, key):
        for view in report.observations:
            known = views.get(view.observation.version)
            if known is None or report.revision >= known[0]:
                views[view.observation.version] = (report.revision, view)
    expected = {view.observation.version: view for report in alone.flagged.values() for view in report.observations}
    return (
        {version: view for version, (_, view) in views.items()} != expected
        or newest.lines != alone.assessed.lines
        or standing(log.of_patient(ALERTS, key)) != standing(alone.alerts)
    )


def standing(events: list[Alert]) -> set[tuple[UUID, str]]:
    """Alerts still open, by id and text."""
    return {(alert.identifier, alert.text) for alert in fold_alerts(events) if alert.state in ("open", "amended")}
