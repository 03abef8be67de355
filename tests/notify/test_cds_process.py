"""CDS Hooks of the real process, from an alert on Kafka to the answer on Kafka; and settings that stop it at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from kafka import KafkaConsumer

from refrain.contracts.events import PatientId
from refrain.contracts.fhir_names import ACKNOWLEDGE_REASONS, patient_system
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS
from refrain.runtime.leaving import ExitCode
from refrain.runtime.produce import Outgoing, Producer
from tests.notify.keeping import TEXT, issued
from tests.notify.test_cds_hooks import SERVICE, a_patient, view

SECRET = "whsec_" + "c2VjcmV0" * 4
SECONDS = 90


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "roster.yaml").write_text(TEXT)
    return os.environ | {
        "NOTIFY_LEDGER": f"sqlite:///{tmp_path}/notify.db", "NOTIFY_ROSTER": str(tmp_path / "roster.yaml"),
        "NOTIFY_CONSOLE_URL": "https://console.example",
        "NOTIFY_PORTS_FILE": str(tmp_path / "ports.json"), "NOTIFY_GROUP": f"notify-{uuid4()}", "PAGER_SECRET": SECRET,
        "NOTIFY_CDS_OPEN": "true", "NOTIFY_KAFKA_BROKER": "127.0.0.1:9",
    }  # fmt: skip


def notify(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "services.notify", *arguments]


@pytest.fixture
def client(environment: dict[str, str], kafka: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a running notify."""
    environment["NOTIFY_KAFKA_BROKER"] = kafka
    subprocess.run(notify("migrate"), env=environment, check=True, timeout=60)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(notify(), env=environment, stdout=log, stderr=log)
    try:
        until((tmp_path / "ports.json").exists)
        port = json.loads((tmp_path / "ports.json").read_text())["http"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as opened:
            yield opened
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.kafka
def test_from_an_alert_on_kafka_to_the_answer_on_kafka(client: httpx.Client, kafka: str, tmp_path: Path) -> None:
    patient = PatientId(authority="NORTHWARD", type="MR", id=uuid4().hex)
    alert = uuid4()
    producer = Producer(kafka, "test")
    producer.send([Outgoing.of(ALERTS, issued(1, patient=patient, alert=alert))])
    producer.close()
    asked = view(a_patient(patient, system=patient_system(patient.authority)))

    def cards() -> list[dict[str, Any]]:
        answer = client.post(SERVICE, json=asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["cards"]
        return found

    [card] = until(cards)
    reason = {"system": ACKNOWLEDGE_REASONS, "code": "expected", "display": "…"}
    given = {
        "card": card["uuid"], "outcome": "overridden", "overrideReason": {"reason": reason},
        "outcomeTimestamp": "2199-01-01T00:00:00Z",
    }  # fmt: skip
    assert client.post(f"{SERVICE}/feedback", json={"feedback": [given]}).status_code == 200
    assert cards() == []
    assert acknowledged(kafka, alert) == ("cds-hooks", "expected")
    assert patient.id not in (tmp_path / "log").read_text()


def acknowledged(broker: str, alert: UUID) -> tuple[str, str]:
    """Who acknowledged it and why, as ``alert-actions.v1`` has it."""
    consumer = KafkaConsumer(ALERT_ACTIONS.name, bootstrap_servers=broker, auto_offset_reset="earliest")

    def found() -> Any:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                action = ALERT_ACTIONS.decode(record.value)
                if action.alert == alert and action.body.type == "acknowledged":
                    return action.actor.id, action.body.reason
        return None

    told: tuple[str, str] = until(found)
    consumer.close()
    return told


@pytest.mark.parametrize(
    "listed",
    [
        "- {name: ehr, iss: https://ehr.example}",
        "- {name: ehr, iss: https://ehr.example, jwks_url: 'http://ehr.example/keys'}",
        "- {name: a, iss: x, jwks_file: k}\n- {name: b, iss: x, jwks_file: k}",
        "{{",
    ],
    ids=["no keys", "keys over plain http", "one issuer twice", "no YAML"],
)
def test_trusted_clients_that_cannot_be_used_are_said_at_the_start(
    environment: dict[str, str], tmp_path: Path, listed: str
) -> None:
    (tmp_path / "clients.yaml").write_text(listed)
    trusting = {"NOTIFY_CDS_CLIENTS": str(tmp_path / "clients.yaml"), "NOTIFY_CDS_URL": "https://notify.example"}
    ran = subprocess.run(notify(), env=environment | trusting, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == ExitCode.WRONG_SETTINGS
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) >= 1
