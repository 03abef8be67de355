"""Alerts through a real Kafka, a real notify process and a real webhook: all are told, all of it is on record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4

import grpc
import pytest
from kafka import KafkaConsumer
from standardwebhooks import Webhook

from refrain.api.events.v1.people_pb2 import Actor
from refrain.api.notify.v1 import alerts_pb2, alerts_pb2_grpc
from refrain.cli.kafka import LocalKafka
from refrain.contracts.events import AlertAction, AlertRaised, AlertRetracted
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer

pytestmark = pytest.mark.kafka

SECRET = "whsec_" + "c2VjcmV0" * 4
ROSTER = """
zone: UTC
channels:
  page: {{type: webhook, detail: none, secret_env: PAGE_SECRET, down_after_failures: 100}}
people:
  lee: {{name: M. Lee, channels: [{{channel: page, address: "{url}/lee"}}]}}
  roy: {{name: A. Roy, channels: [{{channel: page, address: "{url}/roy"}}]}}
  lab: {{name: Laboratory, team: laboratory, channels: [{{channel: page, address: "{url}/lab"}}]}}
chains:
  P1: {{levels: [{{to: [lee]}}, {{to: [roy]}}], give_up: 10 min}}
  P2_24: {{levels: [{{to: [lee]}}]}}
  P2_72: {{levels: [{{to: [lee]}}]}}
  P3: {{levels: [{{to: [lee]}}]}}
  DQ: {{levels: [{{to: [lab]}}]}}
fallback: {{clinical: [roy], laboratory: [lab]}}
digest: {{weekday: monday, time: "07:30"}}
settle_seconds: {{P1: 0, P2: 0, P3: 0, DQ: 0}}
"""


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@dataclass
class Pager:
    """What a webhook received. ``answer`` says, by key and how often it came before, what becomes of a request:
    ``take`` it, ``refuse`` it with a 503, or ``lose`` the answer: take it and say 503."""

    answer: Callable[[str, int], str] = lambda _, __: "take"
    tries: Counter[str] = field(default_factory=Counter)
    url: str = ""
    taken: list[tuple[str, str, list[str]]] = field(default_factory=list)
    """Path, ``webhook-id``, and the alerts that it was about."""
    wrong: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        with self.lock:
            key = headers["webhook-id"]
            how = self.answer(key, self.tries[key])
            self.tries[key] += 1
            if how == "refuse":
                return 503
            try:
                Webhook(SECRET).verify(body, headers)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it
                self.wrong.append(type(error).__name__)
                return 400
            alerts = [one["alert"] for one in json.loads(body)["data"]["alerts"]]
            self.taken.append((path, key, alerts))
            return 204 if how == "take" else 503

    def keys(self, alert: UUID) -> list[str]:
        with self.lock:
            return [key for _, key, alerts in self.taken if str(alert) in alerts]

    def told(self, alert: UUID) -> set[str]:
        with self.lock:
            return {path for path, _, alerts in self.taken if str(alert) in alerts}


@pytest.fixture
def pager() -> Iterator[Pager]:
    held = Pager()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(held.receive(self.path, headers, body))
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held
    server.shutdown()
    server.server_close()


class Running:
    """A notify process that can be killed and started again on the same database."""

    def __init__(self, folder: Path, broker: str, roster: str) -> None:
        (folder / "roster.yaml").write_text(roster)
        self._ports = folder / "ports.json"
        self._log = folder / "notify.log"
        self.environment = os.environ | {
            "NOTIFY_KAFKA_BROKER": broker, "NOTIFY_LEDGER": f"sqlite:///{folder}/notify.db", "PAGE_SECRET": SECRET,
            "NOTIFY_PORTS_FILE": str(self._ports), "NOTIFY_ROSTER": str(folder / "roster.yaml"),
            "NOTIFY_GROUP": f"notify-{uuid4()}", "NOTIFY_CONSOLE_URL": "https://console.example",
            "NOTIFY_LOGLEVEL": "DEBUG",
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "services.notify", *arguments]
        return subprocess.run(command, env=self.environment, check=False, timeout=60, capture_output=True, text=True)

    def start(self) -> None:
        assert self.run("migrate").returncode == 0
        self._ports.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.notify"], env=self.environment, stdout=log, stderr=log
            )
        wait_for(self._ports.exists)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=60)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def port(self, name: str) -> int:
        return int(json.loads(self._ports.read_text())[name])

    @contextmanager
    def service(self) -> Iterator[alerts_pb2_grpc.AlertServiceStub]:
        with grpc.insecure_channel(f"127.0.0.1:{self.port('grpc')}") as channel:
            yield alerts_pb2_grpc.AlertServiceStub(channel)

    def metric(self, line: str) -> float:
        page = urlopen(f"http://127.0.0.1:{self.port('metrics')}/metrics", timeout=5).read().decode()
        return next(float(one.rpartition(" ")[2]) for one in page.splitlines() if one.startswith(line))


@pytest.fixture
def notify(tmp_path: Path, pager: Pager) -> Iterator[Callable[[str], Running]]:
    made: list[Running] = []

    def make(broker: str) -> Running:
        made.append(Running(tmp_path, broker, ROSTER.format(url=pager.url)))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def critical(patient: str, fact: type[Any] = AlertRaised, sequence: int = 0, **more: Any) -> Any:
    now = datetime.now(UTC)
    event = {
        "patient": {"authority": "NORTHWARD", "type": "MR", "id": patient}, "occurred_at": now, "recorded_at": now,
        "alert": UUID(int=int(patient, 16)), "kind": "CRITICAL_RESULT", "tier": "P1", "subject": "K",
        "episode": UUID(int=int(patient, 16) + 1), "text": "Potassium 7.91 mmol/L", "at": now, "sequence": sequence,
    }  # fmt: skip
    return fact.model_validate(event | more).identified()


def publish(broker: str, *events: Any) -> None:
    producer = Producer(broker, "test")
    producer.send([Outgoing.of(ALERTS, event) for event in events])
    producer.close()


def actions_of(broker: str, alerts: set[UUID], until: Callable[[list[AlertAction]], bool]) -> list[AlertAction]:
    """What is on ``alert-actions.v1`` about some alerts, in order, once it is enough."""
    consumer = KafkaConsumer(ALERT_ACTIONS.name, bootstrap_servers=broker, auto_offset_reset="earliest")
    found: list[AlertAction] = []

    def enough() -> bool:
        for records in consumer.poll(timeout_ms=200).values():
            found.extend(event for one in records if (event := ALERT_ACTIONS.decode(one.value)).alert in alerts)
        return until(found)

    wait_for(enough)
    consumer.close()
    return found


def patients(count: int) -> list[str]:
    return [uuid4().hex[:31] for _ in range(count)]


def acknowledged(alert: UUID) -> alerts_pb2.AcknowledgeRequest:
    return alerts_pb2.AcknowledgeRequest(
        alert_id=str(alert), reason="will_act", request_id=str(uuid4()),
        actor=Actor(id="lee", role="clinician", via="console"),
    )  # fmt: skip


def test_an_alert_is_told_acknowledged_read_back_and_on_record(
    kafka: str, pager: Pager, notify: Callable[[str], Running]
) -> None:
    running = notify(kafka)
    running.start()
    [patient] = patients(1)
    alert = UUID(int=int(patient, 16))
    publish(kafka, critical(patient))
    wait_for(lambda: bool(pager.keys(alert)))
    with running.service() as service:
        wait_for(lambda: service.GetAlert(alerts_pb2.GetAlertRequest(alert_id=str(alert))).alert.state == "delivered")
        service.Acknowledge(acknowledged(alert), timeout=10)
        service.RecordReadBack(
            alerts_pb2.RecordReadBackRequest(
                alert_id=str(alert), actor=Actor(id="lee"), by="ward 4", name_confirmed=True,
                identifier_confirmed=True, result_confirmed=True, request_id=str(uuid4()),
            ),
            timeout=10,
        )  # fmt: skip
    done = actions_of(kafka, {alert}, lambda found: len(found) == 3)
    assert [(one.number, one.body.type) for one in done] == [(1, "told"), (2, "acknowledged"), (3, "read_back")]
    assert pager.told(alert) == {"/lee"}
    assert pager.wrong == []
    assert running.metric('refrain_notify_told_total{kind="CRITICAL_RESULT",tier="P1"}') >= 1
    assert running.stop() == 0
    assert patient not in running.log
    assert "7.91" not in running.log


def test_kills_lose_nobody_and_tell_nobody_twice(kafka: str, pager: Pager, notify: Callable[[str], Running]) -> None:
    """Half of the channel's answers are failures; a quarter are failures although it took the message."""
    pager.answer = lambda key, before: ("take", "refuse", "take", "lose")[UUID(key).int % 4] if not before else "take"
    running = notify(kafka)
    running.start()
    people = patients(60)
    alerts = {UUID(int=int(patient, 16)) for patient in people}
    for start in range(0, 60, 20):
        publish(kafka, *(critical(patient) for patient in people[start : start + 20]))
        wait_for(lambda: sum(bool(pager.keys(alert)) for alert in alerts) > start)  # noqa: B023 - waited for here
        running.stop(signal.SIGKILL)
        running.start()
    wait_for(lambda: all(pager.keys(alert) for alert in alerts), seconds=180)
    told = actions_of(kafka, alerts, lambda found: {one.alert for one in found} == alerts)
    assert {one.body.type for one in told} == {"told"}
    repeated = {alert: keys for alert in alerts if len(keys := set(pager.keys(alert))) > 1}
    assert repeated == {}, "a repeat must carry the key that it had before"
    assert {one.number for one in told} == {1}
    assert len({one.event_id for one in told}) == len(alerts)
    assert {tuple(pager.told(alert)) for alert in alerts} == {("/lee",)}
    assert running.stop() == 0


def test_while_kafka_is_away_people_are_told_and_answer_all_the_same(
    private_kafka: Callable[[], LocalKafka], pager: Pager, notify: Callable[[str], Running]
) -> None:
    node = private_kafka()
    running = notify(node.bootstrap)
    running.start()
    pager.answer = lambda _, __: "refuse"
    [patient] = patients(1)
    alert = UUID(int=int(patient, 16))
    publish(node.bootstrap, critical(patient))
    with running.service() as service:
        waiting = alerts_pb2.ListAlertsRequest(waiting_only=True)
        wait_for(lambda: len(service.ListAlerts(waiting, timeout=10).alerts) == 1)
    node.stop(signal.SIGKILL)
    running.stop(signal.SIGKILL)
    pager.answer = lambda _, __: "take"
    running.start()  # without Kafka
    wait_for(lambda: bool(pager.keys(alert)))
    with running.service() as service:
        assert service.Acknowledge(acknowledged(alert), timeout=10).alert.state == "acknowledged"
    node.start()
    done = actions_of(node.bootstrap, {alert}, lambda found: len(found) == 2)
    assert [one.body.type for one in done] == ["told", "acknowledged"]
    publish(node.bootstrap, critical(patient, AlertRetracted, 1, reason="withdrawn"))
    wait_for(lambda: len(set(pager.keys(alert))) == 2)
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("roster", "told"),
    [
        pytest.param("zone: Mars/Olympus\n", "zone", id="what is missing or wrong is named"),
        pytest.param(
            ROSTER.format(url="http://127.0.0.1:9").replace("PAGE_SECRET", "NO_SUCH"), "NO_SUCH", id="a secret"
        ),
    ],
)
def test_a_roster_that_cannot_be_used_is_refused_with_sentences(tmp_path: Path, roster: str, told: str) -> None:
    running = Running(tmp_path, "127.0.0.1:9", roster)
    assert running.run("migrate").returncode == 0
    refused = running.run()
    assert refused.returncode == ExitCode.WRONG_SETTINGS
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_without_schema_is_refused_with_a_sentence(tmp_path: Path) -> None:
    refused = Running(tmp_path, "127.0.0.1:9", ROSTER.format(url="http://127.0.0.1:9")).run("worker")
    assert refused.returncode == ExitCode.WRONG_REVISION
    assert "services.notify migrate" in refused.stderr


def test_a_roster_is_checked_without_anything_running(tmp_path: Path) -> None:
    running = Running(tmp_path, "127.0.0.1:9", ROSTER.format(url="http://127.0.0.1:9"))
    good = running.run("check-roster", str(tmp_path / "roster.yaml"))
    assert (good.returncode, "3 people" in good.stdout) == (0, True)
    (tmp_path / "roster.yaml").write_text("zone: [\n")
    bad = running.run("check-roster", str(tmp_path / "roster.yaml"))
    assert (bad.returncode, "YAML" in bad.stderr) == (ExitCode.WRONG_SETTINGS, True)
