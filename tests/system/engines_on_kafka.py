"""The engines as processes, and how to look at what they put on Kafka. For the tests of this folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import grpc
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from refrain.contracts.events import Alert, AlertAmended, AlertClosed, AlertRaised, AlertRetracted, PatientId
from refrain.contracts.topics import Topic

T = TypeVar("T")
ENGINES = ("flagging", "response", "relapse")


@dataclass
class Engines:
    """Processes of the three engines, one or two of each, with ledgers and consumer groups of their own."""

    kafka: str
    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    """By service and number: ``flagging-1``."""
    run_id: str = field(default_factory=lambda: uuid4().hex[:8])

    def environment(self, process: str) -> dict[str, str]:
        service = process.split("-")[0]
        prefix = service.upper()
        return os.environ | {
            f"{prefix}_KAFKA_BROKER": self.kafka,
            f"{prefix}_LEDGER": f"sqlite:///{self.folder}/{service}.db",
            f"{prefix}_PORTS_FILE": str(self.folder / f"{process}.json"),
            f"{prefix}_GROUP": f"{service}-{self.run_id}",
        }

    def migrate(self) -> None:
        for service in ENGINES:
            command = [sys.executable, "-m", f"services.{service}", "migrate"]
            subprocess.run(command, env=self.environment(service), check=True)

    def start(self, process: str) -> None:
        service = process.split("-")[0]
        with (self.folder / f"{service}.log").open("a") as log:
            self.processes[process] = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}"], env=self.environment(process), stdout=log, stderr=log
            )

    def stop_one(self, process: str, how: signal.Signals) -> None:
        """End one process and start it again, as a supervisor would."""
        self.processes[process].send_signal(how)
        self.processes[process].wait(60)
        self.start(process)

    def ports(self, service: str) -> dict[str, int]:
        path = self.folder / f"{service}-1.json"
        eventually(path.exists)
        return json.loads(path.read_text())

    def channel(self, service: str) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.ports(service)['grpc']}")

    def http(self, service: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports(service)['metrics']}{path}", timeout=10) as answer:
            return answer.read().decode()

    def stop(self) -> list[int]:
        """Ask all of them to end; their exit codes."""
        for process in self.processes.values():
            process.terminate()
        return [process.wait(60) for process in self.processes.values()]

    def kill(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def eventually(look: Callable[[], T], seconds: float = 90) -> T:
    """The first answer that is true; fails with the last one when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"still {seen!r}"
        time.sleep(0.3)


def read(kafka: str, topic: str, key: bytes | None = None) -> list:
    """All records, or those of one patient, in order."""
    consumer = KafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    consumer.seek_to_beginning(*partitions)
    found: list = []
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=300).values():
            found.extend(record for record in records if key in (None, record.key))
    consumer.close()
    return found


def events(kafka: str, topic: Topic, patient: PatientId) -> list[Any]:
    return [topic.decode(record.value) for record in read(kafka, topic.name, patient.key.encode())]


def standing(alerts: list[Alert]) -> set[tuple[str, str, str, str]]:
    """The alerts that are open after these events. A notice is born closed and stays so."""
    open_now: dict = {}
    notices = {event.alert for event in alerts if isinstance(event, AlertRaised) and event.notice}
    for event in alerts:
        ended = isinstance(event, AlertAmended) and not event.still_open
        if ended or isinstance(event, AlertClosed | AlertRetracted):
            for alert in (event.alert, *getattr(event, "with_alerts", ())):
                open_now.pop(alert, None)
        elif event.alert not in notices:
            open_now[event.alert] = (str(event.alert), event.kind, event.subject, event.text)
    return set(open_now.values())


def course(assessments: list) -> dict:
    """The newest snapshot without what depends on the way there."""
    newest = max(assessments, key=lambda event: event.revision)
    return newest.model_dump(include={"as_of", "lines", "trajectories"})
